package notifytest

import (
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func reachesEverySubscription(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	subs := make([]stacksync.Subscription, 20)
	for i := range subs {
		subs[i] = r.subscribe(topic)
	}
	r.publish(topic, 7)
	for _, sub := range subs {
		r.readTo(sub, revisions{topic: 7})
	}
}

func ownTopicsOnly(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(3)
	a, b := topics[0], topics[1]
	onlyA, onlyB, both := r.subscribe(a), r.subscribe(b), r.subscribe(a, b)
	for revision := range int64(3) { // what strays behind its own round shows in the next
		for _, topic := range topics {
			r.publish(topic, revision)
		}
		r.readTo(onlyA, revisions{a: revision})
		r.readTo(onlyB, revisions{b: revision})
		r.readTo(both, revisions{a: revision, b: revision})
	}
}

// oddTopics are what user ids may look like: any text without control characters. Each must stay apart from all others,
// whatever it means to a broker's patterns, quotes, cases or encodings.
func oddTopics(t T, s Suite) {
	r := newRig(t, s)
	own := uuid.NewString()
	var topics []stacksync.Topic
	for _, id := range []string{
		"", "a", "A", "a.b", "a.b.c", ".*", ".>", ".#", "*", ">", "#", ".", "..", ".a.", "/", "//", "/a", "a/", "%2F", "%2f", "+", "?", "$", "$SYS",
		" ", "  ", " a", "a ", "'", `"`, "`", `\`, `\n`, "'; DROP TABLE users; --", "{}", "[0]", "a:b", "a,b", "a=b", "@", "~", "_", "-",
		"é", "e\u0301", "Å", "\u212b", "日本語", "🗂️", "\u202e", "\u00a0", "\ufeff", "\U0010fffd",
		strings.Repeat("x", 255-len(own)), strings.Repeat("x", 254-len(own)), strings.Repeat("本", (255-len(own))/len("本")),
	} {
		topics = append(topics, stacksync.UserTopic(stacksync.UserID(own+id)))
	}
	// These can't be made unique. Whoever else publishes under them does no harm: revisions only grow.
	for _, id := range []string{"*", ">", "#", "%", "user/*"} {
		topics = append(topics, stacksync.UserTopic(stacksync.UserID(id)))
	}
	subs := make([]stacksync.Subscription, len(topics))
	for i, topic := range topics {
		subs[i] = r.subscribe(topic)
	}
	for round := range int64(2) {
		for i, topic := range topics {
			r.publish(topic, 1000*round+int64(i))
		}
		for i, topic := range topics {
			r.readTo(subs[i], revisions{topic: 1000*round + int64(i)})
		}
	}
}

func manyHints(t T, s Suite) {
	r := newRig(t, s)
	own := uuid.NewString()
	want := revisions{}
	var topics []stacksync.Topic
	var hints []stacksync.Notification
	for i := range int64(1000) {
		topic := stacksync.UserTopic(stacksync.UserID(fmt.Sprintf("%s%0200d", own, i)))
		topics = append(topics, topic)
		hints = append(hints, stacksync.Notification{Topic: topic, Revision: i + 1})
		want[topic] = i + 1
	}
	all, end := r.subscribe(topics...), r.subscribe(topics[len(topics)-1])
	_, err := r.Notifier.Publish(r.ctx, stacksync.PublishParams{Notifications: hints})
	require.NoError(t, err)
	r.readTo(all, want)
	r.readTo(end, revisions{topics[len(topics)-1]: 1000})
}

// revisionsArrive goes down, since a revision may: after a restore from a backup, for one.
func revisionsArrive(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	sub := r.subscribe(topic)
	var earlier []stacksync.Notification
	for _, revision := range []int64{math.MaxInt64, 1<<53 + 1, 5_000_000_000, 1, 0} {
		r.publish(topic, revision)
		want := stacksync.Notification{Topic: topic, Revision: revision}
		for hint := r.next(sub); hint != want; hint = r.next(sub) {
			require.Contains(t, earlier, hint, "only what was published may come, and no gap on a sound connection")
		}
		earlier = append(earlier, want)
	}
}

func emptyPublish(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	sub := r.subscribe(topic)
	_, err := r.Notifier.Publish(r.ctx, stacksync.PublishParams{})
	require.NoError(t, err)
	r.publish(topic, 1)
	for _, hint := range r.readTo(sub, revisions{topic: 1}) {
		assert.Equal(t, stacksync.Notification{Topic: topic, Revision: 1}, hint)
	}
}

func nobodyListens(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(2)
	quiet, busy := topics[0], topics[1]
	listener := r.subscribe(busy)
	r.publish(quiet, 1)
	r.publish(busy, 2)
	r.readTo(listener, revisions{busy: 2})
	late := r.subscribe(quiet)
	r.publish(quiet, 3)
	r.readTo(late, revisions{quiet: 3})
}

func repeatedTopic(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(2)
	a, b := topics[0], topics[1]
	first, repeated, last := r.subscribe(a), r.subscribe(a, b, a, a), r.subscribe(a)
	_, err := r.Notifier.Publish(r.ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: a, Revision: 1}, {Topic: b, Revision: 2}}})
	require.NoError(t, err)
	r.readTo(repeated, revisions{a: 1, b: 2})
	require.NoError(t, repeated.Close())
	r.publish(a, 3) // taking it out must not have taken out a neighbour
	r.readTo(first, revisions{a: 3})
	r.readTo(last, revisions{a: 3})
}

func noTopics(t T, s Suite) {
	r := newRig(t, s)
	_, err := r.Notifier.Subscribe(r.ctx, stacksync.SubscribeParams{})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	var field *stacksync.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "Topics", field.Field)
}

func subscribeAgain(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	for revision := range int64(5) {
		sub := r.subscribe(topic)
		r.publish(topic, revision)
		r.readTo(sub, revisions{topic: revision})
		require.NoError(t, sub.Close())
	}
}
