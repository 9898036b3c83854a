package stacksync

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// publishTimeout bounds one Publish, so that a notifier that hangs can't keep Close waiting for ever.
const publishTimeout = 10 * time.Second

// publisher hands hints to the notifier beside the calls that cause them: a slow broker delays hints, never commits. What waits
// is merged by topic. Its goroutine lives only while there is something to publish.
type publisher struct {
	notifier Notifier
	log      *slog.Logger
	wg       *sync.WaitGroup // what Close waits for

	mu      sync.Mutex
	pending map[Topic]Notification
	running bool
}

// publish hands hints over and returns at once. Its caller is itself counted in wg.
func (p *publisher) publish(notes ...Notification) {
	if p.notifier == nil || len(notes) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[Topic]Notification)
	}
	for _, n := range notes {
		if was, ok := p.pending[n.Topic]; ok {
			n = was.Merge(n)
		}
		p.pending[n.Topic] = n
	}
	if !p.running {
		p.running = true
		p.wg.Go(p.drain)
	}
}

func (p *publisher) drain() {
	for {
		p.mu.Lock()
		if len(p.pending) == 0 {
			p.running = false
			p.mu.Unlock()
			return
		}
		batch := make([]Notification, 0, len(p.pending))
		for _, n := range p.pending {
			batch = append(batch, n)
		}
		clear(p.pending)
		p.mu.Unlock()

		ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
		_, err := p.notifier.Publish(ctx, PublishParams{Notifications: batch})
		cancel()
		if err != nil {
			p.log.Error("publish hints: followers find the changes when they poll", "topics", len(batch), "error", err)
		}
	}
}
