package metastoretest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

func gapChecks() []check {
	return []check{{Name: "no page passes a revision that is yet to come", Run: noGaps}}
}

// pages counts the pages that are read while somebody waits for them.
type pages struct {
	read chan struct{} // gets an element for each page, if somebody waits
	over chan struct{} // closed when a reader has ended: nobody needs to wait any more
	end  func()
}

func newPages() *pages {
	p := &pages{read: make(chan struct{}), over: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.over) })
	return p
}

func (p *pages) count() {
	select {
	case p.read <- struct{}{}:
	default:
	}
}

// wait returns when n more pages were read, which may take part of a page that was being read before.
func (p *pages) wait(n int) {
	for range n {
		select {
		case <-p.read:
		case <-p.over:
		}
	}
}

// noGaps has writers stay in the middle of their transactions until readers have read on, and others, where the store
// lets them, commit meanwhile. Each revision is taken by one item, which keeps it: a page After n must go on with n+1.
func noGaps(t T, s Suite) {
	r := newRig(t, s)
	const workspaces, writers, commits, items = 2, 3, 3, 4
	pages := newPages()
	var written atomic.Int64 // writers that are done
	over := func() bool { return written.Load() == workspaces*writers }
	var fs []func() error
	for range workspaces {
		h := r.home()
		h.workspace.Revision = 0
		r.save(h.put())
		for range writers {
			rows := make([]stacksync.ItemRow, commits*items)
			for i := range rows {
				rows[i] = r.file(h.id(), stacksync.ItemID{})
			}
			fs = append(fs, func() error {
				defer written.Add(1)
				for batch := range slices.Chunk(rows, items) {
					if err := tryUpdate(r.ctx, r.store, func(c change) { appendSlowly(c, h.workspace, batch, pages) }); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for limit, read := range map[int]way{3: tryView, 7: tryDirect} {
			fs = append(fs, func() error {
				defer pages.end()
				return r.readDense(read, h, limit, writers*commits*items, over, pages)
			})
		}
	}
	r.together(fs...)
}

// appendSlowly puts rows at the next revisions of the workspace, the second half first, and then, after a while, the other.
func appendSlowly(c change, w stacksync.Workspace, rows []stacksync.ItemRow, pages *pages) {
	c.lock(lockWorkspaces(w.ID))
	w = only(failer{}, c.workspaces(w))
	rows = slices.Clone(rows)
	for i := range rows {
		w.Revision++
		rows[i].Revision = w.Revision
	}
	half := len(rows) / 2
	c.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{w}, Items: rows[half:]})
	pages.wait(4)
	c.put(putItems(rows[:half]...))
}

// readDense follows the log of a workspace to its end, which is last.
func (r *rig) readDense(read way, h home, limit int, last int64, over func() bool, pages *pages) error {
	p := stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}}
	for r.ctx.Err() == nil {
		final := over()
		var page []stacksync.ItemRow
		if err := read(r.ctx, r.store, func(l look) { page = l.changes(p).Items }); err != nil {
			return err
		}
		pages.count()
		for _, row := range page {
			if row.Revision != p.After+1 {
				return fmt.Errorf("promised: revisions that are taken under the lock become visible in their order\nbut %d came after %d", row.Revision, p.After)
			}
			p.After = row.Revision
		}
		if final && len(page) < limit {
			if p.After != last {
				return fmt.Errorf("promised: every committed change is in the log\nbut it ends at %d instead of %d", p.After, last)
			}
			return nil
		}
	}
	return r.ctx.Err()
}
