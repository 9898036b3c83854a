package fanout

import (
	"context"
	"sync"

	"github.com/stacksync/stacksync-go"
)

// slot is the place of one topic in one subscription. It holds the topic's one pending hint, so that publishing
// allocates nothing and the memory of a subscription does not depend on how much is published.
type slot struct {
	sub   *subscription
	index int // in its audience, guarded by the shard's lock

	// Guarded by the subscription's lock until that has ended; constant afterwards.
	hint    stacksync.Notification // its topic is always set
	pending bool
	next    *slot // the one that became pending after this one
}

type subscription struct {
	hub   *Hub
	slots []slot        // one a topic
	ready chan struct{} // holds a token when a slot became pending; closed with the subscription

	mu          sync.Mutex
	closed      bool
	first, last *slot // the queue of pending slots
}

// put makes the slot pending, or merges the hint into the one that is.
func (s *subscription) put(sl *slot, hint stacksync.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	sl.hint = sl.hint.Merge(hint)
	if sl.pending {
		return
	}
	sl.pending = true
	if s.first != nil {
		s.last.next = sl
		s.last = sl
		return
	}
	s.first, s.last = sl, sl
	select {
	case s.ready <- struct{}{}:
	default: // a token is left from a hint that was taken without waiting
	}
}

// take returns the hint that became pending first, if there is one.
func (s *subscription) take() (hint stacksync.Notification, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return stacksync.Notification{}, false, s.hub.errClosed
	}
	sl := s.first
	if sl == nil {
		return stacksync.Notification{}, false, nil
	}
	hint = sl.hint
	s.first = sl.next
	sl.hint, sl.pending, sl.next = stacksync.Notification{Topic: hint.Topic}, false, nil
	return hint, true, nil
}

// Next implements stacksync.Subscription.
func (s *subscription) Next(ctx context.Context) (stacksync.Notification, error) {
	for {
		if err := ctx.Err(); err != nil {
			return stacksync.Notification{}, err
		}
		if hint, ok, err := s.take(); ok || err != nil {
			return hint, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
		}
	}
}

// Close implements stacksync.Subscription.
func (s *subscription) Close() error {
	if !s.end() {
		return nil
	}
	for i := range s.slots {
		sl := &s.slots[i]
		s.hub.shard(sl.hint.Topic).remove(sl)
	}
	return nil
}

// end closes the subscription and wakes Next. It reports whether it was open.
func (s *subscription) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	close(s.ready)
	return true
}
