package hint

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

const (
	// patience is how long a page of marks waits for each lock that another transaction holds,
	// before the page is divided.
	patience = 100 * time.Millisecond
	// markInterval is how long marks are gathered, since a transaction for each mark would cost
	// about as much as its commit. A crash meanwhile costs a second hint for each mark.
	markInterval = time.Second
	markLimit    = 256              // workspaces and users in a transaction
	markTimeout  = 10 * time.Second // for one page, so that Close does not wait for ever
)

// marker notes in the store which hints were sent, so that they are no longer owed. Its goroutine
// lives only while there is something to note.
type marker struct {
	kernel  *session.Kernel
	trouble alive.Outage

	mu      sync.Mutex
	sent    map[session.Debtor]int64 // the revisions up to which hints were sent
	running bool
}

// add hands over hints that were published. The caller must be counted in Kernel.Running.
func (m *marker) add(hints []session.Hint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range hints {
		if m.sent == nil {
			m.sent = make(map[session.Debtor]int64)
		}
		m.sent[h.Debtor] = max(m.sent[h.Debtor], h.Revision)
	}
	if len(m.sent) > 0 && !m.running {
		m.running = true
		alive.Persist(m.kernel.Running, m.loop)
	}
}

func (m *marker) loop() {
	for {
		// The wait is over before a relay takes the hints for owed.
		alive.Sleep(m.kernel.Closing, min(markInterval, m.kernel.RelayInterval))
		sent := m.takeAll()
		if sent == nil {
			return
		}
		for ids := range slices.Chunk(slices.Collect(maps.Keys(sent)), markLimit) {
			m.markPage(ids, sent)
		}
	}
}

// takeAll returns all marks that were added. If there are none it returns nil, and the caller's
// goroutine must end.
func (m *marker) takeAll() map[session.Debtor]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.sent
	m.sent = nil
	m.running = sent != nil
	return sent
}

func (m *marker) markPage(ids []session.Debtor, sent map[session.Debtor]int64) {
	ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
	defer cancel()
	m.mark(ctx, ids, sent)
}

// mark notes which hints of some workspaces and users were sent. If others hold one of them locked,
// it divides the page. A hint that it can't note stays owed, and a relay sends it again.
func (m *marker) mark(ctx context.Context, ids []session.Debtor, sent map[session.Debtor]int64) {
	err := alive.Contain(func() error { return m.note(ctx, ids, sent) })
	if !errors.Is(err, stacksync.ErrBusy) {
		m.trouble.Report(err)
		return
	}
	if half := len(ids) / 2; half > 0 {
		m.mark(ctx, ids[:half], sent)
		m.mark(ctx, ids[half:], sent)
	}
}

// note is one try of mark.
func (m *marker) note(ctx context.Context, ids []session.Debtor, sent map[session.Debtor]int64) (err error) {
	ctx, end := m.kernel.Observe(ctx, "mark")
	defer func() { end(session.Seen{Err: err, Items: len(ids)}) }()
	// The wait is short: while this transaction waits for one lock, it holds other workspaces
	// locked, and commits to these would wait, too.
	lock := stacksync.LockParams{Wait: patience}
	sets := stacksync.MarkNotifiedParams{Notified: make(map[stacksync.WorkspaceID]int64), Users: make(map[stacksync.UserID]int64), Due: m.kernel.HintDue()}
	for _, id := range ids {
		if id.User != "" {
			lock.Users = append(lock.Users, id.User)
			sets.Users[id.User] = sent[id]
			continue
		}
		lock.Workspaces = append(lock.Workspaces, id.Workspace)
		sets.Notified[id.Workspace] = sent[id]
	}
	return m.kernel.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		_, err := tx.MarkNotified(ctx, sets)
		return err
	})
}
