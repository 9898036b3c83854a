package stacksync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// markInterval is how long marks are gathered, as a transaction for each would cost about what the commit did. A crash meanwhile
	// costs a second hint for each.
	markInterval = time.Second
	markLimit    = 256              // workspaces a transaction
	markTimeout  = 10 * time.Second // of one page, so that Close does not wait for ever
)

// marker notes in the store which hints were sent, so that they are no longer owed. Its goroutine lives only while there is something to
// note.
type marker struct {
	service *Service
	trouble outage

	mu      sync.Mutex
	sent    map[WorkspaceID]int64 // revisions
	running bool
}

// add hands over hints that were published. Its caller is counted in what Close waits for.
func (m *marker) add(hints []hint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range hints {
		if h.workspace.IsZero() {
			continue
		}
		if m.sent == nil {
			m.sent = make(map[WorkspaceID]int64)
		}
		m.sent[h.workspace] = max(m.sent[h.workspace], h.Revision)
	}
	if len(m.sent) > 0 && !m.running {
		m.running = true
		persist(&m.service.running, m.loop)
	}
}

func (m *marker) loop() {
	for {
		m.service.sleep(min(markInterval, m.service.cfg.RelayInterval)) // before a relay takes them for owed
		sent := m.take()
		if sent == nil {
			return
		}
		for ids := range slices.Chunk(slices.Collect(maps.Keys(sent)), markLimit) {
			m.markPage(ids, sent)
		}
	}
}

// take returns all that was added, or ends the goroutine with nil.
func (m *marker) take() map[WorkspaceID]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.sent
	m.sent = nil
	m.running = sent != nil
	return sent
}

func (m *marker) markPage(ids []WorkspaceID, sent map[WorkspaceID]int64) {
	ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
	defer cancel()
	m.mark(ctx, ids, sent)
}

// mark notes what was sent of some workspaces. What it can't note stays owed, and is sent again by a relay.
func (m *marker) mark(ctx context.Context, ids []WorkspaceID, sent map[WorkspaceID]int64) {
	err := contain(func() error { return m.service.mark(ctx, ids, sent) })
	if !errors.Is(err, ErrBusy) {
		m.trouble.report(err)
		return
	}
	if half := len(ids) / 2; half > 0 {
		m.mark(ctx, ids[:half], sent)
		m.mark(ctx, ids[half:], sent)
	}
}

func (s *Service) mark(ctx context.Context, ids []WorkspaceID, sent map[WorkspaceID]int64) (err error) {
	ctx, end := s.observe(ctx, "mark")
	defer func() { end(Observation{Err: err, Items: len(ids)}) }()
	notified := make(map[WorkspaceID]int64, len(ids))
	for _, id := range ids {
		notified[id] = sent[id]
	}
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		// Commits to the other workspaces are not to wait until one is free that somebody holds for long.
		if _, err := tx.Lock(ctx, LockParams{Workspaces: ids, Wait: patience}); err != nil {
			return err
		}
		_, err := tx.MarkNotified(ctx, MarkNotifiedParams{Notified: notified, Due: s.hintDue()})
		return err
	})
}
