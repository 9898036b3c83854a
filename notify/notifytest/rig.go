package notifytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// patience is how long a check waits for what must come.
const patience = 30 * time.Second

// rig is what a check works with: a notifier, and a context that ends when patience does.
type rig struct {
	Instance
	t   T
	ctx context.Context
}

func newRig(t T, s Suite) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &rig{Instance: s.New(t), t: t, ctx: ctx}
	r.closeAtEnd(r.Notifier)
	return r
}

func (r *rig) closeAtEnd(n stacksync.Notifier) {
	r.t.Cleanup(func() { assert.NoError(r.t, n.Close(), "close the notifier") })
}

// topics returns n topics that nobody else uses.
func (r *rig) topics(n int) []stacksync.Topic {
	topics := make([]stacksync.Topic, n)
	for i := range topics {
		topics[i] = stacksync.WorkspaceTopic(stacksync.WorkspaceID{UUID: uuid.New()})
	}
	return topics
}

// subscribe subscribes at the rig's own notifier.
func (r *rig) subscribe(topics ...stacksync.Topic) stacksync.Subscription {
	r.t.Helper()
	return r.subscribeAt(r.Notifier, topics...)
}

func (r *rig) subscribeAt(n stacksync.Notifier, topics ...stacksync.Topic) stacksync.Subscription {
	r.t.Helper()
	s, err := n.Subscribe(r.ctx, stacksync.SubscribeParams{Topics: topics})
	require.NoError(r.t, err, "subscribe")
	r.t.Cleanup(func() { assert.NoError(r.t, s.Close(), "close the subscription") })
	return s
}

// publish publishes one hint at the rig's own notifier.
func (r *rig) publish(topic stacksync.Topic, revision int64) {
	r.t.Helper()
	require.NoError(r.t, publish(r.ctx, r.Notifier, topic, revision), "publish")
}

// next returns the next hint, and fails the check when none comes.
func (r *rig) next(s stacksync.Subscription) stacksync.Notification {
	r.t.Helper()
	hint, err := s.Next(r.ctx)
	require.NoError(r.t, err, "next hint")
	return hint
}

// revisions says which revision to wait for on each topic.
type revisions map[stacksync.Topic]int64

// readTo reads until there was a hint that stands for the revision of each topic, and returns all it read. It fails the
// check when they don't come, and when a hint is of another topic. A gap alone stands for nothing: the connection is sound.
func (r *rig) readTo(s stacksync.Subscription, want revisions) []stacksync.Notification {
	r.t.Helper()
	hints, err := readTo(r.ctx, s, want)
	require.NoError(r.t, err)
	return hints
}

func publish(ctx context.Context, n stacksync.Notifier, topic stacksync.Topic, revision int64) error {
	_, err := n.Publish(ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: topic, Revision: revision}}})
	return err
}

func readTo(ctx context.Context, s stacksync.Subscription, want revisions) ([]stacksync.Notification, error) {
	var hints []stacksync.Notification
	for missing := maps.Clone(want); len(missing) > 0; {
		hint, err := s.Next(ctx)
		if err != nil {
			return hints, fmt.Errorf("wait for %s: %w", some(missing), err)
		}
		if _, ok := want[hint.Topic]; !ok {
			return hints, fmt.Errorf("got a hint of topic %q, which is not subscribed to", hint.Topic)
		}
		hints = append(hints, hint)
		if hint.Revision >= want[hint.Topic] {
			delete(missing, hint.Topic)
		}
	}
	return hints, nil
}

// some describes what is missing without filling the screen.
func some(missing revisions) string {
	for topic, revision := range missing {
		return fmt.Sprintf("revision %d of topic %q (%d topics missing)", revision, topic, len(missing))
	}
	return "nothing"
}

// together runs the functions at the same time, waits for all of them and fails the check when one did.
func (r *rig) together(fs ...func() error) {
	r.t.Helper()
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	require.NoError(r.t, errors.Join(errs...))
}
