package stacksync

import (
	"bytes"
	"slices"
)

// space is the loaded part of one workspace, and what a batch of commits changes in it.
type space struct {
	*Workspace
	loaded   int64 // the Revision that was loaded
	owner    *User
	charged  int64 // the owner's QuotaUsed that was loaded
	items    map[ItemID]*ItemRow
	names    map[place]ItemID // may be stale: holder looks twice
	versions map[VersionKey]*ItemRow
	chunks   map[string]int64 // learned
	// children is made when a folder is deleted, and kept up from then on.
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

func newSpace(w *Workspace, owner *User) *space {
	return &space{
		Workspace: w, loaded: w.Revision, owner: owner, charged: owner.QuotaUsed,
		items:     make(map[ItemID]*ItemRow),
		names:     make(map[place]ItemID),
		versions:  make(map[VersionKey]*ItemRow),
		chunks:    make(map[string]int64),
		isChanged: make(map[ItemID]bool),
	}
}

// load adds a current row.
func (sp *space) load(row *ItemRow) {
	if sp.items[row.ID] != nil {
		return
	}
	sp.items[row.ID] = row
	if !row.Deleted {
		sp.names[place{row.Parent, row.NameKey}] = row.ID
	}
}

// holder returns the live item with that name, nil if none.
func (sp *space) holder(parent ItemID, key string) *ItemRow {
	row := sp.items[sp.names[place{parent, key}]]
	if row == nil || row.Deleted || row.Parent != parent || row.NameKey != key {
		return nil
	}
	return row
}

// next makes the row that a proposal asks for.
func (sp *space) next(d decider, r *request, p *Proposal, key string, current *ItemRow) *ItemRow {
	row := &ItemRow{Workspace: sp.ID, NameKey: key, Item: Item{
		ID: p.Item, Version: p.Version, Parent: p.Parent, Name: p.Name, Kind: p.Kind,
		Size: p.Size, Checksum: p.Checksum, Chunks: p.Chunks, MediaType: p.MediaType, ModifiedAt: p.ModifiedAt, Attrs: p.Attrs,
	}}
	return sp.stamp(row, current, d, r)
}

// tombstone makes the row that deletes current, and keeps what it was.
func (sp *space) tombstone(d decider, r *request, current *ItemRow) *ItemRow {
	row := *current
	row.Version++
	row.Deleted = true
	return sp.stamp(&row, current, d, r)
}

func (sp *space) stamp(row, current *ItemRow, d decider, r *request) *ItemRow {
	row.Status = status(current, row)
	row.User, row.Device, row.CommittedAt = r.actor.User, r.actor.Device, d.now
	return row
}

// save stages row as the current version, with the next revision.
func (sp *space) save(current, row *ItemRow) {
	sp.Revision++
	row.Revision = sp.Revision
	add := liveSize(row) - liveSize(current)
	sp.owner.QuotaUsed += add
	sp.Size += add
	if current != nil {
		sp.superseded = append(sp.superseded, *current)
		sp.versions[current.key()] = current
	}
	at := place{row.Parent, row.NameKey}
	wasHolder, wasHeld := sp.names[at]
	wasChanged := sp.isChanged[row.ID]
	sp.set(row.ID, row)
	if !row.Deleted {
		sp.names[at] = row.ID
	}
	if !wasChanged {
		sp.isChanged[row.ID] = true
		sp.changed = append(sp.changed, row.ID)
	}
	if !sp.recording {
		return
	}
	sp.undo = append(sp.undo, func() {
		sp.Revision--
		sp.owner.QuotaUsed -= add
		sp.Size -= add
		if current != nil {
			sp.superseded = sp.superseded[:len(sp.superseded)-1]
		}
		if !wasChanged {
			delete(sp.isChanged, row.ID)
			sp.changed = sp.changed[:len(sp.changed)-1]
		}
		sp.set(row.ID, current)
		if delete(sp.names, at); wasHeld {
			sp.names[at] = wasHolder
		}
	})
}

// set makes row, or nothing, the current version.
func (sp *space) set(id ItemID, row *ItemRow) {
	if sp.children != nil {
		if was := sp.items[id]; was != nil && !was.Deleted {
			delete(sp.children[was.Parent], id)
		}
		if row != nil && !row.Deleted {
			sp.adopt(row)
		}
	}
	if row == nil {
		delete(sp.items, id)
		return
	}
	sp.items[id] = row
}

func (sp *space) adopt(row *ItemRow) {
	below := sp.children[row.Parent]
	if below == nil {
		below = make(map[ItemID]struct{})
		sp.children[row.Parent] = below
	}
	below[row.ID] = struct{}{}
}

// subtree returns the live items below a folder, deepest first, and by id within a level, so that a closure that runs again
// decides the same.
func (sp *space) subtree(root ItemID) []*ItemRow {
	if sp.children == nil {
		sp.children = make(map[ItemID]map[ItemID]struct{})
		for _, row := range sp.items {
			if !row.Deleted {
				sp.adopt(row)
			}
		}
	}
	var all []*ItemRow
	level := []ItemID{root}
	for len(level) > 0 && len(all) <= len(sp.items) { // the bound ends a cycle, should the store have one
		var next []ItemID
		for _, folder := range level {
			for id := range sp.children[folder] {
				next = append(next, id)
			}
		}
		slices.SortFunc(next, func(a, b ItemID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
		for _, id := range next {
			all = append(all, sp.items[id])
		}
		level = next
	}
	slices.Reverse(all)
	return all
}

// learn stages that chunks are stored, which the chunk table did not know.
func (sp *space) learn(chunks []Chunk, stored map[string]int64) {
	for i := range chunks {
		c := &chunks[i]
		_, known := sp.chunks[c.Name]
		if _, seen := stored[c.Name]; known || !seen {
			continue
		}
		sp.chunks[c.Name] = c.Size
		sp.learned = append(sp.learned, ChunkRow{Workspace: sp.ID, Chunk: *c})
		if sp.recording {
			sp.undo = append(sp.undo, func() {
				delete(sp.chunks, c.Name)
				sp.learned = sp.learned[:len(sp.learned)-1]
			})
		}
	}
}

// record begins to note how to take back what is staged from here on.
func (sp *space) record() { sp.recording = true }

// stopRecording ends that, and takes it back where asked to.
func (sp *space) stopRecording(takeBack bool) {
	if takeBack {
		for _, undo := range slices.Backward(sp.undo) {
			undo()
		}
	}
	sp.recording, sp.undo = false, nil
}

// writes adds what the batch changed to p.
func (sp *space) writes(p *PutParams) {
	if len(sp.changed) == 0 {
		return
	}
	p.Workspaces = append(p.Workspaces, *sp.Workspace)
	for _, id := range sp.changed {
		p.Items = append(p.Items, *sp.items[id])
	}
	p.Superseded = append(p.Superseded, sp.superseded...)
	p.Chunks = append(p.Chunks, sp.learned...)
}
