package fanout

import (
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

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
		a.put(hint)
	}
}

func (sh *shard) gap() {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, a := range sh.topics {
		a.put(stacksync.Notification{Topic: a.topic, Gap: true})
	}
}

func (a *audience) put(hint stacksync.Notification) {
	for _, sl := range a.slots {
		sl.sub.put(sl, hint)
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
		return // the hub was closed
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
