package pgtest_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// rig is a client that talks through a proxy, and a table for it.
type rig struct {
	server *pgtest.Server
	proxy  *pgtest.Proxy
	client *sql.Conn
	table  string
}

func newRig(t *testing.T) rig {
	t.Helper()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	schema := server.Schema(t)
	server.Exec(t, "CREATE SCHEMA "+schema)
	server.Exec(t, "CREATE TABLE "+schema+".item (id text)")
	return rig{server, proxy, connect(t, proxy.DSN()), schema + ".item"}
}

func connect(t *testing.T, dsn string) *sql.Conn {
	t.Helper()
	db := open(t, dsn)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn), pgdriver.WithTimeout(time.Minute)))
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

func (r rig) items(t *testing.T) [][]string {
	t.Helper()
	return r.server.Query(t, "SELECT id FROM "+r.table)
}

// on makes the proxy act on messages of this type whose text, if they have one, begins so.
func (r rig) on(kind byte, prefix string, do pgtest.Action) {
	r.proxy.OnMessage(func(m pgtest.Message) pgtest.Action {
		if m.Type == kind && strings.HasPrefix(m.SQL(), prefix) {
			return do
		}
		return pgtest.Pass
	})
}

var inserted = [][]string{{"a"}}

func TestProxyActsOnCommit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		do             pgtest.Action
		ok, alive      bool
		want           [][]string
		tripsForwarded int64
	}{
		{"pass", pgtest.Pass, true, true, inserted, 4},
		{"before", pgtest.CutBefore, false, false, nil, 3},
		{"during", pgtest.CutDuring, false, false, inserted, 4},
		{"after", pgtest.CutAfter, false, false, inserted, 4},
		{"after the reply", pgtest.CutAfterReply, true, false, inserted, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.on('Q', "COMMIT", c.do)
			tx, err := r.client.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(hashtext($1))", r.table)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), "INSERT INTO "+r.table+" VALUES ('a')")
			require.NoError(t, err)
			err = tx.Commit()
			assert.Equal(t, c.ok, err == nil, "%v", err)
			assert.Equal(t, c.tripsForwarded, r.proxy.Trips())
			if c.do != pgtest.CutAfter { // after which the outcome is there when the client learns of the cut
				r.server.Query(t, "SELECT pg_advisory_xact_lock(hashtext($1))", r.table)
			}
			assert.Equal(t, c.want, r.items(t))
			err = r.client.PingContext(t.Context())
			assert.Equal(t, c.alive, err == nil, "%v", err)
			r.proxy.OnMessage(nil)
			assert.NoError(t, open(t, r.proxy.DSN()).PingContext(t.Context()), "a new connection")
		})
	}
}

func TestProxyActsOnExtendedProtocol(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind byte
		do   pgtest.Action
		ok   bool
		want [][]string
	}{
		{'S', pgtest.CutBefore, false, nil},
		{'S', pgtest.CutAfter, false, inserted},
		{'S', pgtest.CutAfterReply, true, inserted},
		{'E', pgtest.CutBefore, false, nil},
		{'E', pgtest.CutAfter, false, nil}, // a statement takes effect with the sync
		{'E', pgtest.CutAfterReply, true, inserted},
	} {
		t.Run(fmt.Sprintf("%c %d", c.kind, c.do), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			insert, err := r.client.PrepareContext(t.Context(), "INSERT INTO "+r.table+" VALUES ($1)")
			require.NoError(t, err)
			defer insert.Close()
			_, err = r.client.ExecContext(t.Context(), "SELECT pg_advisory_lock(hashtext($1))", r.table)
			require.NoError(t, err)
			r.on(c.kind, "", c.do)
			_, err = insert.ExecContext(t.Context(), "a")
			assert.Equal(t, c.ok, err == nil, "%v", err)
			// Given when the server has ended the session.
			r.server.Query(t, "SELECT pg_advisory_lock(hashtext($1))", r.table)
			assert.Equal(t, c.want, r.items(t))
		})
	}
}

func TestProxyCountsTrips(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	trips := func(do func() error) int64 {
		before := r.proxy.Trips()
		require.NoError(t, do())
		return r.proxy.Trips() - before
	}
	assert.Zero(t, r.proxy.Trips(), "connecting")
	assert.EqualValues(t, 1, trips(func() error { return r.client.PingContext(t.Context()) }))
	var insert *sql.Stmt
	assert.EqualValues(t, 1, trips(func() (err error) {
		insert, err = r.client.PrepareContext(t.Context(), "INSERT INTO "+r.table+" VALUES ($1)")
		return err
	}))
	defer insert.Close()
	assert.EqualValues(t, 1, trips(func() error {
		_, err := insert.ExecContext(t.Context(), "a")
		return err
	}))
	assert.EqualValues(t, 2, trips(func() error {
		tx, err := r.client.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		return tx.Rollback()
	}))
}

func TestProxyForwardsWhatIsLarge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	large := strings.Repeat("stacksync", 1<<18)
	var got string
	require.NoError(t, r.client.QueryRowContext(t.Context(), "SELECT $1 || string_agg(n::text, '' ORDER BY n) FROM generate_series(1, 9) n", large).Scan(&got))
	assert.Len(t, got, len(large)+9)
	assert.True(t, strings.HasPrefix(got, large) && strings.HasSuffix(got, "123456789"))
	rows, err := r.client.QueryContext(t.Context(), "SELECT generate_series(1, 100000)")
	require.NoError(t, err)
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, 100000, n)
}

func TestProxyCutsAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clients := []*sql.Conn{r.client, connect(t, r.proxy.DSN()), connect(t, r.proxy.DSN())}
	r.proxy.CutAll()
	for _, c := range clients {
		require.Error(t, c.PingContext(t.Context()))
	}
	assert.NoError(t, open(t, r.proxy.DSN()).PingContext(t.Context()))
}

func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.proxy.Refuse(true)
	require.Error(t, open(t, r.proxy.DSN()).PingContext(t.Context()))
	require.NoError(t, r.client.PingContext(t.Context()), "an open connection")
	r.proxy.Refuse(false)
	assert.NoError(t, open(t, r.proxy.DSN()).PingContext(t.Context()))
}

func TestProxyHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	impatient := open(t, r.proxy.DSN())
	require.NoError(t, impatient.PingContext(t.Context()))
	r.proxy.Hold()
	r.proxy.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, impatient.PingContext(ctx))
	asked := make(chan struct{})
	r.proxy.OnMessage(func(m pgtest.Message) pgtest.Action {
		if strings.HasPrefix(m.SQL(), "INSERT") { // the ping may come late
			close(asked)
		}
		return pgtest.Pass
	})
	answered := make(chan error)
	go func() {
		_, err := r.client.ExecContext(t.Context(), "INSERT INTO "+r.table+" VALUES ('a')")
		answered <- err
	}()
	<-asked
	select {
	case err := <-answered:
		assert.Fail(t, "answered", "%v", err)
	default:
	}
	assert.Empty(t, r.items(t))
	r.proxy.OnMessage(nil)
	r.proxy.Release()
	r.proxy.Release()
	require.NoError(t, <-answered)
	assert.Equal(t, inserted, r.items(t))
}

// A cable that was cut tells nobody that the other side is gone.
func TestProxyHoldsTheEndToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.client.ExecContext(t.Context(), "SELECT pg_advisory_lock(hashtext($1))", r.table)
	require.NoError(t, err)
	r.proxy.Hold()
	require.NoError(t, r.client.Raw(func(c any) error { return c.(*pgdriver.Conn).Close() }))
	locked := r.server.Query(t, "SELECT pg_try_advisory_lock(hashtext($1))", r.table)
	assert.Equal(t, [][]string{{"false"}}, locked)
	r.proxy.Release()
	r.server.Query(t, "SELECT pg_advisory_lock(hashtext($1))", r.table)
}

func TestProxyShowsTheServersDeath(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	proxy := pgtest.NewProxy(t, server)
	client := connect(t, proxy.DSN())
	require.NoError(t, client.PingContext(t.Context()))
	server.Kill(t)
	require.Error(t, client.PingContext(t.Context()))
	require.Error(t, open(t, proxy.DSN()).PingContext(t.Context()))
	server.Restart(t)
	assert.NoError(t, open(t, proxy.DSN()).PingContext(t.Context()))
}

func TestProxyRefusesTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	db := open(t, strings.Replace(r.proxy.DSN(), "disable", "require", 1))
	assert.ErrorContains(t, db.PingContext(t.Context()), "SSL is not enabled")
}
