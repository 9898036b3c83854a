package postgres

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/notify/notifytest"
)

// The server ends the connection that listens.
func TestContractWithTerminatedConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	notifytest.Run(t, notifytest.Suite{New: func(ct notifytest.T) notifytest.Instance {
		name, channel := unique(), unique()
		return notifytest.Instance{
			Notifier: start(ct, Config{DSN: named(t, server.DSN(), name), Channel: channel}),
			Second:   func() stacksync.Notifier { return start(ct, Config{DSN: server.DSN(), Channel: channel}) },
			Break:    func() { assert.Equal(ct, 1, server.Terminate(t, listening(name)), "connections ended") },
		}
	}})
}

// The network cuts all connections.
func TestContractWithCutConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	notifytest.Run(t, notifytest.Suite{New: func(ct notifytest.T) notifytest.Instance {
		proxy, channel := pgtest.NewProxy(t, server), unique()
		return notifytest.Instance{
			Notifier: start(ct, Config{DSN: proxy.DSN(), Channel: channel}),
			Second:   func() stacksync.Notifier { return start(ct, Config{DSN: server.DSN(), Channel: channel}) },
			Break:    proxy.CutAll,
		}
	}})
}

// start opens a notifier that the suite closes.
func start(ct notifytest.T, c Config) *Notifier {
	ct.Helper()
	n, err := Open(ct.Context(), c)
	require.NoError(ct, err)
	return n
}

// listening is the condition on pg_stat_activity for the connection that listens.
func listening(name string) string {
	return "application_name = '" + name + "' AND query LIKE 'LISTEN %'"
}
