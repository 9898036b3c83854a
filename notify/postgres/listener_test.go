package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// LISTEN is on its way for long, while all else goes through. Neither New nor a gap hint may come before it is in force.
func TestListeningComesFirst(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	other := open(t, Config{DSN: server.DSN(), Channel: channel})

	arrive := holdListen(t, proxy)
	opened := make(chan *Notifier, 1)
	go func() {
		n, err := Open(testContext(t), Config{DSN: proxy.DSN(), Channel: channel})
		assert.NoError(t, err)
		opened <- n
	}()
	awaitProbes(t, proxy)
	assert.Empty(t, opened, "New returned before LISTEN was in force")
	arrive()
	n := <-opened
	require.NotNil(t, n)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	sub := subscribe(t, n, "a")
	require.NoError(t, publish(t.Context(), other, hint("a", 1)))
	assert.Equal(t, hint("a", 1), next(t, sub))

	arrive = holdListen(t, proxy)
	proxy.CutAll()
	awaitProbes(t, proxy)
	require.NoError(t, publish(t.Context(), other, hint("a", 2))) // nobody hears it
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := sub.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a gap hint came before LISTEN was in force")
	arrive()
	awaitGap(t, sub)
	require.NoError(t, publish(t.Context(), other, hint("a", 3)))
	assert.Equal(t, hint("a", 3), next(t, sub))
}

// holdListen lets no LISTEN pass the proxy until arrive is called.
func holdListen(t *testing.T, proxy *pgtest.Proxy) (arrive func()) {
	t.Helper()
	ctx, arrive := context.WithCancel(testContext(t))
	proxy.OnMessage(func(m pgtest.Message) pgtest.Action {
		if strings.HasPrefix(m.SQL(), "LISTEN ") {
			<-ctx.Done()
		}
		return pgtest.Pass
	})
	return arrive
}

// awaitProbes waits until some probes have come to nothing, since LISTEN is not in force.
func awaitProbes(t *testing.T, proxy *pgtest.Proxy) {
	t.Helper()
	before := proxy.Trips()
	require.Eventually(t, func() bool { return proxy.Trips() >= before+3 }, patience, time.Millisecond, "the notifier does not send to itself")
}
