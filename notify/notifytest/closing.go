package notifytest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// waitInNext starts a goroutine that reads the subscription to its end, and returns once it has read a first hint: it
// then waits in Next, or is about to. The channel has the error that ended it.
func (r *rig) waitInNext(ctx context.Context, s stacksync.Subscription, topic stacksync.Topic) <-chan error {
	r.t.Helper()
	end := make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		_, err := readTo(ctx, s, revisions{topic: 1})
		close(reading)
		for err == nil {
			_, err = s.Next(ctx)
		}
		end <- err
	}()
	r.publish(topic, 1)
	<-reading
	return end
}

func closeWakesNext(t T, s Suite) {
	r := newRig(t, s)
	for _, topic := range r.topics(20) {
		sub := r.subscribe(topic)
		end := r.waitInNext(r.ctx, sub, topic)
		require.NoError(t, sub.Close())
		require.ErrorIs(t, <-end, stacksync.ErrClosed)
	}
}

func closeSparesOthers(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	subs := make([]stacksync.Subscription, 5)
	for i := range subs {
		subs[i] = r.subscribe(topic)
	}
	open := map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true}
	for revision, i := range []int{2, 0, 4, 1} {
		require.NoError(t, subs[i].Close())
		delete(open, i)
		r.publish(topic, int64(revision))
		for j := range open {
			r.readTo(subs[j], revisions{topic: int64(revision)})
		}
	}
}

func notifierCloseWakesNext(t T, s Suite) {
	r := newRig(t, s)
	var ends []<-chan error
	for _, topic := range r.topics(20) {
		ends = append(ends, r.waitInNext(r.ctx, r.subscribe(topic), topic))
	}
	require.NoError(t, r.Notifier.Close())
	for _, end := range ends {
		require.ErrorIs(t, <-end, stacksync.ErrClosed)
	}
}

func closedIsClosed(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	one, other, witness := r.subscribe(topic), r.subscribe(topic), r.subscribe(topic)
	r.publish(topic, 1)
	r.readTo(witness, revisions{topic: 1})

	require.NoError(t, one.Close())
	require.NoError(t, one.Close(), "second Close of a subscription")
	_, err := one.Next(r.ctx)
	require.ErrorIs(t, err, stacksync.ErrClosed, "Next of a closed subscription, though a hint is pending")

	require.NoError(t, r.Notifier.Close())
	require.NoError(t, r.Notifier.Close(), "second Close of the notifier")
	_, err = other.Next(r.ctx)
	require.ErrorIs(t, err, stacksync.ErrClosed, "Next after Close of the notifier, though a hint is pending")
	require.NoError(t, other.Close(), "Close of a subscription after that of its notifier")
	require.ErrorIs(t, publish(r.ctx, r.Notifier, topic, 2), stacksync.ErrClosed)
	_, err = r.Notifier.Subscribe(r.ctx, stacksync.SubscribeParams{Topics: r.topics(1)})
	require.ErrorIs(t, err, stacksync.ErrClosed)
}

// concurrentClose has workers subscribe, publish, read and close in a loop. After a hundred rounds the notifier is closed
// under them, several times at once. Each worker must find it closed, and none may hang.
func concurrentClose(t T, s Suite) {
	r := newRig(t, s)
	shared := r.topics(1)[0]
	const workers, rounds = 8, 100
	var done atomic.Int64
	enough := make(chan struct{})
	worker := func(own stacksync.Topic) error {
		for r.ctx.Err() == nil {
			if err := r.round(own, shared); errors.Is(err, stacksync.ErrClosed) {
				return nil
			} else if err != nil {
				return err
			}
			if done.Add(1) == rounds {
				close(enough)
			}
		}
		return errors.New("a worker never found the notifier closed")
	}
	closer := func() error {
		select {
		case <-enough:
		case <-r.ctx.Done():
		}
		return r.Notifier.Close()
	}
	fs := []func() error{closer, closer, closer}
	for _, own := range r.topics(workers) {
		fs = append(fs, func() error { return worker(own) })
	}
	r.together(fs...)
}

// round subscribes, publishes, reads, and closes the subscription twice at once.
func (r *rig) round(own, shared stacksync.Topic) error {
	sub, err := r.Notifier.Subscribe(r.ctx, stacksync.SubscribeParams{Topics: []stacksync.Topic{own, shared}})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	_, err = r.Notifier.Publish(r.ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: own}, {Topic: shared}}})
	if err == nil {
		_, err = readTo(r.ctx, sub, revisions{own: 0, shared: 0})
	}
	second := make(chan error, 1)
	go func() { second <- sub.Close() }()
	if closing := errors.Join(sub.Close(), <-second); closing != nil {
		return errors.New("close the subscription: " + closing.Error()) // even ErrClosed is wrong here
	}
	return err
}
