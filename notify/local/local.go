// Package local is a stacksync.Notifier inside one process, for a host that runs as one: hints go from the publisher
// straight into the memory of each subscription. Nothing runs in the background and nothing is ever waited for.
package local

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

var errClosed = fmt.Errorf("local notifier: %w", stacksync.ErrClosed)

// shardCount is the number of locks that topics are spread over, so that a publisher that is busy with thousands of
// subscriptions holds up few of those who subscribe elsewhere.
const shardCount = 32

// Notifier carries hints inside one process. Make one with New. Its methods may be called from many goroutines, and
// never wait for a reader: no method looks at its context.
type Notifier struct {
	seed   maphash.Seed
	closed atomic.Bool
	shards [shardCount]shard
}

var _ stacksync.Notifier = (*Notifier)(nil)

// New returns a notifier that nobody subscribes to yet.
func New() *Notifier { return &Notifier{seed: maphash.MakeSeed()} }

// Publish puts the hints into all subscriptions of their topics and returns once they can be read. A topic that nobody
// subscribes to costs a look into a map. The only error is ErrClosed.
func (n *Notifier) Publish(_ context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	if n.closed.Load() {
		return stacksync.PublishResult{}, errClosed
	}
	for _, hint := range p.Notifications {
		n.shard(hint.Topic).publish(hint)
	}
	return stacksync.PublishResult{}, nil
}

// Subscribe returns a subscription that gets all hints published from now on. It hands out topics in turn: the one whose
// hint has waited longest comes first, so that a busy topic never starves another. The errors are a *FieldError when
// there is no topic, and ErrClosed.
func (n *Notifier) Subscribe(_ context.Context, p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	if len(p.Topics) == 0 {
		return nil, &stacksync.FieldError{Field: "Topics", Reason: "must name at least one topic"}
	}
	topics := slices.Clone(p.Topics)
	slices.Sort(topics)
	topics = slices.Compact(topics)
	s := &subscription{notifier: n, ready: make(chan struct{}, 1), slots: make([]slot, len(topics))}
	for i, topic := range topics {
		s.slots[i] = slot{sub: s, hint: stacksync.Notification{Topic: topic}}
		if !n.shard(topic).add(&s.slots[i], &n.closed) {
			return nil, errClosed // Close forgets the slots that were added
		}
	}
	return s, nil
}

// Close ends all subscriptions. Afterwards the notifier holds on to none of them. The error is always nil.
func (n *Notifier) Close() error {
	n.closed.Store(true)
	for i := range n.shards {
		n.shards[i].close()
	}
	return nil
}

func (n *Notifier) shard(topic stacksync.Topic) *shard {
	return &n.shards[maphash.String(n.seed, string(topic))%shardCount]
}

// shard knows who subscribes to its part of the topics. Its lock is taken before that of a subscription, never after.
type shard struct {
	mu     sync.RWMutex
	topics map[stacksync.Topic]*audience
}

// audience is a topic and the slots of those who subscribe to it, at least one.
type audience struct {
	topic stacksync.Topic
	slots []*slot
}

func (sh *shard) publish(hint stacksync.Notification) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if a := sh.topics[hint.Topic]; a != nil {
		for _, sl := range a.slots {
			sl.sub.put(sl, hint)
		}
	}
}

// add reports whether it added the slot: not after closed was set, since nobody would take it out again.
func (sh *shard) add(sl *slot, closed *atomic.Bool) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if closed.Load() {
		return false
	}
	topic := sl.hint.Topic
	a := sh.topics[topic]
	if a == nil {
		if sh.topics == nil {
			sh.topics = map[stacksync.Topic]*audience{}
		}
		a = &audience{topic: topic}
		sh.topics[topic] = a
	}
	sl.hint.Topic = a.topic // so that thousands of subscriptions share one string
	sl.index = len(a.slots)
	a.slots = append(a.slots, sl)
	return true
}

// remove takes out the slot of a subscription that has ended.
func (sh *shard) remove(sl *slot) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	a := sh.topics[sl.hint.Topic]
	if a == nil {
		return // the notifier was closed
	}
	last := len(a.slots) - 1
	if last == 0 {
		delete(sh.topics, a.topic)
		return
	}
	moved := a.slots[last]
	moved.index = sl.index
	a.slots[sl.index] = moved
	a.slots[last] = nil
	a.slots = a.slots[:last]
}

func (sh *shard) close() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, a := range sh.topics {
		for _, sl := range a.slots {
			sl.sub.end()
		}
	}
	sh.topics = nil
}
