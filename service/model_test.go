package service_test

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/stacksync/stacksync-go"
)

// model is a workspace as plainly as it can be written: every version of every item in one list, and each rule a scan over it.
// It shares no code with the service.
type model struct {
	log    []stacksync.Item // by revision
	stored map[string]int64 // chunks
	limit  int64            // quota, 0 for none
}

func (m *model) clone() *model {
	c := *m
	c.log = slices.Clone(m.log)
	return &c
}

// current is every item in its latest version, in no order.
func (m *model) current() map[stacksync.ItemID]stacksync.Item {
	all := map[stacksync.ItemID]stacksync.Item{}
	for _, it := range m.log {
		all[it.ID] = it
	}
	return all
}

func (m *model) live() map[stacksync.ItemID]stacksync.Item {
	all := m.current()
	maps.DeleteFunc(all, func(_ stacksync.ItemID, it stacksync.Item) bool { return it.Deleted })
	return all
}

func (m *model) used() (sum int64) {
	for _, it := range m.live() {
		sum += it.Size
	}
	return sum
}

func (m *model) version(id stacksync.ItemID, v int64) (stacksync.Item, bool) {
	for _, it := range m.log {
		if it.ID == id && it.Version == v {
			return it, true
		}
	}
	return stacksync.Item{}, false
}

// below reports whether an item lies in a folder, at any depth.
func below(all map[stacksync.ItemID]stacksync.Item, id, folder stacksync.ItemID) bool {
	for it, ok := all[id]; ok; it, ok = all[it.Parent] {
		if it.Parent == folder {
			return true
		}
	}
	return false
}

func depth(all map[stacksync.ItemID]stacksync.Item, id stacksync.ItemID) (n int) {
	for it, ok := all[id]; ok; it, ok = all[it.Parent] {
		n++
	}
	return n
}

func same(it stacksync.Item, p stacksync.Proposal) bool {
	if it.Deleted || p.Delete {
		return it.Deleted && p.Delete
	}
	return it.Parent == p.Parent && it.Name == p.Name && it.Kind == p.Kind && it.Size == p.Size && it.Checksum == p.Checksum &&
		slices.Equal(it.Chunks, p.Chunks) && maps.Equal(it.Attrs, p.Attrs)
}

func (m *model) append(it stacksync.Item, status stacksync.Status, actor stacksync.Actor) {
	it.Version++
	it.Revision = int64(len(m.log)) + 1
	it.Status = status
	it.User, it.Device = actor.User, actor.Device
	m.log = append(m.log, it)
}

// commit returns what each proposal must be answered with: nil for committed.
func (m *model) commit(actor stacksync.Actor, atomic bool, proposals []stacksync.Proposal) (results []stacksync.Result, errs []error) {
	before := m.clone()
	failed := false
	met := make([]stacksync.Item, len(proposals)) // what each was in conflict with
	for i, p := range proposals {
		result, with, err := m.one(actor, p)
		results, errs = append(results, result), append(errs, err)
		met[i] = with
		failed = failed || err != nil
	}
	if !atomic || !failed {
		return results, errs
	}
	// Nothing was saved: no answer may speak of anything that is not in the log as it was.
	*m = *before
	for i, p := range proposals {
		was, saved := before.version(p.Item, p.Version)
		switch {
		case results[i] == stacksync.Committed, results[i] == stacksync.AlreadyCommitted && (!saved || !same(was, p)):
			results[i], errs[i] = stacksync.Rejected, stacksync.ErrAborted
		case results[i] == stacksync.InConflict && met[i].Revision > int64(len(m.log)):
			results[i] = stacksync.Rejected
		}
	}
	return results, errs
}

func (m *model) one(actor stacksync.Actor, p stacksync.Proposal) (_ stacksync.Result, with stacksync.Item, _ error) {
	if p.Version < 1 {
		return stacksync.Rejected, with, stacksync.ErrInvalid
	}
	if !p.Delete && p.Parent == p.Item {
		return stacksync.Rejected, with, stacksync.ErrCycle
	}
	all := m.current()
	now, known := all[p.Item]
	switch {
	case !known && (p.Version > 1 || p.Delete):
		return stacksync.Rejected, with, stacksync.ErrUnknownItem
	case known && p.Version <= now.Version:
		if was, ok := m.version(p.Item, p.Version); ok && same(was, p) {
			return stacksync.AlreadyCommitted, with, nil
		}
		return stacksync.InConflict, now, stacksync.ErrVersionConflict
	case p.Version > now.Version+1:
		return stacksync.InConflict, now, stacksync.ErrVersionConflict
	}
	if p.Delete {
		if now.Deleted {
			return stacksync.Rejected, with, stacksync.ErrAlreadyDeleted
		}
		m.delete(actor, now)
		return stacksync.Committed, with, nil
	}
	if known && now.Kind != p.Kind {
		return stacksync.Rejected, with, stacksync.ErrKindChanged
	}
	if parent, ok := all[p.Parent]; !p.Parent.IsZero() {
		switch {
		case !ok:
			return stacksync.Rejected, with, stacksync.ErrParentNotFound
		case parent.Kind != stacksync.Folder:
			return stacksync.Rejected, with, stacksync.ErrParentNotFolder
		case parent.Deleted:
			return stacksync.Rejected, with, stacksync.ErrParentDeleted
		case below(all, p.Parent, p.Item):
			return stacksync.Rejected, with, stacksync.ErrCycle
		}
	}
	for id, it := range m.live() {
		if id != p.Item && it.Parent == p.Parent && norm.NFC.String(it.Name) == norm.NFC.String(p.Name) {
			return stacksync.InConflict, it, stacksync.ErrNameTaken
		}
	}
	for _, c := range p.Chunks {
		if _, ok := m.stored[c.Name]; !ok {
			return stacksync.Rejected, with, stacksync.ErrChunksMissing
		}
	}
	add := p.Size
	if known && !now.Deleted {
		add -= now.Size
	}
	if add > 0 && m.limit > 0 && m.used()+add > m.limit {
		return stacksync.Rejected, with, stacksync.ErrQuotaExceeded
	}
	status := stacksync.StatusChanged
	switch {
	case !known || now.Deleted:
		status = stacksync.StatusNew
	case now.Parent != p.Parent:
		status = stacksync.StatusMoved
	case now.Name != p.Name:
		status = stacksync.StatusRenamed
	}
	m.append(stacksync.Item{ID: p.Item, Version: now.Version, Parent: p.Parent, Name: p.Name, Kind: p.Kind,
		Size: p.Size, Checksum: p.Checksum, Chunks: p.Chunks, Attrs: p.Attrs}, status, actor)
	return stacksync.Committed, with, nil
}

// delete appends the tombstones of a folder's subtree, deepest first, then its own.
func (m *model) delete(actor stacksync.Actor, it stacksync.Item) {
	live := m.live()
	var lost []stacksync.Item
	for id, sub := range live {
		if below(live, id, it.ID) {
			lost = append(lost, sub)
		}
	}
	slices.SortFunc(lost, func(a, b stacksync.Item) int {
		if da, db := depth(live, a.ID), depth(live, b.ID); da != db {
			return db - da
		}
		return slices.Compare(b.ID.UUID[:], a.ID.UUID[:])
	})
	for _, sub := range append(lost, it) {
		sub.Deleted = true
		m.append(sub, stacksync.StatusDeleted, actor)
	}
}

// plain strips what the model has no say in.
func plain(it stacksync.Item) stacksync.Item {
	it.CommittedAt, it.ModifiedAt = time.Time{}, time.Time{}
	if len(it.Chunks) == 0 {
		it.Chunks = nil
	}
	if len(it.Attrs) == 0 {
		it.Attrs = nil
	}
	return it
}

// follower is a device as the contract of Feed describes it.
type follower struct {
	actor  stacksync.Actor
	cursor stacksync.Cursor
	began  int64                               // revision when it read from the empty cursor
	tree   map[stacksync.ItemID]stacksync.Item // live items
}

// apply takes a page, and returns what is wrong with it.
func (f *follower) apply(page stacksync.ChangesPage) (faults []string) {
	for _, it := range page.Items {
		if it.Deleted {
			if it.Revision <= f.began {
				faults = append(faults, "a tombstone from before the first page: "+it.ID.String())
			}
			delete(f.tree, it.ID)
			continue
		}
		if parent, ok := f.tree[it.Parent]; !it.Parent.IsZero() && (!ok || parent.Kind != stacksync.Folder) {
			faults = append(faults, "the folder of "+it.Name+" "+it.ID.String()+" did not come before it")
		}
		f.tree[it.ID] = plain(it)
	}
	f.cursor = page.Cursor
	return faults
}
