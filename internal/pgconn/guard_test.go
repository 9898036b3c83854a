package pgconn_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/pgconn"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// A ctx that ends while the server is silent ends the attempt to connect, with ctx's error.
func TestConnectEndsWithContext(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Shared(t))
	connector, err := pgconn.NewConnector(proxy.DSN(), nil, "test")
	require.NoError(t, err)
	proxy.Hold()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := connector.Connect(ctx)
		done <- err
	}()
	cancel(errors.New("enough"))
	require.ErrorIs(t, <-done, context.Canceled)
}

// Guard ends a wait for the server as soon as ctx ends, and says whether it came too late.
func TestGuard(t *testing.T) {
	t.Parallel()
	connector, err := pgconn.NewConnector(pgtest.Shared(t).DSN(), nil, "test")
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })

	ctx, cancel := context.WithCancel(t.Context())
	stop, err := pgconn.Guard(ctx, conn)
	require.NoError(t, err)
	_, err = conn.ExecContext(context.Background(), "SELECT 1")
	require.NoError(t, err)
	require.True(t, stop())

	stop, err = pgconn.Guard(ctx, conn)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(context.Background(), "SELECT pg_sleep(3600)")
		done <- err
	}()
	cancel()
	require.Error(t, <-done)
	require.False(t, stop())
}
