package service

import (
	"context"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// publishTimeout bounds one Publish, and all of them once Close was called: a notifier that hangs can't keep it waiting for longer.
const publishTimeout = 10 * time.Second

// hint is a notification on its way to the notifier.
type hint struct {
	stacksync.Notification
	// owes the hint until that is marked.
	debtor
}

// debtor is a workspace whose change log has grown, or a user whose rights have changed.
type debtor struct {
	workspace stacksync.WorkspaceID
	user      stacksync.UserID
}

// workspaceHint returns what followers of w are to be told.
func workspaceHint(w *stacksync.Workspace) hint {
	return hint{stacksync.Notification{Topic: stacksync.WorkspaceTopic(w.ID), Revision: w.Revision}, debtor{workspace: w.ID}}
}

// userHint returns what the devices of u are to be told.
func userHint(u *stacksync.User) hint {
	return hint{stacksync.Notification{Topic: stacksync.UserTopic(u.ID), Revision: u.Revision}, debtor{user: u.ID}}
}

// publisher hands hints to the notifier beside the calls that cause them: a slow broker delays hints, never commits. What waits
// is merged by topic. Its goroutine lives only while there is something to publish.
type publisher struct {
	notifier stacksync.Notifier
	closing  context.Context // ends when Close is called
	wg       *sync.WaitGroup // what Close waits for
	sent     func([]hint)    // is told what was published
	trouble  alive.Outage

	mu      sync.Mutex
	pending map[stacksync.Topic]hint
	running bool
}

// publish hands hints over and returns at once. Its caller is itself counted in wg.
func (p *publisher) publish(hints ...hint) {
	if p.notifier == nil || len(hints) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[stacksync.Topic]hint)
	}
	for _, h := range hints {
		if was, ok := p.pending[h.Topic]; ok {
			h.Notification = was.Merge(h.Notification)
		}
		p.pending[h.Topic] = h
	}
	if !p.running {
		p.running = true
		alive.Persist(p.wg, p.drain)
	}
}

func (p *publisher) drain() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(p.closing, func() {
		select {
		case <-time.After(publishTimeout):
			cancel()
		case <-ctx.Done():
		}
	})()
	for batch := p.take(); batch != nil; batch = p.take() {
		p.send(ctx, batch)
	}
}

// take returns all that waits, or ends the goroutine with nil.
func (p *publisher) take() []hint {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		p.running = false
		return nil
	}
	batch := make([]hint, 0, len(p.pending))
	for _, h := range p.pending {
		batch = append(batch, h)
	}
	clear(p.pending)
	return batch
}

// send publishes hints and reports, when that is done, whether it was. Those of workspaces otherwise stay owed.
func (p *publisher) send(parent context.Context, batch []hint) (ok bool) {
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
