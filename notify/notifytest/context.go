package notifytest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func endedContext(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	sub, witness := r.subscribe(topic), r.subscribe(topic)
	canceled, cancel := context.WithCancel(r.ctx)
	cancel()
	late, cancel := context.WithDeadline(r.ctx, time.Now().Add(-time.Second))
	defer cancel()

	_, err := sub.Next(canceled)
	require.ErrorIs(t, err, context.Canceled)
	_, err = sub.Next(late)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	r.publish(topic, 1)
	r.readTo(witness, revisions{topic: 1})
	if hint, err := sub.Next(canceled); err != nil { // with a hint pending, either answer will do
		require.ErrorIs(t, err, context.Canceled)
		r.readTo(sub, revisions{topic: 1}) // but no hint may be lost
	} else {
		require.Equal(t, stacksync.Notification{Topic: topic, Revision: 1}, hint)
	}
}

func endingContext(t T, s Suite) {
	r := newRig(t, s)
	topic := r.topics(1)[0]
	sub := r.subscribe(topic)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	end := r.waitInNext(ctx, sub, topic)
	cancel()
	require.ErrorIs(t, <-end, context.Canceled)

	ctx, cancel = context.WithTimeout(r.ctx, 10*time.Millisecond)
	defer cancel()
	for err := error(nil); err == nil; {
		if _, err = sub.Next(ctx); err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}

	r.publish(topic, 2) // the subscription goes on
	r.readTo(sub, revisions{topic: 2})
}
