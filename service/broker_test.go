package service_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// broker is a notifier that counts what is published, and that fails as a test wants.
type broker struct {
	stacksync.Notifier
	fail func(ctx context.Context) error // is called by each Publish, if not nil

	mu        sync.Mutex
	published map[stacksync.Topic][]int64 // revisions
	calls     int                         // of Publish
}

func newBroker(t testing.TB) *broker {
	b := &broker{Notifier: local.New(local.Config{}), published: make(map[stacksync.Topic][]int64)}
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func (b *broker) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	b.mu.Lock()
	b.calls++
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if err := fail(ctx); err != nil {
			return stacksync.PublishResult{}, err
		}
	}
	b.mu.Lock()
	for _, n := range p.Notifications {
		b.published[n.Topic] = append(b.published[n.Topic], n.Revision)
	}
	b.mu.Unlock()
	return b.Notifier.Publish(ctx, p)
}

// breaks makes Publish fail from now on; nil mends it.
func (b *broker) breaks(fail func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// of returns the revisions of the hints for a workspace.
func (b *broker) of(w stacksync.WorkspaceID) []int64 {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.published[stacksync.WorkspaceTopic(w)]
}

// ofUser returns the revisions of the hints for a user.
func (b *broker) ofUser(u stacksync.UserID) []int64 {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.published[stacksync.UserTopic(u)]
}

func (b *broker) configure(c *service.Config) { c.Notifier, c.PollInterval = b, 24*time.Hour }

// observer counts transactions.
type observer struct {
	mu   sync.Mutex
	seen map[string][]service.Observation
}

func (o *observer) Begin(ctx context.Context, op string) (context.Context, func(service.Observation)) {
	return ctx, func(ob service.Observation) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.seen == nil {
			o.seen = make(map[string][]service.Observation)
		}
		o.seen[op] = append(o.seen[op], ob)
	}
}

func (o *observer) configure(c *service.Config) { c.Observer = o }

func (o *observer) of(op string) []service.Observation {
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[op]
}
