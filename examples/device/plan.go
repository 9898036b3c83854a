package device

import (
	"maps"
	"path"
	"slices"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// step is a proposal in the making.
type step struct {
	proposal stacksync.Proposal
	path     string  // on disk
	node     *node   // nil for a deletion, and for a step on the way
	record   *record // nil for a new item
	moved    bool    // the place differs from that of the record
	stamp    stamp   // goes into the record
	send     bool    // the content is new
	err      error   // why it can't be proposed now
}

// planner compares what is on disk with the records, and orders the differences so that the service can take one after the other:
// folders before what lies in them, as they lie now, so that nothing is moved below itself; deletions last, so that nothing is
// deleted that moved away. Where a name is still taken by an item whose own step comes later, that one first gets a name for the
// way. It does no I/O.
type planner struct {
	tree    *tree
	records map[stacksync.ItemID]*record
	refused map[string]error
	newID   func() stacksync.ItemID

	steps    []*step
	holders  map[place]stacksync.ItemID // of names on the server, as far as known and planned
	versions map[stacksync.ItemID]int64 // planned
	deleted  map[stacksync.ItemID]bool  // planned
}

func newItemID() stacksync.ItemID {
	// As the package says, NewV7 fails only if the system has no randomness: then nothing works.
	return stacksync.ItemID{UUID: uuid.Must(uuid.NewV7())}
}

func (p *planner) plan() []*step {
	p.holders = make(map[place]stacksync.ItemID, len(p.records))
	p.versions = map[stacksync.ItemID]int64{}
	p.deleted = map[stacksync.ItemID]bool{}
	for id, r := range p.records {
		if r.Version > 0 {
			p.holders[nameOf(r.Parent, r.Name)] = id
		}
	}
	p.planFolder(p.tree.root, "")
	p.planDeletions()
	return p.steps
}

// nameOf is the name as a server that ignores case compares it: to make way for nothing costs little.
func nameOf(parent stacksync.ItemID, name string) place { return place{parent, diskKey(name, true)} }

func (p *planner) planFolder(folder *node, dir string) {
	for _, key := range slices.Sorted(maps.Keys(folder.children)) {
		n := folder.children[key]
		at := path.Join(dir, n.name)
		r := p.records[n.id]
		if p.refused[at] != nil && (r == nil || n.kind == stacksync.File) || n.kind == other {
			continue
		}
		if p.refused[at] == nil {
			p.planNode(n, r, at)
		}
		if n.kind == stacksync.Folder {
			p.planFolder(n, at)
		}
	}
}

func (p *planner) planNode(n *node, r *record, at string) {
	s := &step{path: at, node: n, record: r}
	if r == nil {
		p.tree.bind(n, p.newID())
		s.proposal = stacksync.Proposal{Item: n.id, Version: 1, Parent: n.parent.id, Name: n.name, Kind: n.kind}
	} else {
		s.proposal = r.Proposal
		s.proposal.Parent = n.parent.id
		if !sameName(r.diskName(), n.name, p.tree.fold) {
			s.proposal.Name = n.name
		}
		s.moved = r.Parent != n.parent.id || s.proposal.Name != r.Name
		dirty := n.kind == stacksync.File && !r.Stamp.proves(n.stamp)
		if !s.moved && !dirty {
			return
		}
	}
	if r == nil || s.moved {
		p.clear(&s.proposal)
	}
	s.proposal.Version = p.next(n.id)
	p.steps = append(p.steps, s)
}

func (p *planner) next(id stacksync.ItemID) int64 {
	v := p.versions[id]
	if r := p.records[id]; v == 0 && r != nil {
		v = r.Version
	}
	p.versions[id] = v + 1
	return v + 1
}

// clear makes the name free that a proposal asks for, and takes it.
func (p *planner) clear(proposal *stacksync.Proposal) {
	name := nameOf(proposal.Parent, proposal.Name)
	if holder := p.holders[name]; !holder.IsZero() && holder != proposal.Item {
		r, n := p.records[holder], p.tree.byID[holder]
		switch {
		case r == nil:
			// It was planned just before: two names here are one there. The server is going to say so.
		case n == nil && r.Kind == stacksync.File:
			p.planDeletion(r)
		case n == nil || p.refused[n.path()] == nil && (n.parent.id != r.Parent || !sameName(r.diskName(), n.name, p.tree.fold)):
			p.planDetour(r)
		}
	}
	if r := p.records[proposal.Item]; r != nil && p.holders[nameOf(r.Parent, r.Name)] == r.Item {
		delete(p.holders, nameOf(r.Parent, r.Name))
	}
	p.holders[name] = proposal.Item
}

// planDetour renames an item that moves later, or a folder that is deleted later, to a name that nothing else has.
func (p *planner) planDetour(r *record) {
	s := &step{path: p.path(r), record: r, moved: true, stamp: r.Stamp, proposal: r.Proposal}
	s.proposal.Version = p.next(r.Item)
	s.proposal.Name = stateDir + "-" + r.Item.String()
	p.steps = append(p.steps, s)
}

// planDeletions proposes the deletion of what is not on disk any more, of a whole subtree by its topmost folder alone.
func (p *planner) planDeletions() {
	var missing []*record
	for id, r := range p.records {
		if r.Version > 0 && p.tree.byID[id] == nil && !p.deleted[id] && p.tree.byID[r.Parent] != nil {
			missing = append(missing, r)
		}
	}
	slices.SortFunc(missing, func(a, b *record) int { return slices.Compare(a.Item.UUID[:], b.Item.UUID[:]) })
	for _, r := range missing {
		p.planDeletion(r)
	}
}

func (p *planner) planDeletion(r *record) {
	at := p.path(r)
	if p.refused[at] != nil {
		return
	}
	p.deleted[r.Item] = true
	p.steps = append(p.steps, &step{path: at, record: r, proposal: stacksync.Proposal{Item: r.Item, Version: p.next(r.Item), Delete: true}})
}

// path returns where an item was on disk.
func (p *planner) path(r *record) string {
	at := r.diskName()
	for range p.records {
		parent := p.records[r.Parent]
		if parent == nil {
			break
		}
		at = path.Join(parent.diskName(), at)
		r = parent
	}
	return at
}
