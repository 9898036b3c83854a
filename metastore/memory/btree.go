package memory

import (
	"iter"
	"slices"
)

// A node other than the root has minEntries to maxEntries entries.
const (
	maxEntries = 32
	minEntries = maxEntries / 4
)

// owner stands for the transaction that made a node. It has a size so that each has an address of its own.
type owner struct{ _ byte }

// table is an ordered map, kept as a B+ tree whose nodes are shared between copies: assigning a table makes a snapshot
// that later changes to the other copy don't reach. A change copies the nodes on its path, except those that the same
// owner made: nobody else has seen them.
//
// An owner must not change a table any more after a copy that it changed was handed to readers.
type table[K, V any] struct {
	compare func(a, b K) int
	root    *node[K, V] // nil when empty
}

type node[K, V any] struct {
	owner    *owner
	keys     []K
	values   []V           // of a leaf: values[i] is that of keys[i]
	children []*node[K, V] // of an inner node: all below children[i] is at least keys[i], but for i = 0, where keys[i] says nothing
}

func (n *node[K, V]) isLeaf() bool { return n.children == nil }

// get returns the value of k.
func (t *table[K, V]) get(k K) (v V, ok bool) {
	n := t.root
	if n == nil {
		return v, false
	}
	for !n.isLeaf() {
		n = n.children[t.child(n, k)]
	}
	i, ok := slices.BinarySearchFunc(n.keys, k, t.compare)
	if ok {
		v = n.values[i]
	}
	return v, ok
}

// child returns the index of the child of n that k belongs below.
func (t *table[K, V]) child(n *node[K, V], k K) int {
	i, found := slices.BinarySearchFunc(n.keys[1:], k, t.compare)
	if found {
		i++
	}
	return i
}

// set inserts or replaces the value of k.
func (t *table[K, V]) set(o *owner, k K, v V) {
	if t.root == nil {
		t.root = newNode[K, V](o, true)
	}
	t.root = t.root.writable(o)
	t.insert(o, t.root, k, v)
	if len(t.root.keys) > maxEntries {
		left, right := t.root, t.root.split(o)
		t.root = newNode[K, V](o, false)
		t.root.keys = append(t.root.keys, left.keys[0], right.keys[0])
		t.root.children = append(t.root.children, left, right)
	}
}

// insert works below n, which o owns, and may leave it one entry over the maximum.
func (t *table[K, V]) insert(o *owner, n *node[K, V], k K, v V) {
	if n.isLeaf() {
		i, found := slices.BinarySearchFunc(n.keys, k, t.compare)
		if found {
			n.keys[i], n.values[i] = k, v
			return
		}
		n.keys, n.values = slices.Insert(n.keys, i, k), slices.Insert(n.values, i, v)
		return
	}
	i := t.child(n, k)
	c := n.writableChild(o, i)
	t.insert(o, c, k, v)
	if len(c.keys) > maxEntries {
		right := c.split(o)
		n.keys = slices.Insert(n.keys, i+1, right.keys[0])
		n.children = slices.Insert(n.children, i+1, right)
	}
}

// delete removes k, if it is there.
func (t *table[K, V]) delete(o *owner, k K) {
	if _, found := t.get(k); !found {
		return // nothing to copy a path for
	}
	t.root = t.root.writable(o)
	t.remove(o, t.root, k)
	switch {
	case len(t.root.keys) == 0:
		t.root = nil
	case len(t.root.children) == 1:
		t.root = t.root.children[0]
	}
}

// remove works below n, which o owns and which holds k, and may leave it under the minimum.
func (t *table[K, V]) remove(o *owner, n *node[K, V], k K) {
	if n.isLeaf() {
		i, _ := slices.BinarySearchFunc(n.keys, k, t.compare)
		n.keys, n.values = slices.Delete(n.keys, i, i+1), slices.Delete(n.values, i, i+1)
		return
	}
	i := t.child(n, k)
	c := n.writableChild(o, i)
	t.remove(o, c, k)
	if len(c.keys) < minEntries {
		n.join(o, max(i-1, 0))
	}
}

// join makes one node of children i and i+1, or two of about the same size where one can't hold all.
func (n *node[K, V]) join(o *owner, i int) {
	left, right := n.writableChild(o, i), n.children[i+1]
	at := len(left.keys)
	left.keys = append(left.keys, right.keys...)
	left.values = append(left.values, right.values...)
	left.children = append(left.children, right.children...)
	if !left.isLeaf() {
		left.keys[at] = n.keys[i+1] // the first key of an inner node says nothing: the one above it does
	}
	if len(left.keys) <= maxEntries {
		n.keys, n.children = slices.Delete(n.keys, i+1, i+2), slices.Delete(n.children, i+1, i+2)
		return
	}
	n.children[i+1] = left.split(o)
	n.keys[i+1] = n.children[i+1].keys[0]
}

// split moves the upper half of n, which o owns, to a new node.
func (n *node[K, V]) split(o *owner) *node[K, V] {
	right := newNode[K, V](o, n.isLeaf())
	half := len(n.keys) / 2
	right.keys = append(right.keys, n.keys[half:]...)
	n.keys = truncate(n.keys, half)
	if n.isLeaf() {
		right.values = append(right.values, n.values[half:]...)
		n.values = truncate(n.values, half)
		return right
	}
	right.children = append(right.children, n.children[half:]...)
	n.children = truncate(n.children, half)
	return right
}

// truncate also clears what it cuts off, so that nothing is kept alive by it.
func truncate[E any](s []E, n int) []E { return slices.Delete(s, n, len(s)) }

func newNode[K, V any](o *owner, leaf bool) *node[K, V] {
	const room = maxEntries + 1
	n := &node[K, V]{owner: o, keys: make([]K, 0, room)}
	if leaf {
		n.values = make([]V, 0, room)
	} else {
		n.children = make([]*node[K, V], 0, room)
	}
	return n
}

// writable returns n itself if o owns it, else a copy that o owns.
func (n *node[K, V]) writable(o *owner) *node[K, V] {
	if n.owner == o {
		return n
	}
	c := newNode[K, V](o, n.isLeaf())
	c.keys = append(c.keys, n.keys...)
	c.values = append(c.values, n.values...)
	c.children = append(c.children, n.children...)
	return c
}

// writableChild makes child i of n, which o owns, one that o owns too.
func (n *node[K, V]) writableChild(o *owner, i int) *node[K, V] {
	n.children[i] = n.children[i].writable(o)
	return n.children[i]
}

// from yields the entries whose keys are at least k, upwards. The table must not be changed meanwhile.
func (t *table[K, V]) from(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.root != nil {
			t.ascend(t.root, k, yield)
		}
	}
}

func (t *table[K, V]) ascend(n *node[K, V], k K, yield func(K, V) bool) bool {
	if n.isLeaf() {
		i, _ := slices.BinarySearchFunc(n.keys, k, t.compare)
		for ; i < len(n.keys); i++ {
			if !yield(n.keys[i], n.values[i]) {
				return false
			}
		}
		return true
	}
	for _, c := range n.children[t.child(n, k):] {
		if !t.ascend(c, k, yield) {
			return false
		}
	}
	return true
}

// below yields the entries whose keys are less than k, downwards. The table must not be changed meanwhile.
func (t *table[K, V]) below(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.root != nil {
			t.descend(t.root, k, yield)
		}
	}
}

func (t *table[K, V]) descend(n *node[K, V], k K, yield func(K, V) bool) bool {
	if n.isLeaf() {
		i, _ := slices.BinarySearchFunc(n.keys, k, t.compare)
		for i--; i >= 0; i-- {
			if !yield(n.keys[i], n.values[i]) {
				return false
			}
		}
		return true
	}
	for i := t.child(n, k); i >= 0; i-- {
		if !t.descend(n.children[i], k, yield) {
			return false
		}
	}
	return true
}
