package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// withTransactionTimeout returns a server that has the setting.
func withTransactionTimeout(t *testing.T) operated {
	t.Helper()
	o := newOperated(t, nil)
	if o.version < 17 {
		t.Skipf("PostgreSQL %d has no transaction_timeout: see .ci/run versions", o.version)
	}
	return o
}

// A transaction that a transaction_timeout of the DSN has ended is run again.
func TestTransactionTimeout(t *testing.T) {
	t.Parallel()
	o := withTransactionTimeout(t)
	dsn := o.role(t)
	store := openStore(t, Config{DSN: dsn + "&transaction_timeout=500", Schema: o.server.Schema(t)})
	w := newWorld(t, store)
	runs := 0
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		runs++
		if _, err := tx.Lock(ctx, stacksync.LockParams{Users: []stacksync.UserID{"user-1"}}); err != nil {
			return err
		}
		if runs == 1 { // until the server has ended it
			require.Eventually(t, func() bool {
				return o.server.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND usename = '"+userOf(t, dsn)+"'")[0][0] == "0"
			}, time.Minute, 5*time.Millisecond)
		}
		_, err := tx.Put(ctx, account(1))
		return err
	}))
	require.GreaterOrEqual(t, runs, 2)
	require.Len(t, users(t, store, "user-1"), 1)
	w.commit(w.file())
}

// One of the role's is lifted: neither waiting for a lock nor for a migration is for it to end.
func TestTransactionTimeoutOfRole(t *testing.T) {
	t.Parallel()
	o := withTransactionTimeout(t)
	dsn := o.role(t, settingOf{"transaction_timeout", "300ms", 17})
	for name, config := range map[string]Config{"DSN": {DSN: dsn}, "DB": {DB: poolOf(t, dsn)}} {
		t.Run(name, func(t *testing.T) {
			config.Schema = o.server.Schema(t)
			admin := o.server.DB(t)
			tx, err := admin.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(hashtext('stacksync migrations'), hashtext($1))", config.Schema)
			require.NoError(t, err)
			opened := make(chan error, 1)
			var store *Store
			go func() {
				var err error
				store, err = Open(t.Context(), config)
				opened <- err
			}()
			waitsFor(t, o.server, time.Second)
			require.NoError(t, tx.Rollback())
			require.NoError(t, <-opened)
			t.Cleanup(func() { require.NoError(t, store.Close()) })

			release := hold(t, store, lockAda)
			runs, saved := 0, make(chan error, 1)
			go func() {
				saved <- store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
					runs++
					_, err := tx.Lock(ctx, lockAda)
					return err
				})
			}()
			waitsFor(t, o.server, time.Second)
			release()
			require.NoError(t, <-saved)
			require.Equal(t, 1, runs)
		})
	}
}

// waitsFor returns once somebody has waited for an advisory lock for so long.
func waitsFor(t *testing.T, server *pgtest.Server, d time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		return server.Query(t, `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND NOT granted
			AND clock_timestamp() - query_start > make_interval(secs => $1)`, d.Seconds())[0][0] == "1"
	}, time.Minute, 20*time.Millisecond)
}
