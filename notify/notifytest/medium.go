package notifytest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func secondHandle(t T, s Suite) {
	r := newRig(t, s)
	require.NotNil(t, r.Second, "Instance.Second is needed; a notifier without a medium skips NeedsSecond")
	second := r.Second()
	r.closeAtEnd(second)
	topic := r.topics(1)[0]
	here, there := r.subscribe(topic), r.subscribeAt(second, topic)

	r.publish(topic, 1)
	r.readTo(here, revisions{topic: 1})
	r.readTo(there, revisions{topic: 1})
	require.NoError(t, publish(r.ctx, second, topic, 2), "publish at the second handle")
	r.readTo(here, revisions{topic: 2})
	r.readTo(there, revisions{topic: 2})

	require.NoError(t, second.Close())
	_, err := there.Next(r.ctx)
	require.ErrorIs(t, err, stacksync.ErrClosed)
	r.publish(topic, 3)
	r.readTo(here, revisions{topic: 3})
}

func brokenConnection(t T, s Suite) {
	r := newRig(t, s)
	require.NotNil(t, r.Break, "Instance.Break is needed; a notifier without a connection skips NeedsBreak")
	topics := r.topics(2)
	a, b := topics[0], topics[1]
	both, onlyB := r.subscribe(a, b), r.subscribe(b)
	for revision := int64(1); revision <= 3; revision++ { // the next connection may break as well
		r.Break()
		r.readGaps(both, a, b)
		r.readGaps(onlyB, b)
		r.publishAgain(a, revision)
		r.publishAgain(b, revision)
		r.readTo(both, revisions{a: revision, b: revision})
		r.readTo(onlyB, revisions{b: revision})
	}
}

// readGaps reads until there was a gap hint for each of the topics.
func (r *rig) readGaps(s stacksync.Subscription, topics ...stacksync.Topic) {
	r.t.Helper()
	missing := map[stacksync.Topic]bool{}
	for _, topic := range topics {
		missing[topic] = true
	}
	for len(missing) > 0 {
		hint, err := s.Next(r.ctx)
		require.NoError(r.t, err, "wait for the gap hints of %d topics", len(missing))
		if hint.Gap {
			delete(missing, hint.Topic)
		}
	}
}

// publishAgain publishes until it succeeds: the connection to publish by may be another, and not there again yet.
func (r *rig) publishAgain(topic stacksync.Topic, revision int64) {
	r.t.Helper()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := publish(r.ctx, r.Notifier, topic, revision)
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-r.ctx.Done():
			require.NoError(r.t, err, "publish after the connection broke")
		}
	}
}
