package fanout

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOver = fmt.Errorf("test: %w", stacksync.ErrClosed)

func TestUnreadSubscriptionHoldsExactlyOneHintPerTopic(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	sub := subscribe(t, h, "a", "b", "a")
	for i := range int64(10_000) {
		publish(t, h, "b", i)
		publish(t, h, "a", 20_000-i)
	}
	publish(t, h, "b", 5)
	assert.Equal(t, []stacksync.Notification{{Topic: "b", Revision: 9_999}, {Topic: "a", Revision: 20_000}}, pending(t, sub))
	publish(t, h, "a", 3)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 3}}, pending(t, sub), "what was read is forgotten")
}

func TestGapIsMergedAndForgotten(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	sub := subscribe(t, h, "a")
	publish(t, h, "a", 2)
	h.Gap()
	publish(t, h, "a", 1)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 2, Gap: true}}, pending(t, sub))
	publish(t, h, "a", 3)
	assert.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 3}}, pending(t, sub))
}

func TestGapReachesEveryTopicOfEverySubscription(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	h.Gap()
	subs := make([]*subscription, 200)
	for i := range subs {
		subs[i] = subscribe(t, h, topic(i), topic(i+1), "everybody's")
	}
	closed := subscribe(t, h, topic(0))
	require.NoError(t, closed.Close())
	h.Gap()
	for i, sub := range subs {
		want := []stacksync.Notification{{Topic: topic(i), Gap: true}, {Topic: topic(i + 1), Gap: true}, {Topic: "everybody's", Gap: true}}
		require.ElementsMatch(t, want, pending(t, sub))
	}
}

func TestTopicThatWaitsLongestComesFirst(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	topics := []stacksync.Topic{"d", "a", "c", "b"}
	sub := subscribe(t, h, slices.Sorted(slices.Values(topics))...)
	for range 3 { // merging keeps the place in the queue
		for _, topic := range topics {
			publish(t, h, topic, 1)
		}
	}
	for i := range int64(12) { // each topic is published again as soon as it was read
		hint, err := sub.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, topics[i%4], hint.Topic, "hint %d", i)
		publish(t, h, hint.Topic, 2+i)
	}
}

func TestManySubscriptionsOfOneTopic(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	const count = 10_000
	subs := make([]*subscription, count)
	for i := range subs {
		subs[i] = subscribe(t, h, "a")
	}
	for i := 0; i < count; i += 2 {
		require.NoError(t, subs[i].Close())
	}
	publish(t, h, "a", 1)
	for i := 1; i < count; i += 2 {
		require.Equal(t, []stacksync.Notification{{Topic: "a", Revision: 1}}, pending(t, subs[i]))
	}
}

func TestClosedHubForgetsItsSubscriptions(t *testing.T) {
	t.Parallel()
	h := New(errOver)
	sub := subscribe(t, h, "a", "b")
	publish(t, h, "a", 1)
	h.Close()
	h.Close()
	for i := range h.shards {
		assert.Empty(t, h.shards[i].topics)
	}
	_, nextErr := sub.Next(t.Context())
	_, subscribeErr := h.Subscribe(stacksync.SubscribeParams{Topics: []stacksync.Topic{"a"}})
	for _, err := range []error{nextErr, subscribeErr, h.Publish(nil)} {
		assert.Equal(t, errOver, err)
	}
	h.Gap()
	require.NoError(t, sub.Close())
}

func TestSubscribeNeedsATopic(t *testing.T) {
	t.Parallel()
	_, err := New(errOver).Subscribe(stacksync.SubscribeParams{})
	var field *stacksync.FieldError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "Topics", field.Field)
}

func topic(i int) stacksync.Topic { return stacksync.Topic(fmt.Sprintf("topic %d", i)) }

func subscribe(tb testing.TB, h *Hub, topics ...stacksync.Topic) *subscription {
	tb.Helper()
	s, err := h.Subscribe(stacksync.SubscribeParams{Topics: topics})
	require.NoError(tb, err)
	sub, ok := s.(*subscription)
	require.True(tb, ok)
	return sub
}

func publish(tb testing.TB, h *Hub, topic stacksync.Topic, revision int64) {
	tb.Helper()
	require.NoError(tb, h.Publish([]stacksync.Notification{{Topic: topic, Revision: revision}}))
}

// pending takes all that the subscription holds.
func pending(tb testing.TB, sub *subscription) []stacksync.Notification {
	tb.Helper()
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
