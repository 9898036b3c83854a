package pgtest_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	var first atomic.Pointer[pgtest.Server]
	for range 8 {
		t.Run("caller", func(t *testing.T) {
			t.Parallel()
			s := pgtest.Shared(t)
			first.CompareAndSwap(nil, s)
			assert.Same(t, first.Load(), s)
		})
	}
}

func TestQueryReturnsText(t *testing.T) {
	t.Parallel()
	assert.Equal(t, [][]string{{"1", "NULL", "x"}, {"2", "NULL", "y"}}, pgtest.Shared(t).Query(t, "SELECT a, NULL, b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b)"))
}

func TestSchemaIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	var name string
	t.Run("the test", func(t *testing.T) {
		name = server.Schema(t)
		assert.NotEqual(t, name, server.Schema(t))
		server.Exec(t, "CREATE SCHEMA "+name)
		server.Exec(t, "CREATE TABLE "+name+".item (id int)")
		assert.EqualValues(t, 3, server.Exec(t, "INSERT INTO "+name+".item SELECT generate_series(1, $1)", 3))
	})
	assert.Equal(t, [][]string{{"0"}}, server.Query(t, "SELECT count(*) FROM pg_namespace WHERE nspname = $1", name))
}

func TestTerminateEndsConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	connect := func(app string) *sql.Conn {
		c, err := server.DB(t).Conn(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = c.ExecContext(t.Context(), "SET application_name = $1", app)
		require.NoError(t, err)
		return c
	}
	ended, other := connect("terminate/ended"), connect("terminate/other")
	assert.Equal(t, 1, server.Terminate(t, "application_name = 'terminate/ended'"))
	require.Error(t, ended.PingContext(t.Context()))
	assert.NoError(t, other.PingContext(t.Context()))
}

func TestKilledServerKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]pgtest.Options{"durable": {Durable: true}, "not durable": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Start(t, o)
			want := "off"
			if o.Durable {
				want = "on"
			}
			assert.Equal(t, [][]string{{want}}, server.Query(t, "SHOW fsync"))
			server.Exec(t, "CREATE TABLE item (id int)")
			server.Exec(t, "INSERT INTO item VALUES (1)")
			tx, err := server.DB(t).BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), "INSERT INTO item VALUES (2)")
			require.NoError(t, err)

			server.Kill(t)
			require.Error(t, tx.Commit())
			require.Error(t, server.DB(t).PingContext(t.Context()))

			server.Restart(t)
			assert.Equal(t, [][]string{{"1"}}, server.Query(t, "SELECT id FROM item"))
			server.Restart(t)
			assert.Equal(t, [][]string{{"1"}}, server.Query(t, "SELECT id FROM item"))
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_connections": "7", "search_path": `it's, "a\b"`}})
	assert.Equal(t, [][]string{{"7"}}, server.Query(t, "SHOW max_connections"))
	assert.Equal(t, [][]string{{`it's, "a\b"`}}, server.Query(t, "SELECT setting FROM pg_settings WHERE name = 'search_path'"))
	// Text sorts as people sort it.
	icu := server.Query(t, "SELECT current_setting('server_version_num')::int >= 150000 AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')")
	assert.Equal(t, icu, server.Query(t, "SELECT 'a' < 'B'"))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{TLS: true})
	assert.Equal(t, [][]string{{"true"}}, server.Query(t, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
	ping := func(c *tls.Config) error {
		db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(server.DSN()), pgdriver.WithTLSConfig(c)))
		defer db.Close()
		return db.PingContext(context.Background())
	}
	require.NoError(t, ping(&tls.Config{RootCAs: server.CA(), ServerName: "127.0.0.1"}))
	require.NoError(t, ping(&tls.Config{RootCAs: server.CA(), ServerName: "localhost"}))
	var unverified *tls.CertificateVerificationError
	require.ErrorAs(t, ping(&tls.Config{ServerName: "127.0.0.1"}), &unverified)
	require.ErrorAs(t, ping(&tls.Config{RootCAs: server.CA(), ServerName: "db.example.com"}), &unverified)
	var refused pgdriver.Error
	require.ErrorAs(t, ping(nil), &refused)
	assert.Contains(t, refused.Field('M'), "no pg_hba.conf entry")
}
