package hint

import (
	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Sender sends the hints of one service. Its methods may be called from many goroutines.
type Sender struct {
	kernel    *session.Kernel
	publisher publisher
	marker    marker
}

// New makes a sender. Without a notifier (nil) it sends nothing: all hints stay owed, and followers
// poll.
func New(k *session.Kernel, notifier stacksync.Notifier) *Sender {
	s := &Sender{kernel: k}
	s.marker = marker{kernel: k, trouble: alive.Outage{Log: k.Log, What: "noting which hints were sent"}}
	s.publisher = publisher{notifier: notifier, kernel: k, sent: s.marker.add, trouble: alive.Outage{Log: k.Log, What: "publishing hints"}}
	return s
}

// Start starts the relay, which looks for overdue hints until the service closes. Without a
// notifier it does nothing.
func (s *Sender) Start() {
	if s.publisher.notifier != nil {
		alive.Persist(s.kernel.Running, s.relay)
	}
}

// Publish hands hints over to be sent and returns at once. The caller must be counted in
// Kernel.Running.
func (s *Sender) Publish(hints ...session.Hint) { s.publisher.publish(hints...) }
