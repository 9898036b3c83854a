package hint

import (
	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Sender sends the hints of one service.
type Sender struct {
	kernel    *session.Kernel
	publisher publisher
	marker    marker
}

// New makes a sender. Without a notifier (nil) it sends nothing, and all hints stay owed to those
// who poll.
func New(k *session.Kernel, notifier stacksync.Notifier) *Sender {
	s := &Sender{kernel: k}
	s.marker = marker{kernel: k, trouble: alive.Outage{Log: k.Log, What: "noting which hints were sent"}}
	s.publisher = publisher{notifier: notifier, kernel: k, sent: s.marker.add, trouble: alive.Outage{Log: k.Log, What: "publishing hints"}}
	return s
}

// Start begins to look for hints that somebody owes for too long, until the service closes.
func (s *Sender) Start() {
	if s.publisher.notifier != nil {
		alive.Persist(s.kernel.Running, s.relay)
	}
}

// Publish hands hints over and returns at once. Its caller is itself counted in what Close waits
// for.
func (s *Sender) Publish(hints ...session.Hint) { s.publisher.publish(hints...) }
