package stacksync

import (
	"context"
)

// Topic is what hints are published under. The service uses WorkspaceTopic and UserTopic.
type Topic string

// WorkspaceTopic carries a hint whenever the change log of the workspace grew.
func WorkspaceTopic(id WorkspaceID) Topic { return Topic("workspace/" + id.String()) }

// UserTopic carries a hint whenever a right of the user or of one of the user's devices has
// changed.
func UserTopic(id UserID) Topic { return Topic("user/" + id) }

// Notification is a hint that something changed. The change log is the truth: a hint that is lost,
// doubled or out of order never matters, it only makes a follower look sooner or once too often.
type Notification struct {
	Topic Topic `json:"topic"`
	// Revision is the workspace's when the hint was made: a follower that is there already need not
	// look. 0 where the topic has no revisions.
	Revision int64 `json:"revision,omitempty"`
	// Gap says that hints for this topic may have been lost (a connection broke): look, whatever
	// the revision. Only a notifier sets it.
	Gap bool `json:"gap,omitempty"`
}

// Merge returns one notification that stands for both, which must be of one topic: the higher
// revision, and a gap where either has one. Notifiers use it to coalesce.
func (n Notification) Merge(later Notification) Notification {
	n.Revision = max(n.Revision, later.Revision)
	n.Gap = n.Gap || later.Gap
	return n
}

// Notifier carries hints from whoever commits to whoever follows, in one process or between many.
//
// The contract, which notifytest checks:
//   - Every subscription that was there before a Publish began gets the hint, or a merged one that
//     stands for it, or a gap hint.
//   - A subscription that is not read from holds at most one hint for each of its topics: the next
//     is merged into it (Notification.Merge). It never blocks a publisher nor another subscription.
//   - Hints may come doubled and out of order.
//   - When a connection was lost, each subscription gets a gap hint for each of its topics once the
//     connection is there again.
//
// All methods may be called from many goroutines.
type Notifier interface {
	// Publish sends hints. It returns when they are handed over, not when they are received, and
	// soon after ctx has ended. An error means that some may not have been: the service logs it,
	// and sends those of workspaces again later (service.Config.RelayInterval).
	Publish(ctx context.Context, p PublishParams) (PublishResult, error)
	// Subscribe returns a subscription that gets all hints published from now on under the given
	// topics.
	Subscribe(ctx context.Context, p SubscribeParams) (Subscription, error)
	// Close ends all subscriptions and what the notifier runs. Publish, Subscribe and Next return
	// ErrClosed afterwards. A second Close does nothing.
	Close() error
}

// PublishParams are those of Notifier.Publish.
type PublishParams struct{ Notifications []Notification }

// PublishResult is that of Notifier.Publish.
type PublishResult struct{}

// SubscribeParams are those of Notifier.Subscribe.
type SubscribeParams struct {
	Topics []Topic // at least one; a topic named twice counts once
}

// Subscription is a stream of hints. One goroutine reads it; Close may be called from any.
type Subscription interface {
	// Next waits for a hint. It returns ctx's error when that ends first, and ErrClosed once the
	// subscription or its notifier is closed.
	Next(ctx context.Context) (Notification, error)
	// Close ends the subscription and wakes Next. A second Close does nothing.
	Close() error
}
