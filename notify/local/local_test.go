package local

import (
	"context"
	"fmt"
	"slices"
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
		New: func(notifytest.T) notifytest.Instance { return notifytest.Instance{Notifier: New()} },
		Skips: map[string]string{
			notifytest.NeedsSecond: "a local notifier is all there is to its medium",
			notifytest.NeedsBreak:  "memory has no connection to lose",
		},
	})
}

func TestStartsNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	n := New()
	for i := range 100 {
		subscribe(t, n, topic(i), topic(i+1))
	}
	for i := range 100 {
		publish(t, n, topic(i), 1)
	}
	require.NoError(t, goleak.Find(before), "goroutines of an open notifier with subscriptions")
}

func TestUnreadSubscriptionHoldsExactlyOneHintPerTopic(t *testing.T) {
	t.Parallel()
	n := New()
	sub := subscribe(t, n, "a", "b", "a")
	for i := range int64(10_000) {
		publish(t, n, "b", i)
		publish(t, n, "a", 20_000-i)
	}
	publish(t, n, "b", 5)
	assert.Equal(t, []stacksync.Notification{{Topic: "b", Revision: 9_999}, {Topic: "a", Revision: 20_000}}, pending(t, sub))
	publish(t, n, "a", 3)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 3}}, pending(t, sub), "what was read is forgotten")
}

func TestGapIsMergedAndForgotten(t *testing.T) {
	t.Parallel()
	n := New()
	sub := subscribe(t, n, "a")
	_, err := n.Publish(t.Context(), stacksync.PublishParams{Notifications: []stacksync.Notification{
		{Topic: "a", Revision: 2}, {Topic: "a", Gap: true}, {Topic: "a", Revision: 1},
	}})
	require.NoError(t, err)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 2, Gap: true}}, pending(t, sub))
	publish(t, n, "a", 3)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 3}}, pending(t, sub))
}

func TestTopicThatWaitsLongestComesFirst(t *testing.T) {
	t.Parallel()
	n := New()
	topics := []stacksync.Topic{"d", "a", "c", "b"}
	sub := subscribe(t, n, slices.Sorted(slices.Values(topics))...)
	for range 3 { // merging keeps the place in the queue
		for _, topic := range topics {
			publish(t, n, topic, 1)
		}
	}
	for i := range int64(12) { // each topic is published again as soon as it was read
		hint, err := sub.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, topics[i%4], hint.Topic, "hint %d", i)
		publish(t, n, hint.Topic, 2+i)
	}
}

func TestPublishDoesNotDependOnItsContext(t *testing.T) {
	t.Parallel()
	n := New()
	sub := subscribe(t, n, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Publish(ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}}})
	require.NoError(t, err, "what is committed is worth telling, even if the one who committed it has gone")
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 1}}, pending(t, sub))
}

func TestManySubscriptionsOfOneTopic(t *testing.T) {
	t.Parallel()
	n := New()
	const count = 10_000
	subs := make([]stacksync.Subscription, count)
	for i := range subs {
		subs[i] = subscribe(t, n, "a")
	}
	for i := 0; i < count; i += 2 {
		require.NoError(t, subs[i].Close())
	}
	publish(t, n, "a", 1)
	for i := 1; i < count; i += 2 {
		require.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 1}}, pending(t, subs[i]))
	}
}

func TestPublishAllocatesNothing(t *testing.T) {
	n := New()
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

// pending takes all that the subscription holds.
func pending(tb testing.TB, s stacksync.Subscription) []stacksync.Notification {
	tb.Helper()
	sub, ok := s.(*subscription)
	require.True(tb, ok)
	var hints []stacksync.Notification
	for {
		hint, ok, err := sub.take()
		require.NoError(tb, err)
		if !ok {
			return hints
		}
		hints = append(hints, hint)
	}
}
