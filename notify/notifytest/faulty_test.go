package notifytest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/stacksync/stacksync-go"
)

// fault is what a notifier of faulty_test.go does wrong. The empty one does nothing wrong.
type fault string

// broker is a medium in memory, whose handles keep the contract but for one fault. It is written for being broken in many
// ways, not for being fast: one lock guards all.
type broker struct {
	fault   fault
	mu      sync.Mutex
	handles []*handle
}

func (b *broker) is(f fault) bool { return b.fault == f }

func (b *broker) open() *handle {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &handle{b: b}
	b.handles = append(b.handles, h)
	return h
}

type handle struct {
	b      *broker
	closed bool
	subs   []*stream
	breaks int
}

func (h *handle) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	none := stacksync.PublishResult{}
	switch {
	case h.closed && !h.b.is("publish after close"):
		return none, stacksync.ErrClosed
	case len(p.Notifications) == 0 && h.b.is("refuses an empty publish"):
		return none, errors.New("nothing to publish")
	case len(p.Notifications) > 100 && h.b.is("loses the end of a long publish"):
		p.Notifications = p.Notifications[:100]
	}
	for _, hint := range p.Notifications {
		if h.b.is("fails when nobody listens") && !h.b.heard(hint.Topic) {
			return none, errors.New("no subscription")
		}
		for _, other := range h.b.handles {
			if other != h && h.b.is("keeps hints to its own handle") {
				continue
			}
			for i, s := range other.subs {
				if i > 0 && h.b.is("tells the first subscription only") && s.wants(hint.Topic) {
					break
				}
				if h.b.is("waits for slow subscriptions") && s.wants(hint.Topic) && len(s.pending) > 0 {
					return none, h.waitForRoom(ctx)
				}
				s.put(hint)
			}
		}
	}
	return none, nil
}

// waitForRoom gives up with ctx, as a publisher does that nobody makes room for.
func (h *handle) waitForRoom(ctx context.Context) error {
	h.b.mu.Unlock()
	<-ctx.Done()
	h.b.mu.Lock()
	return ctx.Err()
}

func (b *broker) heard(topic stacksync.Topic) bool {
	return slices.ContainsFunc(b.handles, func(h *handle) bool {
		return slices.ContainsFunc(h.subs, func(s *stream) bool { return s.wants(topic) })
	})
}

func (h *handle) Subscribe(_ context.Context, p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	switch {
	case h.closed && !h.b.is("subscribe after close"):
		return nil, stacksync.ErrClosed
	case len(p.Topics) == 0 && !h.b.is("subscribes to nothing"):
		return nil, &stacksync.FieldError{Field: "Topics", Reason: "is empty"}
	}
	s := &stream{h: h, topics: slices.Clone(p.Topics), wake: make(chan struct{}, 1)}
	if h.b.is("subscribes to a topic only once") && h.b.heard(p.Topics[0]) {
		return s, nil
	}
	h.subs = append(h.subs, s)
	return s, nil
}

func (h *handle) Close() error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if h.closed && h.b.is("second close of the notifier fails") {
		return stacksync.ErrClosed
	}
	h.closed = true
	if !h.b.is("closing the notifier wakes nobody") {
		for _, s := range h.subs {
			s.end()
		}
	}
	return nil
}

// cut breaks the connection, which is there again at once.
func (h *handle) cut() {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.breaks++
	if h.b.is("stays silent about a gap") || h.breaks > 1 && h.b.is("comes back once only") {
		return
	}
	for _, s := range h.subs {
		topics := s.topics
		if h.b.is("tells of a gap on one topic only") {
			topics = topics[:1]
		}
		for _, topic := range topics {
			s.put(stacksync.Notification{Topic: topic, Gap: true})
		}
		if h.b.is("is deaf after a gap") {
			s.topics = nil
		}
	}
}

// stream is a subscription.
type stream struct {
	h       *handle
	topics  []stacksync.Topic
	wake    chan struct{}
	closed  bool
	pending []stacksync.Notification
}

func (s *stream) is(f fault) bool { return s.h.b.fault == f }

func (s *stream) wants(topic stacksync.Topic) bool {
	return slices.ContainsFunc(s.topics, func(own stacksync.Topic) bool {
		switch s.h.b.fault {
		case "topics are patterns":
			prefix, ok := strings.CutSuffix(string(own), "*")
			return topic == own || ok && strings.HasPrefix(string(topic), prefix)
		case "case does not matter":
			return strings.EqualFold(string(own), string(topic))
		case "long topics are cut":
			return string(own)[:min(255, len(own))] == string(topic)[:min(255, len(topic))]
		case "all topics are one":
			return true
		}
		return topic == own
	})
}

func (s *stream) put(hint stacksync.Notification) {
	if s.closed || !s.wants(hint.Topic) {
		return
	}
	i := slices.IndexFunc(s.pending, func(n stacksync.Notification) bool { return n.Topic == hint.Topic })
	switch {
	case s.is("zero is no revision") && hint.Revision == 0 && !hint.Gap:
		return
	case s.is("revisions are 32 bits"):
		hint.Revision = int64(int32(hint.Revision))
	case s.is("a gap comes out of nothing"):
		hint.Gap = true
	}
	switch {
	case i < 0 || s.is("queues everything"):
		s.pending = append(s.pending, hint)
	case s.is("keeps the first of two hints"):
	case s.is("keeps the latter of two hints"):
		s.pending[i] = hint
	default:
		s.pending[i] = s.pending[i].Merge(hint)
	}
	if s.is("the first topic goes first") {
		slices.SortStableFunc(s.pending, func(a, b stacksync.Notification) int {
			return slices.Index(s.topics, a.Topic) - slices.Index(s.topics, b.Topic)
		})
	}
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) Next(ctx context.Context) (stacksync.Notification, error) {
	for {
		hint, ok, err := s.take(ctx)
		if ok || err != nil {
			return hint, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

func (s *stream) take(ctx context.Context) (hint stacksync.Notification, ok bool, err error) {
	s.h.b.mu.Lock()
	defer s.h.b.mu.Unlock()
	ended := ctx.Err()
	if ended != nil && s.is("an ended context eats a hint") {
		s.pending = nil
	}
	if ended != nil && s.is("an ended context closes") {
		return hint, false, stacksync.ErrClosed
	}
	if ended != nil && s.is("an ended context ends the subscription") {
		s.end()
	}
	switch {
	case s.closed && (!s.is("hands out hints after close") || len(s.pending) == 0):
		return hint, false, stacksync.ErrClosed
	case ended != nil:
		return hint, false, ended
	case len(s.pending) == 0:
		return hint, false, nil
	}
	hint = s.pending[0]
	s.pending = s.pending[1:]
	return hint, true, nil
}

func (s *stream) Close() error {
	s.h.b.mu.Lock()
	defer s.h.b.mu.Unlock()
	if s.closed && s.is("second close of a subscription fails") {
		return stacksync.ErrClosed
	}
	repeats := len(s.topics) - len(slices.Compact(slices.Sorted(slices.Values(s.topics))))
	if s.is("closing a subscription closes its neighbours") || repeats > 0 && s.is("a repeated topic takes its neighbours along") {
		for _, other := range s.h.subs {
			other.end()
		}
	}
	if !s.is("closing a subscription wakes nobody") {
		s.end()
	}
	return nil
}

func (s *stream) end() {
	s.closed = true
	s.signal()
}
