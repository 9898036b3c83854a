// Package fanout is what the notifiers share: it carries hints from whoever has one to the subscriptions of this process,
// and merges what is not read. Nothing runs in the background and nothing is ever waited for.
package fanout

import (
	"hash/maphash"
	"slices"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

// shardCount is the number of locks that topics are spread over, so that a publisher that is busy with thousands of
// subscriptions holds up few of those who subscribe elsewhere.
const shardCount = 32

// Hub knows the subscriptions of one notifier. Make one with New. Its methods may be called from many goroutines.
type Hub struct {
	errClosed error
	seed      maphash.Seed
	closed    atomic.Bool
	shards    [shardCount]shard
}

// New returns a hub that nobody subscribes to yet. Once the hub is closed, its calls and those of its subscriptions
// return errClosed, which wraps stacksync.ErrClosed.
func New(errClosed error) *Hub { return &Hub{errClosed: errClosed, seed: maphash.MakeSeed()} }

// Publish puts the hints into all subscriptions of their topics and returns once they can be read. A topic that nobody
// subscribes to costs a look into a map. The only error is that of a closed hub.
func (h *Hub) Publish(hints []stacksync.Notification) error {
	if h.closed.Load() {
		return h.errClosed
	}
	for _, hint := range hints {
		h.shard(hint.Topic).publish(hint)
	}
	return nil
}

// Gap puts a gap hint into every subscription, for each of its topics.
func (h *Hub) Gap() {
	for i := range h.shards {
		h.shards[i].gap()
	}
}

// Subscribe returns a subscription that gets all hints published from now on. It hands out topics in turn: the one whose
// hint has waited longest comes first, so that a busy topic never starves another. The errors are a *FieldError when
// there is no topic, and that of a closed hub.
func (h *Hub) Subscribe(p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	if len(p.Topics) == 0 {
		return nil, &stacksync.FieldError{Field: "Topics", Reason: "must name at least one topic"}
	}
	topics := slices.Clone(p.Topics)
	slices.Sort(topics)
	topics = slices.Compact(topics)
	s := &subscription{hub: h, ready: make(chan struct{}, 1), slots: make([]slot, len(topics))}
	for i, topic := range topics {
		s.slots[i] = slot{sub: s, hint: stacksync.Notification{Topic: topic}}
		if !h.shard(topic).add(&s.slots[i], &h.closed) {
			return nil, h.errClosed // Close forgets the slots that were added
		}
	}
	return s, nil
}

// Close ends all subscriptions. Afterwards the hub holds on to none of them. A second Close does nothing.
func (h *Hub) Close() {
	h.closed.Store(true)
	for i := range h.shards {
		h.shards[i].close()
	}
}

func (h *Hub) shard(topic stacksync.Topic) *shard {
	return &h.shards[maphash.String(h.seed, string(topic))%shardCount]
}
