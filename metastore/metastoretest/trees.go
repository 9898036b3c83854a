package metastoretest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func treeChecks() []check {
	return []check{
		{Name: "Load.Ancestors walks up to the root", Run: ancestors},
		{Name: "Load.Ancestors walks through tombstones, in current versions", Run: ancestorsOfTombstones},
		{Name: "Load.Subtrees brings what is live below, at any depth", Run: subtrees},
		{Name: "Load.Subtrees of the root brings the whole tree", Run: subtreeOfRoot},
		{Name: "trees stay in their workspace", Run: treesOfTwoWorkspaces},
		{Name: "trees of thousands of levels", Run: deepTree},
		{Name: "a cycle of parents does not hang a Load", Run: parentCycle},
	}
}

// chain makes n folders, each in the one before, from the root down.
func (r *rig) chain(w stacksync.WorkspaceID, n int) []stacksync.ItemRow {
	rows := make([]stacksync.ItemRow, n)
	var parent stacksync.ItemID
	for i := range rows {
		rows[i] = r.folder(w, parent)
		parent = rows[i].ID
	}
	return rows
}

func loadAncestors(l look, keys ...stacksync.ItemKey) []stacksync.ItemRow {
	return l.load(stacksync.LoadParams{Ancestors: keys}).Items
}

func loadSubtrees(l look, keys ...stacksync.ItemKey) []stacksync.ItemRow {
	return l.load(stacksync.LoadParams{Subtrees: keys}).Items
}

func ancestors(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	chain := r.chain(h.id(), 5)
	a, b, c := chain[0], chain[1], chain[2]
	file, beside, atRoot := r.file(h.id(), c.ID), r.file(h.id(), b.ID), r.file(h.id(), stacksync.ItemID{})
	r.saveAndRead(putItems(append(chain, file, beside, atRoot)...), func(l look) {
		const promise = "Ancestors asks for the items that lie above these, each up to the root; the items themselves are not asked for"
		sameSet(t, promise, []stacksync.ItemRow{a, b, c}, loadAncestors(l, itemKeys(file)...))
		sameSet(t, promise, []stacksync.ItemRow{a, b}, loadAncestors(l, itemKeys(c)...))
		require.Empty(t, loadAncestors(l, itemKeys(a, atRoot)...), promise)
		sameSet(t, promise+": of several, which share some", []stacksync.ItemRow{a, b, c}, loadAncestors(l, itemKeys(file, beside, a, file)...))
		sameSet(t, promise+": an item above another one asked about is an ancestor", chain[:4], loadAncestors(l, itemKeys(chain[2], chain[4])...))
		unknown := stacksync.ItemKey{Workspace: h.id(), Item: stacksync.ItemID{UUID: r.uuid()}}
		root := stacksync.ItemKey{Workspace: h.id()}
		require.Empty(t, loadAncestors(l, unknown, root), "an unknown item and the root have no ancestors")
	})
}

func ancestorsOfTombstones(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	a, b := r.folder(h.id(), stacksync.ItemID{}), r.folder(h.id(), stacksync.ItemID{})
	sub := r.folder(h.id(), a.ID)
	file := r.file(h.id(), sub.ID)
	orphan := r.file(h.id(), stacksync.ItemID{UUID: r.uuid()})
	r.save(putItems(a, b, sub, file, orphan))

	moved := r.next(sub)
	moved.Parent = b.ID
	fileGone, subGone := r.deleted(file), r.deleted(moved)
	p := stacksync.PutParams{Items: []stacksync.ItemRow{subGone, fileGone}, Superseded: []stacksync.ItemRow{sub, moved, file}}
	r.saveAndRead(p, func(l look) {
		sameSet(t, "Ancestors walks the parents in the current versions, of tombstones too",
			[]stacksync.ItemRow{subGone, b}, loadAncestors(l, itemKeys(file)...))
		require.Empty(t, loadAncestors(l, itemKeys(orphan)...), "a walk ends where the parent is unknown")
	})
}

func subtrees(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	top := r.folder(h.id(), stacksync.ItemID{})
	sub, empty := r.folder(h.id(), top.ID), r.folder(h.id(), top.ID)
	deep := r.folder(h.id(), sub.ID)
	leaf, beside, outside := r.file(h.id(), deep.ID), r.file(h.id(), top.ID), r.file(h.id(), stacksync.ItemID{})
	gone, away := r.file(h.id(), sub.ID), r.file(h.id(), sub.ID)
	r.save(putItems(top, sub, empty, deep, leaf, beside, outside, gone, away))
	dead, moved := r.deleted(gone), r.next(away)
	moved.Parent = stacksync.ItemID{}
	p := stacksync.PutParams{Items: []stacksync.ItemRow{dead, moved}, Superseded: []stacksync.ItemRow{gone, away}}
	r.saveAndRead(p, func(l look) {
		const promise = "Subtrees asks for all live items below these, at any depth; the items themselves are not asked for"
		sameSet(t, promise, []stacksync.ItemRow{sub, empty, deep, leaf, beside}, loadSubtrees(l, itemKeys(top)...))
		sameSet(t, promise, []stacksync.ItemRow{deep, leaf}, loadSubtrees(l, itemKeys(sub)...))
		require.Empty(t, loadSubtrees(l, itemKeys(leaf, empty, dead)...), promise)
		sameSet(t, promise+": of several", []stacksync.ItemRow{leaf, sub, empty, deep, beside}, loadSubtrees(l, itemKeys(deep, top, deep)...))
		unknown := stacksync.ItemKey{Workspace: h.id(), Item: stacksync.ItemID{UUID: r.uuid()}}
		require.Empty(t, loadSubtrees(l, unknown), "nothing lies below an unknown item")
	})
	// A folder that is deleted whole has nothing live below it, though its tombstones still name it.
	var all []stacksync.ItemRow
	for _, row := range []stacksync.ItemRow{leaf, deep, empty, sub, beside, top} {
		all = append(all, r.deleted(row))
	}
	r.saveAndRead(putItems(all...), func(l look) {
		require.Empty(t, loadSubtrees(l, itemKeys(top, sub)...), "tombstones are not live")
	})
}

func subtreeOfRoot(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	chain := r.chain(h.id(), 3)
	file := r.file(h.id(), stacksync.ItemID{})
	r.saveAndRead(putItems(append(chain, file)...), func(l look) {
		sameSet(t, "the zero ItemID is the root of the workspace: all live items lie below it",
			append(chain, file), loadSubtrees(l, stacksync.ItemKey{Workspace: h.id()}))
	})
}

func treesOfTwoWorkspaces(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	here := r.chain(h.id(), 3)
	there := make([]stacksync.ItemRow, 3) // the same ids, upside down
	for i := range there {
		there[i] = r.folder(other.id(), stacksync.ItemID{})
		there[i].ID = here[2-i].ID
		if i > 0 {
			there[i].Parent = there[i-1].ID
		}
	}
	r.saveAndRead(putItems(append(here, there...)...), func(l look) {
		const promise = "no walk leaves its workspace, even where another one has the same ids"
		middle, middleThere := itemKeys(here[1]), itemKeys(there[1])
		sameSet(t, promise, here[:1], loadAncestors(l, middle...))
		sameSet(t, promise, there[:1], loadAncestors(l, middleThere...))
		sameSet(t, promise, here[2:], loadSubtrees(l, middle...))
		sameSet(t, promise, there[2:], loadSubtrees(l, middleThere...))
		both := slices.Concat(middle, middleThere)
		sameSet(t, promise, []stacksync.ItemRow{here[0], there[0]}, loadAncestors(l, both...))
		sameSet(t, promise, []stacksync.ItemRow{here[2], there[2]}, loadSubtrees(l, both...))
	})
}

func deepTree(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	chain := r.chain(h.id(), s.many(t))
	top, bottom := chain[0], chain[len(chain)-1]
	r.save(putItems(chain...))
	r.view(func(l look) {
		sameSet(t, "Ancestors goes up to the root from any depth", chain[:len(chain)-1], loadAncestors(l, itemKeys(bottom)...))
		sameSet(t, "Subtrees goes down to any depth", chain[1:], loadSubtrees(l, itemKeys(top)...))
		got := l.changes(stacksync.ChangesParams{Workspace: h.id(), After: bottom.Revision - 1, PageBound: stacksync.PageBound{Limit: 1}})
		sameList(t, "Changes returns items with Revision > After", chain[len(chain)-1:], got.Items)
		require.Empty(t, got.Ancestors, "a reader at After has seen all ancestors")
	})
	touched := make([]stacksync.ItemRow, len(chain))
	for i := range chain {
		touched[len(chain)-1-i] = r.next(chain[len(chain)-1-i]) // the deepest one changes first
	}
	r.save(putItems(touched...))
	r.view(func(l look) {
		got := l.changes(stacksync.ChangesParams{Workspace: h.id(), After: bottom.Revision, PageBound: stacksync.PageBound{Limit: 1}})
		sameList(t, "Changes returns at most Limit items, by revision", touched[len(touched)-1:], got.Items)
		sameSet(t, "Ancestors has the whole unbroken line of unseen items, however deep", touched[:len(touched)-1], got.Ancestors)
	})
}

func parentCycle(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	a, b, c := r.folder(h.id(), stacksync.ItemID{}), r.folder(h.id(), stacksync.ItemID{}), r.folder(h.id(), stacksync.ItemID{})
	a.Parent, b.Parent, c.Parent = b.ID, a.ID, c.ID
	below := r.file(h.id(), a.ID)
	r.saveAndRead(putItems(a, b, c, below), func(l look) {
		const promise = "a cycle, which only damaged data has, must end the walk"
		sameSet(t, promise, []stacksync.ItemRow{a, b}, loadAncestors(l, itemKeys(below)...))
		require.Subset(t, ids(a, b), ids(loadAncestors(l, itemKeys(a)...)...), promise)
		require.Contains(t, ids(loadAncestors(l, itemKeys(a)...)...), b.ID, promise)
		require.Subset(t, ids(c), ids(loadAncestors(l, itemKeys(c)...)...), promise)
		require.Subset(t, ids(loadSubtrees(l, itemKeys(a)...)...), ids(b, below), promise)
		require.Subset(t, ids(c), ids(loadSubtrees(l, itemKeys(c)...)...), promise)
		got := l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 1}})
		sameList(t, promise, []stacksync.ItemRow{a}, got.Items)
		sameSet(t, promise, []stacksync.ItemRow{b}, got.Ancestors)
	})
}

func ids(rows ...stacksync.ItemRow) []stacksync.ItemID {
	ids := make([]stacksync.ItemID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}
