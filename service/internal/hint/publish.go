package hint

import (
	"context"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// publishTimeout bounds one Publish. Once Close was called it bounds all of them together, so that
// a notifier that hangs can't keep Close waiting for longer.
const publishTimeout = 10 * time.Second

// publisher hands hints to the notifier in a goroutine of its own, so that a slow broker delays
// hints and never commits. Hints that wait are merged by topic. The goroutine lives only while
// there is something to publish.
type publisher struct {
	notifier stacksync.Notifier
	kernel   *session.Kernel
	sent     func([]session.Hint) // called with the hints that were published
	trouble  alive.Outage

	mu      sync.Mutex
	pending map[stacksync.Topic]session.Hint
	running bool
}

// publish hands hints over and returns at once. The caller must be counted in Kernel.Running.
func (p *publisher) publish(hints ...session.Hint) {
	if p.notifier == nil || len(hints) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[stacksync.Topic]session.Hint)
	}
	for _, h := range hints {
		if was, ok := p.pending[h.Topic]; ok {
			h.Notification = was.Merge(h.Notification)
		}
		p.pending[h.Topic] = h
	}
	if !p.running {
		p.running = true
		alive.Persist(p.kernel.Running, p.drain)
	}
}

func (p *publisher) drain() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(p.kernel.Closing, func() {
		select {
		case <-time.After(publishTimeout):
			cancel()
		case <-ctx.Done():
		}
	})()
	for batch := p.takeAll(); batch != nil; batch = p.takeAll() {
		p.send(ctx, batch)
	}
}

// takeAll returns all hints that wait. If there are none it returns nil, and the caller's goroutine
// must end.
func (p *publisher) takeAll() []session.Hint {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		p.running = false
		return nil
	}
	batch := make([]session.Hint, 0, len(p.pending))
	for _, h := range p.pending {
		batch = append(batch, h)
	}
	clear(p.pending)
	return batch
}

// send publishes hints and reports whether they were published. Hints that were not stay owed.
func (p *publisher) send(parent context.Context, batch []session.Hint) (ok bool) {
	notes := make([]stacksync.Notification, len(batch))
	for i := range batch {
		notes[i] = batch[i].Notification
	}
	ctx, cancel := context.WithTimeout(parent, publishTimeout)
	defer cancel()
	err := alive.Contain(func() error {
		_, err := p.notifier.Publish(ctx, stacksync.PublishParams{Notifications: notes})
		return err
	})
	if parent.Err() == nil {
		p.trouble.Report(err)
	}
	if err == nil {
		p.sent(batch)
	}
	return err == nil
}
