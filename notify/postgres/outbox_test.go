package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// What many publish while a statement runs goes with one more.
func TestHintsAreGathered(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	n, other := open(t, Config{DSN: proxy.DSN(), Channel: channel}), open(t, Config{DSN: server.DSN(), Channel: channel})
	const callers, shared = 64, 32
	topics := make([]stacksync.Topic, shared)
	for i := range topics {
		topics[i] = stacksync.Topic(fmt.Sprint("topic ", i))
	}
	sub := subscribe(t, other, topics...)
	before := proxy.Trips()
	proxy.Hold()
	published := make(chan error, 1+callers)
	go func() { published <- publish(t.Context(), n, hint("first", 1)) }()
	awaitSending(t, n)
	for i := range callers {
		go func() { published <- publish(t.Context(), n, hint(topics[i%shared], int64(i))) }()
	}
	gathered := func() (count int, sum int64) {
		n.outbox.mu.Lock()
		defer n.outbox.mu.Unlock()
		if n.outbox.next != nil {
			for _, h := range n.outbox.next.hints {
				count++
				sum += h.Revision
			}
		}
		return count, sum
	}
	want := int64(0) // the sum of the higher revisions
	for i := shared; i < callers; i++ {
		want += int64(i)
	}
	require.Eventually(t, func() bool {
		count, sum := gathered()
		return count == shared && sum == want
	}, patience, time.Millisecond)
	proxy.Release()
	for range 1 + callers {
		require.NoError(t, <-published)
	}
	assert.LessOrEqual(t, proxy.Trips()-before, int64(3)) // who came last may have missed the second
	for range shared {
		assert.GreaterOrEqual(t, next(t, sub).Revision, int64(shared))
	}
}

// That connections of the pool have been lost shows only when they are used.
func TestPoolWithDeadConnections(t *testing.T) {
	t.Parallel()
	server, channel, name := pgtest.Shared(t), unique(), unique()
	n := open(t, Config{DSN: named(t, server.DSN(), name), Channel: channel})
	other := open(t, Config{DSN: server.DSN(), Channel: channel})
	sub, own := subscribe(t, other, "a"), subscribe(t, n, "a")
	for revision := range int64(3) {
		require.Positive(t, server.Terminate(t, "application_name = '"+name+"' AND NOT query LIKE 'LISTEN %'"))
		require.NoError(t, publish(t.Context(), n, hint("a", revision)))
		assert.Equal(t, hint("a", revision), next(t, sub))
		assert.Equal(t, hint("a", revision), next(t, own), "no gap: the connection that listens is another")
	}
}

// A statement that the server refuses is not tried again, and the next one is not harmed.
func TestRefusedStatement(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	n := open(t, Config{DSN: proxy.DSN(), Channel: channel})
	before := proxy.Trips()
	n.outbox.channel = "" // PostgreSQL needs a name
	require.ErrorContains(t, publish(t.Context(), n, hint("a", 1)), "channel name cannot be empty")
	assert.Equal(t, before+1, proxy.Trips())
	n.outbox.channel = channel
	require.NoError(t, publish(t.Context(), n, hint("a", 2)))
}
