package postgres

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// Who asks for an outcome needs a connection, also where there is only one: the broken one is given up first.
func TestOutcomeWithOneConnection(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	config := fresh(t, server)
	config.DSN, config.MaxConns = proxy.DSN(), 1
	store := openStore(t, config)
	r := &commitRig{proxy: proxy, store: store, committing: make(chan struct{}), asked: make(chan struct{})}
	r.onCommit(func() pgtest.Action { return pgtest.CutAfter })
	runs := 0
	require.NoError(t, store.Update(t.Context(), putting(&runs, account(1))))
	require.Equal(t, 1, runs)
	require.Len(t, users(t, store, "user-1"), 1)
}

// A commit in a transaction of the host's does with its connection, also where the host's pool has no other.
func TestCommitInOnPoolOfOne(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	pool := hostPool(server.DSN())
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	config.DSN, config.DB = "", pool
	pool.SetMaxOpenConns(1)
	store := openStore(t, config)
	w := newWorld(t, store)
	file := w.file()
	require.NoError(t, bun.NewDB(pool, pgdialect.New()).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		res, err := w.svc.CommitIn(ctx, store.Tx(tx.Tx), w.request(file))
		if err == nil {
			err = res.Outcomes[0].Err
		}
		return err
	}))
	require.Len(t, w.changes("").Items, 1)
}

// Without a bound a pool has room for more than one writer.
func TestWritersOfUnboundedPool(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	pool := hostPool(server.DSN())
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	store := openStore(t, Config{DB: pool, Schema: server.Schema(t)})
	require.Equal(t, 2, store.Writers())
}

// A Lock that waits for as long as it is told need not come first.
func TestLockAfterRead(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	store := openStore(t, config)
	require.NoError(t, put(t.Context(), store, account(1)))
	p := lockHome
	p.Workspaces, p.Wait = []stacksync.WorkspaceID{workspaceID(1)}, 20*time.Millisecond
	release := hold(t, openStore(t, config), p)
	err := store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"user-1"}}); err != nil {
			return err
		}
		_, err := tx.Lock(ctx, p)
		return err
	})
	require.ErrorIs(t, err, stacksync.ErrBusy)
	release()
}

// Who opens a schema that others migrate waits for them, however long that takes.
func TestOpenWaitsForMigration(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	config.StatementTimeout, config.LockTimeout = time.Second, 100*time.Millisecond
	admin := server.DB(t)
	tx, err := admin.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(hashtext('stacksync migrations'), hashtext($1))", config.Schema)
	require.NoError(t, err)
	opened := make(chan error, 1)
	go func() {
		store, err := Open(t.Context(), config)
		if err == nil {
			err = store.Close()
		}
		opened <- err
	}()
	waitsFor := func(d time.Duration) func() bool {
		return func() bool {
			return server.Query(t, `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND NOT granted
				AND objid::int8 = hashtext($1)::int8 & 4294967295 AND clock_timestamp() - query_start > make_interval(secs => $2)`, config.Schema, d.Seconds())[0][0] == "1"
		}
	}
	require.Eventually(t, waitsFor(2*config.StatementTimeout), time.Minute, 20*time.Millisecond, "it waits for longer than its timeouts")
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-opened)
}

// What a host's transaction has seen must not be from before it has waited for a lock.
func TestHostTransactionIsolation(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	store := openStore(t, config)
	pool := hostPool(server.DSN())
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	for _, level := range []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelSerializable} {
		tx, err := pool.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		require.NoError(t, err)
		_, err = store.Tx(tx).Lock(t.Context(), stacksync.LockParams{Users: []stacksync.UserID{"ada"}})
		require.ErrorIs(t, err, ErrIsolation)
		require.NoError(t, tx.Rollback())
	}
}

// The driver leaves out what PostgreSQL can't hold: a look-up of such a name must not find another one.
func TestTextThatCanNotBe(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	store := openStore(t, fresh(t, server))
	p := account(1)
	require.NoError(t, put(t.Context(), store, p))
	for _, user := range []stacksync.UserID{p.Users[0].ID + "\x00", p.Users[0].ID + "\xff"} {
		require.Error(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
			_, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{user}})
			return err
		}))
		require.Error(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
			_, err := r.Memberships(ctx, stacksync.MembershipsParams{User: user})
			return err
		}))
	}
}
