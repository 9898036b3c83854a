package local

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/notifytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Suite{
		New: func(notifytest.T) notifytest.Instance { return notifytest.Instance{Notifier: New(Config{})} },
		Skips: map[string]string{
			notifytest.NeedsSecond: "a local notifier is all there is to its medium",
			notifytest.NeedsBreak:  "memory has no connection to lose",
		},
	})
}

func TestStartsNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	n := New(Config{})
	for i := range 100 {
		subscribe(t, n, topic(i), topic(i+1))
	}
	for i := range 100 {
		publish(t, n, topic(i), 1)
	}
	require.NoError(t, goleak.Find(before), "goroutines of an open notifier with subscriptions")
}

func TestPublishDoesNotDependOnItsContext(t *testing.T) {
	t.Parallel()
	n := New(Config{})
	sub := subscribe(t, n, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Publish(ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}}})
	require.NoError(t, err, "what is committed is worth telling, even if the one who committed it has gone")
	hint, err := sub.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, stacksync.Notification{Topic: "a", Revision: 1}, hint)
}

func TestPublishAllocatesNothing(t *testing.T) {
	n := New(Config{})
	for range 100 {
		subscribe(t, n, "a")
	}
	p := stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}, {Topic: "nobody's", Revision: 1}}}
	allocs := testing.AllocsPerRun(100, func() { _, _ = n.Publish(t.Context(), p) })
	assert.Zero(t, allocs)
}

func topic(i int) stacksync.Topic { return stacksync.Topic(fmt.Sprintf("topic %d", i)) }

func subscribe(tb testing.TB, n *Notifier, topics ...stacksync.Topic) stacksync.Subscription {
	tb.Helper()
	sub, err := n.Subscribe(tb.Context(), stacksync.SubscribeParams{Topics: topics})
	require.NoError(tb, err)
	return sub
}

func publish(tb testing.TB, n *Notifier, topic stacksync.Topic, revision int64) {
	tb.Helper()
	_, err := n.Publish(tb.Context(), stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: topic, Revision: revision}}})
	require.NoError(tb, err)
}
