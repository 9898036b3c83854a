package postgres

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// TestSettingsOfRoles has notifiers whose role has settings that operators make. Hints arrive all the same.
func TestSettingsOfRoles(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Start(t, pgtest.Options{}), unique()
	server.Exec(t, `CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC;
		CREATE FUNCTION other.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'not this one'; END$$`)
	subs := subscribe(t, open(t, Config{DSN: server.DSN(), Channel: channel}), "a")
	for i, setting := range []string{
		"standard_conforming_strings = off", "client_encoding = 'LATIN1'", "search_path = other, pg_catalog", "default_transaction_read_only = on",
		"default_transaction_isolation = 'serializable'", "bytea_output = 'escape'", "datestyle = 'German'", "client_min_messages = 'debug5'", "array_nulls = off",
		"synchronous_commit = off",
	} {
		t.Run(setting, func(t *testing.T) {
			n := open(t, Config{DSN: roleDSN(t, server, setting), Channel: channel})
			revision := int64(2*i + 1)
			here := subscribe(t, n, "a")
			require.NoError(t, publish(t.Context(), n, hint("a", revision)))
			require.Equal(t, hint("a", revision), next(t, here))
			require.Equal(t, hint("a", revision), next(t, subs))
		})
	}
}

// roleDSN makes a role with a setting, and returns how to connect as it.
func roleDSN(t *testing.T, server *pgtest.Server, setting string) string {
	t.Helper()
	role := server.Schema(t)
	server.Exec(t, "CREATE ROLE "+role+" LOGIN; ALTER ROLE "+role+" SET "+setting)
	u, err := url.Parse(server.DSN())
	require.NoError(t, err)
	u.User = url.User(role)
	return u.String()
}

// The connection that listens sends nothing. A server that ends connections which rest for too long leaves it alone.
func TestListenerMayRest(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Start(t, pgtest.Options{}), unique()
	if version := server.Query(t, "SELECT current_setting('server_version_num')::int / 10000")[0][0]; version == "13" {
		return // it has no such setting
	}
	n := open(t, Config{DSN: roleDSN(t, server, "idle_session_timeout = '2s'"), Channel: channel, PingInterval: time.Hour})
	sub := subscribe(t, n, "a")
	require.Eventually(t, func() bool {
		rows := server.Query(t, "SELECT clock_timestamp() - state_change > interval '4 s' FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
		return len(rows) == 1 && rows[0][0] == "true"
	}, time.Minute, 10*time.Millisecond)
	other := open(t, Config{DSN: server.DSN(), Channel: channel, PingInterval: time.Hour})
	require.NoError(t, publish(t.Context(), other, hint("a", 1)))
	require.Equal(t, hint("a", 1), next(t, sub), "and not a gap")
}
