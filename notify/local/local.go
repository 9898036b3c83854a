// Package local is a stacksync.Notifier inside one process, for a host that runs as one: hints go from the publisher
// straight into the memory of each subscription. Nothing runs in the background and nothing is ever waited for.
package local

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/internal/fanout"
)

// Notifier carries hints inside one process. Make one with New. Its methods may be called from many goroutines, and
// never wait for a reader: no method looks at its context.
type Notifier struct{ hub *fanout.Hub }

var _ stacksync.Notifier = (*Notifier)(nil)

// Config configures a Notifier. It has no settings so far.
type Config struct{}

// New returns a notifier that nobody subscribes to yet.
func New(Config) *Notifier {
	return &Notifier{hub: fanout.New(fmt.Errorf("local notifier: %w", stacksync.ErrClosed))}
}

// Publish puts the hints into all subscriptions of their topics and returns once they can be read. A topic that nobody
// subscribes to costs a look into a map. The only error is ErrClosed.
func (n *Notifier) Publish(_ context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	return stacksync.PublishResult{}, n.hub.Publish(p.Notifications)
}

// Subscribe returns a subscription that gets all hints published from now on. It hands out topics in turn: the one whose
// hint has waited longest comes first, so that a busy topic never starves another. The errors are a *FieldError when
// there is no topic, and ErrClosed.
func (n *Notifier) Subscribe(_ context.Context, p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	return n.hub.Subscribe(p)
}

// Close ends all subscriptions. Afterwards the notifier holds on to none of them. The error is always nil.
func (n *Notifier) Close() error {
	n.hub.Close()
	return nil
}
