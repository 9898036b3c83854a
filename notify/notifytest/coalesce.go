package notifytest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// fewHints is how many hints a subscription that was not read may have after many publishes. One a topic is what it
// holds; a few more may still have been on their way from a broker when the reading began.
const fewHints = 50

func coalesces(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(3)
	a, b, end := topics[0], topics[1], topics[2]
	unread, witness := r.subscribe(topics...), r.subscribe(topics...)

	const publishes, batch = 10_000, 10
	for i := int64(0); i < publishes; i += 2 * batch {
		var hints []stacksync.Notification
		for j := i; j < i+2*batch; j += 2 {
			revision := (j+publishes/2)%publishes + 1 // the highest comes in the middle
			hints = append(hints, stacksync.Notification{Topic: a, Revision: revision}, stacksync.Notification{Topic: b, Revision: revision})
		}
		_, err := r.Notifier.Publish(r.ctx, stacksync.PublishParams{Notifications: hints})
		require.NoError(t, err)
	}
	const highest = publishes - 1
	r.publish(end, 1)
	r.readTo(witness, revisions{a: highest, b: highest, end: 1}) // now all has arrived

	hints := len(r.readTo(unread, revisions{a: highest, b: highest, end: 1}))
	r.publish(end, 2)
	for hint := r.next(unread); hint.Topic != end || hint.Revision < 2; hint = r.next(unread) {
		hints++ // was queued behind
	}
	require.LessOrEqual(t, hints, fewHints, "hints of a subscription that was not read")
}

func slowSubscription(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	slow, fast := r.subscribe(topic), r.subscribe(topic)
	const rounds = 500
	for revision := range int64(rounds) {
		r.publish(topic, revision)
		r.readTo(fast, revisions{topic: revision})
	}
	r.readTo(slow, revisions{topic: rounds - 1})
}

// busyTopic has a hint of one topic waiting before each hint of the other is read.
func busyTopic(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(2)
	busy, calm := topics[0], topics[1]
	sub := r.subscribe(busy, calm)
	r.publish(busy, 1)
	r.publish(calm, 1)
	const rounds = 1000
	for revision := range int64(rounds) {
		r.publish(busy, 2+revision)
		if r.next(sub).Topic == calm {
			return
		}
	}
	t.Errorf("the hint of one topic did not come in %d hints of another", rounds)
}

// crowd publishes from many goroutines, and subscribes in the middle of it. Revisions of the first phase are below
// those of the second, which begins when everybody has subscribed: so everybody must see the highest of the second.
func crowd(t T, s Suite) {
	r := newRig(t, s)
	topics := r.topics(3)
	const (
		publishers, subscribers, perPublisher = 4, 16, 50

		phase2  = 1_000_000_000
		highest = phase2 + publishers*perPublisher
	)
	var subscribed sync.WaitGroup
	subscribed.Add(subscribers)
	all := make(chan struct{})
	go func() { subscribed.Wait(); close(all) }()

	var first, second atomic.Int64
	second.Store(phase2)
	send := func(revision int64) error {
		for _, topic := range topics {
			if err := publish(r.ctx, r.Notifier, topic, revision); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		}
		return nil
	}
	publisher := func() error {
		for {
			select {
			case <-all:
				for range perPublisher {
					if err := send(second.Add(1)); err != nil {
						return err
					}
				}
				return nil
			default:
				if err := send(first.Add(1)); err != nil {
					return err
				}
			}
		}
	}
	subscriber := func() error {
		want := revisions{topics[0]: highest, topics[1]: highest, topics[2]: highest}
		passing, err := r.Notifier.Subscribe(r.ctx, stacksync.SubscribeParams{Topics: topics})
		if err != nil {
			subscribed.Done()
			return fmt.Errorf("subscribe and leave: %w", err)
		}
		sub, err := r.Notifier.Subscribe(r.ctx, stacksync.SubscribeParams{Topics: topics})
		subscribed.Done()
		if err != nil {
			return errors.Join(fmt.Errorf("subscribe: %w", err), passing.Close())
		}
		closed := passing.Close()
		_, err = readTo(r.ctx, sub, want)
		return errors.Join(closed, err, sub.Close())
	}
	var fs []func() error
	for range publishers {
		fs = append(fs, publisher)
	}
	for range subscribers {
		fs = append(fs, subscriber)
	}
	r.together(fs...)
}
