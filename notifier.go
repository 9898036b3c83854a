package stacksync

import (
	"context"
)

// Topic is a name that hints are published under. The service uses WorkspaceTopic and UserTopic.
type Topic string

// WorkspaceTopic carries a hint whenever the change log of the workspace has grown.
func WorkspaceTopic(id WorkspaceID) Topic { return Topic("workspace/" + id.String()) }

// UserTopic carries a hint whenever a right of the user, or of one of the user's devices, has
// changed.
func UserTopic(id UserID) Topic { return Topic("user/" + id) }

// Notification is a hint that something changed. The change log is the truth: a hint that is lost,
// doubled or out of order does no harm. It only makes a follower look later, sooner, or once too
// often.
type Notification struct {
	Topic Topic `json:"topic"`
	// Revision is the revision of the workspace, or of the user, when the hint was made: a follower
	// that has seen that revision need not look. 0 where the topic has no revisions.
	Revision int64 `json:"revision,omitempty"`
	// Gap says that hints for this topic may have been lost, since a connection broke: followers
	// look, whatever the revision. Only a notifier sets it.
	Gap bool `json:"gap,omitempty"`
}

// Merge returns one notification that stands for both, which must be of one topic: it has the
// higher revision, and Gap if either has it. Notifiers merge the hints that wait for a slow
// subscriber.
func (n Notification) Merge(later Notification) Notification {
	n.Revision = max(n.Revision, later.Revision)
	n.Gap = n.Gap || later.Gap
	return n
}

// Notifier carries hints from the processes that commit to the followers, in one process or between
// many.
//
// The contract, which notifytest checks:
//   - Every subscription that was there before a Publish began gets the hint, or a merged hint that
//     stands for it, or a gap hint.
//   - A subscription that nobody reads from holds at most one hint for each of its topics: later
//     hints are merged into it (Notification.Merge). It never blocks a publisher or another
//     subscription.
//   - Hints may come doubled and out of order.
//   - After a lost connection, each subscription gets a gap hint for each of its topics once the
//     connection is there again.
//
// All methods may be called from many goroutines.
type Notifier interface {
	// Publish sends hints. It returns when they are handed over, not when they are received, and
	// soon after ctx has ended. An error means that some hints may not have been handed over: the
	// service logs the error and sends the hints again later (service.Config.RelayInterval).
	Publish(ctx context.Context, p PublishParams) (PublishResult, error)
	// Subscribe returns a subscription to the hints that are published under the given topics from
	// now on.
	Subscribe(ctx context.Context, p SubscribeParams) (Subscription, error)
	// Close ends all subscriptions, and all goroutines of the notifier. Afterwards Publish,
	// Subscribe and Next return ErrClosed. A second Close does nothing.
	Close() error
}

// PublishParams are the parameters of Notifier.Publish.
type PublishParams struct{ Notifications []Notification }

// PublishResult is the result of Notifier.Publish.
type PublishResult struct{}

// SubscribeParams are the parameters of Notifier.Subscribe.
type SubscribeParams struct {
	Topics []Topic // at least one; a topic named twice counts once
}

// Subscription is a stream of hints. One goroutine reads it; Close may be called from any
// goroutine.
type Subscription interface {
	// Next waits for a hint. It returns the error of ctx when ctx ends first, and ErrClosed once
	// the subscription or its notifier is closed.
	Next(ctx context.Context) (Notification, error)
	// Close ends the subscription and wakes Next. A second Close does nothing.
	Close() error
}
