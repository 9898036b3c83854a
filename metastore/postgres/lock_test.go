package postgres

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// named returns a configuration whose connections the server can tell from those of other tests.
func named(t testing.TB, server *pgtest.Server) Config {
	t.Helper()
	config := fresh(t, server)
	config.DSN += "&application_name=" + config.Schema
	return config
}

// sessionsIn counts the store's connections of which a condition on pg_stat_activity holds.
func sessionsIn(t testing.TB, server *pgtest.Server, config Config, condition string) int {
	t.Helper()
	return len(server.Query(t, "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND "+condition, config.Schema))
}

const (
	waiting       = "wait_event_type = 'Lock'"
	inTransaction = "state LIKE 'idle in transaction%'"
)

// waits returns when so many connections wait for a lock.
func waits(t *testing.T, server *pgtest.Server, config Config, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return sessionsIn(t, server, config, waiting) == n }, time.Minute, time.Millisecond)
}

// hold locks in a transaction of its own until release is called.
func hold(t *testing.T, store *Store, p stacksync.LockParams) (release func()) {
	t.Helper()
	locked, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- lock(t.Context(), store, p, func() error {
			close(locked)
			select {
			case <-end:
			case <-t.Context().Done(): // the test has failed
			}
			return nil
		})
	}()
	<-locked
	return func() {
		close(end)
		require.NoError(t, <-done)
	}
}

var (
	lockAda  = stacksync.LockParams{Users: []stacksync.UserID{"ada"}}
	lockHome = stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{workspaceID(1)}}
	lockWork = stacksync.LockParams{Operations: []stacksync.OperationID{{UUID: id("operation", 1)}}}
)

func TestLockTimeout(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	for name, c := range map[string]struct {
		locks   stacksync.LockParams
		timeout time.Duration
		wait    time.Duration
	}{
		"of a row, the store's":   {lockHome, 20 * time.Millisecond, 0},
		"of a row, the call's":    {lockHome, 20 * time.Second, 20 * time.Millisecond},
		"of a user, the store's":  {lockAda, 20 * time.Millisecond, 0},
		"of a user, the call's":   {lockAda, 20 * time.Second, 20 * time.Millisecond},
		"of an operation":         {lockWork, 20 * time.Millisecond, 0},
		"less than it can be":     {lockAda, 20 * time.Second, time.Nanosecond},
		"shorter than the call's": {lockAda, time.Millisecond, 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := named(t, server)
			config.LockTimeout = c.timeout
			store := openStore(t, config)
			rows := account(1)
			rows.Operations = []stacksync.Operation{{ID: lockWork.Operations[0]}}
			require.NoError(t, put(t.Context(), store, rows))
			release := hold(t, store, c.locks)
			runs := 0
			locks := c.locks
			locks.Wait = c.wait
			err := store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
				runs++
				if _, err := tx.Put(ctx, account(2)); err != nil {
					return err
				}
				_, err := tx.Lock(ctx, locks)
				return err
			})
			require.ErrorIs(t, err, stacksync.ErrBusy)
			require.Equal(t, 1, runs, "it is for the caller to wait for longer")
			release()
			require.Empty(t, users(t, store, "user-2"), "nothing is saved")
			require.NoError(t, lock(t.Context(), store, c.locks, func() error { return nil }), "the lock is free again")
			require.Zero(t, sessionsIn(t, server, config, inTransaction))
		})
	}
}

// Two transactions that are about to make a user wait for each other, though there is no row yet.
func TestLockOfUnknownUser(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := named(t, server)
	a, b := openStore(t, config), openStore(t, config)
	release := hold(t, a, lockAda)
	second := make(chan error, 1)
	go func() { second <- lock(t.Context(), b, lockAda, func() error { return nil }) }()
	waits(t, server, config, 1)
	require.NoError(t, lock(t.Context(), b, stacksync.LockParams{Users: []stacksync.UserID{"bob"}}, func() error { return nil }), "another user is free")
	release()
	require.NoError(t, <-second)

	other := openStore(t, named(t, server))
	release = hold(t, a, lockAda)
	require.NoError(t, lock(t.Context(), other, lockAda, func() error { return nil }), "the user of another schema is free")
	release()
}

// Operations are locked last: who waits for one holds its workspaces and users, and who waits for those holds no operation.
func TestOperationsAreLockedLast(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	all := stacksync.LockParams{Workspaces: lockHome.Workspaces, Users: lockAda.Users, Operations: lockWork.Operations}
	for name, c := range map[string]struct{ held, free stacksync.LockParams }{
		"a workspace": {lockHome, lockWork},
		"a user":      {lockAda, lockWork},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := named(t, server)
			store := openStore(t, config)
			rows := account(1)
			rows.Operations = []stacksync.Operation{{ID: lockWork.Operations[0]}}
			require.NoError(t, put(t.Context(), store, rows))
			release := hold(t, store, c.held)
			done := make(chan error, 1)
			go func() { done <- lock(t.Context(), store, all, func() error { return nil }) }()
			waits(t, server, config, 1)
			c.free.Wait = time.Minute
			require.NoError(t, lock(t.Context(), store, c.free, func() error { return nil }), "who waits for %s holds no operation", name)
			release()
			require.NoError(t, <-done)
		})
	}
}

// A ctx that ends, ends the wait at once, and leaves no transaction behind: neither in the pool nor at the server.
func TestEndOfContextEndsWait(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	enough := errors.New("enough")
	for name, c := range map[string]struct {
		locks stacksync.LockParams
		host  bool
	}{
		"of a row": {lockHome, false}, "of a user": {lockAda, false},
		"of a row, a host's pool": {lockHome, true}, "of a user, a host's pool": {lockAda, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := named(t, server)
			if c.host {
				db := hostPool(config.DSN)
				t.Cleanup(func() { require.NoError(t, db.Close()) })
				config.DSN, config.DB = "", db
			}
			store := openStore(t, config)
			require.NoError(t, put(t.Context(), store, account(1)))
			release := hold(t, store, c.locks)
			for n := range 3 { // those who gave up wait on at the server, until the lock is free
				ctx, cancel := context.WithCancelCause(t.Context())
				done := make(chan error, 1)
				go func() { done <- lock(ctx, store, c.locks, func() error { return nil }) }()
				waits(t, server, config, n+1)
				cancel(enough)
				require.ErrorIs(t, <-done, context.Canceled)
			}
			release()
			require.NoError(t, lock(t.Context(), store, c.locks, func() error { return nil }))
			require.Eventually(t, func() bool {
				return sessionsIn(t, server, config, waiting) == 0 && sessionsIn(t, server, config, inTransaction) == 0
			}, time.Minute, time.Millisecond, "who waited is gone from the server")
			require.Len(t, users(t, store, "user-1"), 1)
		})
	}
}

// A closure's ctx that ends between statements leaves a connection that serves on.
func TestEndOfContextInClosure(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := named(t, server)
	config.MaxConns = 1
	store := openStore(t, config)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		err := store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
			_, err := tx.Lock(ctx, lockAda)
			require.NoError(t, err)
			_, err = tx.Put(ctx, account(1))
			require.NoError(t, err)
			cancel()
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, users(t, store, "user-1"))
		require.Zero(t, sessionsIn(t, server, config, inTransaction))
	}
}

func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := named(t, server)
	store := openStore(t, config)
	config.StatementTimeout = 500 * time.Millisecond
	config.DSN += "&idle_in_transaction_session_timeout=0" // which is not what ends a slow test
	checked, err := config.withDefaults()
	require.NoError(t, err)
	pool, _, err := checked.pool()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })

	s, err := sessions{}.begin(t.Context(), bun.NewDB(pool, pgdialect.New()), sqlstore.Write)
	require.NoError(t, err)
	_, err = s.ExecContext(t.Context(), "INSERT INTO "+config.Schema+".users VALUES ('ada', gen_random_uuid(), 0, 0, 0)")
	require.NoError(t, err)
	rows, err := s.QueryContext(t.Context(), "SELECT pg_sleep(60)")
	if err == nil {
		rows.Next()
		err = errors.Join(rows.Err(), rows.Close())
	}
	pg, ok := errorOf(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "57014", pg.Field('C'))
	require.False(t, retryable(err))
	s.Rollback()
	require.Empty(t, users(t, store, "ada"))
	require.Zero(t, sessionsIn(t, server, config, inTransaction))
}

// What a store has done leaves the connections of a host's pool as they were.
func TestHostPoolStaysAsItIs(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	db := hostPool(server.DSN())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	settings := func() (all []string) {
		rows, err := db.QueryContext(t.Context(), "SELECT name || ' = ' || setting FROM pg_settings ORDER BY 1")
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var s sql.NullString
			require.NoError(t, rows.Scan(&s))
			all = append(all, s.String)
		}
		require.NoError(t, rows.Err())
		return all
	}
	before := settings()
	store := openStore(t, Config{DB: db, Schema: server.Schema(t)})
	w := newWorld(t, store)
	w.commit(w.file())
	w.changes("")
	locks := lockAda
	locks.Wait = time.Second
	require.NoError(t, lock(t.Context(), store, locks, func() error { return nil }))
	require.Equal(t, before, settings())
}
