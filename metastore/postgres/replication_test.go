package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// TestLostStandby lets a COMMIT wait for a standby that is gone. Who ends the wait does not make it durable there; who changes what the
// server waits for does.
func TestLostStandby(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]pgtest.Options{"plain": {}, "TLS": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Start(t, options)
			config := named(t, server)
			config.DSN += "&client_min_messages=error" // which would keep the warning back
			store := openStore(t, config)
			setStandbys := func(names string) {
				server.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
				server.Query(t, "SELECT pg_reload_conf()")
				require.Eventually(t, func() bool { return server.Query(t, "SHOW synchronous_standby_names")[0][0] == names }, time.Minute, time.Millisecond)
			}
			runs, saved := 0, make(chan error, 1)
			// Where a standby is missing, a commit waits.
			commitWaits := func(n int) (pid string) {
				go func() { saved <- store.Update(t.Context(), putting(&runs, account(n))) }()
				require.Eventually(t, func() bool {
					rows := server.Query(t, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = $1", config.Schema)
					if len(rows) == 1 {
						pid = rows[0][0]
					}
					return pid != ""
				}, time.Minute, time.Millisecond)
				return pid
			}
			setStandbys("nobody")
			for n, end := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
				server.Query(t, "SELECT "+end+"("+commitWaits(n)+")")
				err := <-saved
				require.ErrorIs(t, err, stacksync.ErrUncertain)
				require.ErrorContains(t, err, "a failover may lose it")
				require.Equal(t, n+1, runs, "it is not run again")
				require.Len(t, users(t, store, account(n).Users[0].ID), 1, "it is saved here")
			}
			commitWaits(2)
			setStandbys("")
			require.NoError(t, <-saved)
			require.NoError(t, put(t.Context(), store, account(3)))
		})
	}
}
