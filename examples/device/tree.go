package device

import (
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// other is the kind of what is neither a file nor a folder (a symbolic link, a socket) or has a name that can't be synced. It
// takes up its name, and nothing more.
const other stacksync.Kind = 0

// node is a thing on disk.
type node struct {
	id       stacksync.ItemID // zero: of no item yet
	parent   *node
	name     string
	kind     stacksync.Kind
	stamp    stamp
	exec     bool
	content  *content         // of a file that was hashed when it had this stamp; else nil
	children map[string]*node // by tree.key; nil for a file
}

// path is relative to the synced folder, with slashes.
func (n *node) path() string {
	if n.parent == nil {
		return n.name
	}
	return path.Join(n.parent.path(), n.name)
}

// below reports whether n lies in m, at any depth, or is m.
func (n *node) below(m *node) bool {
	for ; n != nil; n = n.parent {
		if n == m {
			return true
		}
	}
	return false
}

// all yields what lies below n, parents first, by name. Nodes may be moved and removed meanwhile, though not added.
func (n *node) all() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.walk(yield) }
}

func (n *node) walk(yield func(*node) bool) bool {
	for _, key := range slices.Sorted(maps.Keys(n.children)) {
		c := n.children[key]
		if c != nil && (!yield(c) || !c.walk(yield)) {
			return false
		}
	}
	return true
}

// tree is what is on disk, and which item each thing is.
type tree struct {
	root *node
	// parked is the folder of the things that have no place for the moment: see job.park.
	parked *node
	byID   map[stacksync.ItemID]*node
	fold   bool
}

func newTree(fold bool) *tree {
	t := &tree{
		root:   &node{name: ".", kind: stacksync.Folder, children: map[string]*node{}},
		parked: &node{name: parkedDir, kind: stacksync.Folder, children: map[string]*node{}},
		byID:   map[stacksync.ItemID]*node{},
		fold:   fold,
	}
	t.byID[t.root.id] = t.root
	return t
}

func (t *tree) key(name string) string { return diskKey(name, t.fold) }

func (t *tree) child(parent *node, name string) *node { return parent.children[t.key(name)] }

// put places n under parent.
func (t *tree) put(n, parent *node, name string) {
	if n.parent != nil {
		delete(n.parent.children, t.key(n.name))
	}
	n.parent, n.name = parent, name
	parent.children[t.key(name)] = n
}

// drop removes a node that has no children.
func (t *tree) drop(n *node) {
	t.release(n)
	delete(n.parent.children, t.key(n.name))
	n.parent = nil
}

// bind says that n is the item id.
func (t *tree) bind(n *node, id stacksync.ItemID) {
	t.release(n)
	n.id = id
	t.byID[id] = n
}

// release says that n is no item any more: as far as the server goes, it is new.
func (t *tree) release(n *node) {
	if !n.id.IsZero() {
		delete(t.byID, n.id)
		n.id = stacksync.ItemID{}
	}
}

type place struct {
	parent stacksync.ItemID
	key    string
}

// match finds out which item each node is. What lies where an item was is that item, as long as it is of the same kind:
// programs that save by writing a new file and renaming it over the old one are so common that the place says more than the
// inode. Of the rest, what has the inode of an item that is missing was renamed or moved.
func (t *tree) match(recs map[stacksync.ItemID]*record) {
	places := make(map[place]*record, len(recs))
	inodes := make(map[uint64]*record, len(recs))
	for _, r := range recs {
		if r.Version == 0 {
			continue
		}
		places[place{r.Parent, t.key(r.diskName())}] = r
		if r.Stamp.Inode != 0 {
			inodes[r.Stamp.Inode] = r
		}
	}
	t.matchPlaces(t.root, places)
	for _, n := range t.parked.children {
		if !n.id.IsZero() {
			t.matchPlaces(n, places)
		}
	}
	for _, top := range []*node{t.root, t.parked} {
		for n := range top.all() {
			r := inodes[n.stamp.Inode]
			if !n.id.IsZero() || r == nil || t.byID[r.Item] != nil || n.kind != r.Kind || !r.Stamp.moved(n.stamp) {
				continue
			}
			t.bind(n, r.Item)
			t.matchPlaces(n, places)
		}
	}
}

// matchPlaces goes by the places alone, from a node that is an item (or the root) down.
func (t *tree) matchPlaces(from *node, places map[place]*record) {
	for key, n := range from.children {
		if n.id.IsZero() {
			r := places[place{from.id, key}]
			if r == nil || r.Kind != n.kind || t.byID[r.Item] != nil {
				continue
			}
			t.bind(n, r.Item)
		}
		if n.kind == stacksync.Folder {
			t.matchPlaces(n, places)
		}
	}
}
