package device

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// target returns where an item belongs on disk.
func (j *job) target(it *stacksync.Item) (parent *node, name string, err error) {
	parent, err = j.folder(it.Parent, 0)
	if err != nil {
		return nil, "", err
	}
	name = diskName(it)
	if o := j.tree.child(parent, name); o != nil && o.id != it.ID && j.fold {
		// To the server, "A" and "a" may be two names.
		if r := j.state.records[o.id]; r != nil && j.inPlace(o, r) && !sameName(r.Name, it.Name, true) {
			name = alias(it)
		}
	}
	return parent, name, nil
}

// folder returns the folder of an item. One that was deleted here is made again: something was put into it elsewhere.
func (j *job) folder(id stacksync.ItemID, depth int) (*node, error) {
	if n := j.tree.byID[id]; n != nil {
		if n.kind != stacksync.Folder {
			return nil, fmt.Errorf("parent %v is not a folder", id)
		}
		return n, nil
	}
	r := j.state.records[id]
	if r == nil || r.Kind != stacksync.Folder || depth > len(j.state.records) {
		return nil, fmt.Errorf("parent %v is not known", id)
	}
	parent, err := j.folder(r.Parent, depth+1)
	if err != nil {
		return nil, err
	}
	n, err := j.makeItem(id, parent, r.diskName())
	if err != nil {
		return nil, err
	}
	r.Stamp = n.stamp
	j.state.put(r)
	return n, nil
}

// makeItem makes the folder of an item. A folder that has its name and is of no item is taken for it.
func (j *job) makeItem(id stacksync.ItemID, parent *node, name string) (*node, error) {
	if o := j.tree.child(parent, name); o != nil && o.kind == stacksync.Folder && j.vacant(o) {
		j.claim(o, id)
		if j.state.records[id] != nil {
			j.tree.match(j.state.records) // what was in it before is found again
		}
		return o, nil
	}
	if err := j.makeRoom(parent, name); err != nil {
		return nil, err
	}
	n, err := j.makeFolder(parent, name)
	if err != nil {
		return nil, err
	}
	j.tree.bind(n, id)
	return n, nil
}

// inPlace reports whether n is where its record says.
func (j *job) inPlace(n *node, r *record) bool {
	known := n.parent == j.tree.root || !n.parent.id.IsZero()
	return known && n.parent.id == r.Parent && sameName(r.diskName(), n.name, j.fold)
}

// vacant reports whether n is of no item, or of one that was deleted on the server.
func (j *job) vacant(n *node) bool {
	r := j.state.records[n.id]
	return r == nil || r.Delete
}

// claim makes an item of a vacant node.
func (j *job) claim(n *node, id stacksync.ItemID) {
	if j.state.records[n.id] != nil {
		j.state.drop(n.id)
	}
	j.tree.bind(n, id)
}

// follow moves n where the item went, if it went anywhere. It returns the name that the item has on this disk.
func (j *job) follow(n *node, r *record, it *stacksync.Item) (name string, err error) {
	if n.parent != j.tree.parked && r.Parent == it.Parent && r.Name == it.Name {
		return r.diskName(), nil
	}
	parent, name, err := j.target(it)
	if err != nil {
		return "", err
	}
	return name, j.moveTo(n, parent, name)
}

// moveTo moves n, whatever is in the way.
func (j *job) moveTo(n, parent *node, name string) error {
	switch {
	case n.parent == parent && n.name == name:
		return nil
	case n == parent:
		return fmt.Errorf("%s can't be moved into itself", n.path())
	case parent.below(n):
		// On the server the new parent is not in n, so it is going to move out of it, or was moved into it here only.
		if err := j.park(parent); err != nil {
			return err
		}
	}
	if j.tree.child(parent, name) != n {
		if err := j.makeRoom(parent, name); err != nil {
			return err
		}
	}
	return j.rename(n, parent, name)
}

// makeRoom frees a name. What has it either is going to move, by a change further on, or was made here and gives way.
func (j *job) makeRoom(parent *node, name string) error {
	o := j.tree.child(parent, name)
	if o == nil {
		return nil
	}
	if r := j.state.records[o.id]; r != nil && (r.Delete || j.inPlace(o, r)) {
		return j.park(o)
	}
	return j.setAside(o)
}

// park moves a thing out of the way until its own place is free: at the latest at the end of the catch-up.
func (j *job) park(n *node) error { return j.rename(n, j.tree.parked, n.id.String()) }

// setAside renames what gives way to something of the server's.
func (j *job) setAside(n *node) error {
	if err := j.rename(n, n.parent, j.freeName(n.parent, n.name, n.kind)); err != nil {
		return err
	}
	j.report.Conflicts = append(j.report.Conflicts, n.path())
	return nil
}

// freeName returns name if nothing in the folder has it, else that of a conflicted copy.
func (j *job) freeName(parent *node, name string, kind stacksync.Kind) string {
	taken := func(name string) bool { return j.tree.child(parent, name) != nil }
	if !taken(name) && possible(name) {
		return name
	}
	return conflictName(name, kind, j.cfg.Name, j.cfg.Now(), taken)
}

// unparkAll brings everything back to its place, but for what is to be removed.
func (j *job) unparkAll() error {
	for steps := 0; ; steps++ {
		n := j.nextParked()
		if n == nil {
			return nil
		}
		if steps > 100+len(j.state.records) {
			return fmt.Errorf("no place is found for item %v", n.id) // the server sent a tree that is none
		}
		r := j.state.records[n.id]
		if r == nil {
			// Its record is lost: better in the wrong place than in none.
			if err := j.rename(n, j.tree.root, j.freeName(j.tree.root, n.name, n.kind)); err != nil {
				return err
			}
			continue
		}
		parent, err := j.folder(r.Parent, 0)
		if err != nil {
			return err
		}
		name := r.diskName()
		if o := j.tree.child(parent, name); o != nil && !j.vacant(o) && j.inPlace(o, j.state.records[o.id]) {
			name = j.freeName(parent, name, n.kind)
		}
		if err := j.moveTo(n, parent, name); err != nil {
			return err
		}
	}
}

func (j *job) nextParked() *node {
	for _, key := range slices.Sorted(maps.Keys(j.tree.parked.children)) {
		n := j.tree.parked.children[key]
		if r := j.state.records[n.id]; r == nil || !r.Delete {
			return n
		}
	}
	return nil
}
