package stacksync

import (
	"bytes"
	"slices"
)

// Ledger is the loaded part of one workspace, and the changes that a batch of commits makes to it.
// It must hold all rows that Rules.Decide may ask for: the proposed items, with the old versions
// that are proposed again; the holders of the proposed names; the parents, and all folders above
// them; and all items below folders that are deleted, or that may come to lie in a deleted folder.
// A Ledger belongs to one goroutine.
type Ledger struct {
	// Workspace and Owner are the caller's. Decide counts up their Revision, Size and QuotaUsed.
	Workspace *Workspace
	Owner     *User

	loaded  int64 // the Revision when the ledger was made
	charged int64 // the owner's QuotaUsed when the ledger was made
	items   map[ItemID]*ItemRow
	// names maps (parent, name) to the item that last held it. Entries stay when an item moves or
	// is deleted: holder checks the item before it trusts an entry.
	names    map[place]ItemID
	versions map[VersionKey]*ItemRow
	chunks   map[string]int64 // sizes of the learned chunks, by name
	// children is made when the first folder is deleted, and kept up to date from then on.
	children map[ItemID]map[ItemID]struct{}

	changed    []ItemID // items with a new current version, each once
	isChanged  map[ItemID]bool
	superseded []ItemRow
	learned    []ChunkRow

	recording bool
	undo      []func()
}

func (row *ItemRow) key() VersionKey { return VersionKey{row.Workspace, row.ID, row.Version} }

type place struct {
	parent ItemID
	key    string
}

// NewLedger makes a ledger of a workspace and its owner. Decide changes both. Ledgers of workspaces
// with one owner must share the *User, so that the quota holds for all of them together.
func NewLedger(w *Workspace, owner *User) *Ledger {
	return &Ledger{
		Workspace: w, Owner: owner, loaded: w.Revision, charged: owner.QuotaUsed,
		items:     make(map[ItemID]*ItemRow),
		names:     make(map[place]ItemID),
		versions:  make(map[VersionKey]*ItemRow),
		chunks:    make(map[string]int64),
		isChanged: make(map[ItemID]bool),
	}
}

// Add adds the current version of an item, which may be a tombstone. If the ledger has the item
// already, Add does nothing.
func (l *Ledger) Add(row *ItemRow) {
	if l.items[row.ID] != nil {
		return
	}
	l.items[row.ID] = row
	if !row.Deleted {
		l.names[place{row.Parent, row.NameKey}] = row.ID
	}
}

// AddVersion adds a superseded version.
func (l *Ledger) AddVersion(row *ItemRow) { l.versions[row.key()] = row }

// Revisions returns the workspace's revision when the ledger was made, and its revision after the
// decisions so far.
func (l *Ledger) Revisions() (loaded, now int64) { return l.loaded, l.Workspace.Revision }

// Charged reports whether the owner's QuotaUsed has changed since the ledger was made.
func (l *Ledger) Charged() bool { return l.Owner.QuotaUsed != l.charged }

// holder returns the live item with that name, nil if there is none.
func (l *Ledger) holder(parent ItemID, key string) *ItemRow {
	row := l.items[l.names[place{parent, key}]]
	if row == nil || row.Deleted || row.Parent != parent || row.NameKey != key {
		return nil
	}
	return row
}

// save stages row as the current version, with the next revision. current is the version before it,
// nil for a new item.
func (l *Ledger) save(current, row *ItemRow) {
	l.Workspace.Revision++
	row.Revision = l.Workspace.Revision
	add := row.LiveSize() - current.LiveSize()
	l.Owner.QuotaUsed += add
	l.Workspace.Size += add
	if current != nil {
		l.superseded = append(l.superseded, *current)
		l.versions[current.key()] = current
	}
	at := place{row.Parent, row.NameKey}
	wasHolder, wasHeld := l.names[at]
	wasChanged := l.isChanged[row.ID]
	l.set(row.ID, row)
	if !row.Deleted {
		l.names[at] = row.ID
	}
	if !wasChanged {
		l.isChanged[row.ID] = true
		l.changed = append(l.changed, row.ID)
	}
	if !l.recording {
		return
	}
	l.undo = append(l.undo, func() {
		l.Workspace.Revision--
		l.Owner.QuotaUsed -= add
		l.Workspace.Size -= add
		if current != nil {
			l.superseded = l.superseded[:len(l.superseded)-1]
		}
		if !wasChanged {
			delete(l.isChanged, row.ID)
			l.changed = l.changed[:len(l.changed)-1]
		}
		l.set(row.ID, current)
		if delete(l.names, at); wasHeld {
			l.names[at] = wasHolder
		}
	})
}

// set makes row the current version; nil removes the item.
func (l *Ledger) set(id ItemID, row *ItemRow) {
	if l.children != nil {
		if was := l.items[id]; was != nil && !was.Deleted {
			delete(l.children[was.Parent], id)
		}
		if row != nil && !row.Deleted {
			l.adopt(row)
		}
	}
	if row == nil {
		delete(l.items, id)
		return
	}
	l.items[id] = row
}

func (l *Ledger) adopt(row *ItemRow) {
	below := l.children[row.Parent]
	if below == nil {
		below = make(map[ItemID]struct{})
		l.children[row.Parent] = below
	}
	below[row.ID] = struct{}{}
}

// subtree returns the live items below a folder, deepest first, and by id within a level. The order
// is always the same, so that a closure that runs again decides the same.
func (l *Ledger) subtree(root ItemID) []*ItemRow {
	if l.children == nil {
		l.children = make(map[ItemID]map[ItemID]struct{})
		for _, row := range l.items {
			if !row.Deleted {
				l.adopt(row)
			}
		}
	}
	var all []*ItemRow
	level := []ItemID{root}
	// The bound ends the loop if the store holds a cycle.
	for len(level) > 0 && len(all) <= len(l.items) {
		var next []ItemID
		for _, folder := range level {
			for id := range l.children[folder] {
				next = append(next, id)
			}
		}
		slices.SortFunc(next, func(a, b ItemID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
		for _, id := range next {
			all = append(all, l.items[id])
		}
		level = next
	}
	slices.Reverse(all)
	return all
}

// learn stages rows for those chunks that the container has and the chunk table did not know.
func (l *Ledger) learn(chunks []Chunk, stored map[string]int64) {
	for i := range chunks {
		c := &chunks[i]
		_, known := l.chunks[c.Name]
		if _, seen := stored[c.Name]; known || !seen {
			continue
		}
		l.chunks[c.Name] = c.Size
		l.learned = append(l.learned, ChunkRow{Workspace: l.Workspace.ID, Chunk: *c})
		if l.recording {
			l.undo = append(l.undo, func() {
				delete(l.chunks, c.Name)
				l.learned = l.learned[:len(l.learned)-1]
			})
		}
	}
}

// record begins to note how to take back what is staged from here on.
func (l *Ledger) record() { l.recording = true }

// stopRecording ends what record began. With takeBack it takes back all that was staged since then.
func (l *Ledger) stopRecording(takeBack bool) {
	if takeBack {
		for _, undo := range slices.Backward(l.undo) {
			undo()
		}
	}
	l.recording, l.undo = false, nil
}

// Writes adds the staged rows to p: the workspace, items, superseded versions and chunks. It does
// not add the owner, whom several ledgers may share: see Charged. If no item has changed it adds
// nothing.
func (l *Ledger) Writes(p *PutParams) {
	if len(l.changed) == 0 {
		return
	}
	p.Workspaces = append(p.Workspaces, *l.Workspace)
	for _, id := range l.changed {
		p.Items = append(p.Items, *l.items[id])
	}
	p.Superseded = append(p.Superseded, l.superseded...)
	p.Chunks = append(p.Chunks, l.learned...)
}
