package metastoretest

import (
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func putChecks() []check {
	return []check{
		{Name: "Put saves all its lists at once", Run: putAll},
		{Name: "Put replaces an item in all its fields", Run: putItemAgain},
		{Name: "Put of nothing saves nothing", Run: putNothing},
		{Name: "Puts of one transaction build on each other", Run: putInSteps},
		{Name: "two items swap names in one Put", Run: putSwap},
		{Name: "two items swap names in two Puts", Run: putSwapInSteps},
		{Name: "a Put of one workspace leaves the others alone", Run: putElsewhere},
		{Name: "Put keeps nothing of its params", Run: putKeepsNothing},
	}
}

func putAll(t T, s Suite) {
	r := newRig(t, s)
	u := r.user()
	d := r.device(u.ID)
	w := r.workspace(u.ID)
	m := r.member(w.ID, u.ID, stacksync.Owner)
	folder := r.folder(w.ID, stacksync.ItemID{})
	old := r.file(w.ID, folder.ID)
	file, c, op := r.next(old), r.chunk(w.ID), r.operation(w.ID, u.ID)
	p := stacksync.PutParams{
		Users: []stacksync.User{u}, Devices: []stacksync.Device{d}, Workspaces: []stacksync.Workspace{w}, Members: []stacksync.Member{m},
		Items: []stacksync.ItemRow{folder, file}, Superseded: []stacksync.ItemRow{old}, Chunks: []stacksync.ChunkRow{c},
		Operations: []stacksync.Operation{op},
	}
	r.saveAndRead(p, func(l look) {
		const promise = "Put saves each row of each list, and what it has saved is there for every method"
		sameSet(t, promise, p.Users, l.users(u.ID))
		sameList(t, promise, p.Devices, l.devices(u.ID))
		got := l.memberships(u.ID)
		sameList(t, promise, p.Members, got.Members)
		sameList(t, promise, p.Workspaces, got.Workspaces)
		sameList(t, promise, p.Members, l.members(w.ID))
		sameList(t, promise, p.Operations, l.operations(stacksync.OperationsParams{IDs: operationIDs(op), Limit: 10}))
		loaded := l.load(stacksync.LoadParams{
			Items: itemKeys(p.Items...), Versions: []stacksync.VersionKey{versionKeyOf(old)}, Chunks: []stacksync.ChunkKey{chunkKeyOf(c)},
		})
		sameSet(t, promise, p.Items, loaded.Items)
		sameSet(t, promise, p.Superseded, loaded.Versions)
		sameSet(t, promise, p.Chunks, loaded.Chunks)
		sameList(t, promise, []stacksync.ItemRow{file}, l.children(stacksync.ChildrenParams{Workspace: w.ID, Parent: folder.ID, PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, []stacksync.ItemRow{file, old}, l.versions(stacksync.VersionsParams{Workspace: w.ID, Item: file.ID, PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, p.Items, l.changes(stacksync.ChangesParams{Workspace: w.ID, PageBound: stacksync.PageBound{Limit: 10}}).Items)
	})
}

func putItemAgain(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	folder := r.folder(h.id(), stacksync.ItemID{})
	old := r.file(h.id(), folder.ID)
	r.save(putItems(folder, old))
	for _, what := range []func(row *stacksync.ItemRow){
		func(row *stacksync.ItemRow) { *row = r.file(h.id(), stacksync.ItemID{}); row.ID = old.ID },
		func(row *stacksync.ItemRow) {
			row.Size, row.Checksum, row.Chunks, row.MediaType, row.Attrs = 0, "", nil, "", nil
		},
		func(row *stacksync.ItemRow) {
			row.Deleted, row.Status, row.Kind = true, stacksync.StatusDeleted, stacksync.Folder
		},
		func(row *stacksync.ItemRow) {
			row.Deleted, row.Device, row.Parent = false, stacksync.DeviceID{}, folder.ID
		},
	} {
		now := r.next(old)
		what(&now)
		now.Revision = r.rev
		r.saveAndRead(putItems(now), func(l look) {
			const promise = "Put replaces the item with that workspace and id, in all fields and for all methods"
			sameSet(t, promise, []stacksync.ItemRow{now}, l.items(itemKeys(now)...))
			sameList(t, promise, []stacksync.ItemRow{folder, now}, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}).Items)
			live := []stacksync.ItemRow{folder}
			if !now.Deleted {
				live = append(live, now)
			}
			sameSet(t, promise, live, loadSubtrees(l, stacksync.ItemKey{Workspace: h.id()}))
		})
		old = now
	}
}

func putNothing(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.saveAndRead(stacksync.PutParams{}, func(l look) {
		sameSet(t, "any list of Put may be empty", []stacksync.User{h.user}, l.users(h.user.ID))
	})
	r.saveAndRead(stacksync.PutParams{
		Users: []stacksync.User{}, Devices: []stacksync.Device{}, Workspaces: []stacksync.Workspace{}, Members: []stacksync.Member{},
		Items: []stacksync.ItemRow{}, Superseded: []stacksync.ItemRow{}, Chunks: []stacksync.ChunkRow{},
		Operations: []stacksync.Operation{},
	}, func(l look) {
		sameSet(t, "any list of Put may be empty", []stacksync.User{h.user}, l.users(h.user.ID))
	})
}

func putInSteps(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	v1 := r.file(h.id(), stacksync.ItemID{})
	v2 := r.next(v1)
	v2.NameKey = "another key"
	v3 := r.deleted(v2)
	v4 := r.next(v3)
	v4.Deleted, v4.NameKey = false, "a third key"
	const promise = "a Tx sees its own rows: those of the last Put, also where an earlier one had them too"
	r.update(func(c change) {
		c.lock(stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{h.id()}})
		var superseded []stacksync.ItemRow
		for i, row := range []stacksync.ItemRow{v1, v2, v3, v4} {
			p := putItems(row)
			if i > 0 {
				p.Superseded = []stacksync.ItemRow{[]stacksync.ItemRow{v1, v2, v3}[i-1]}
				superseded = append(superseded, p.Superseded...)
			}
			c.put(p)
			sameSet(t, promise, []stacksync.ItemRow{row}, c.items(itemKeys(row)...))
			sameSet(t, promise, superseded, c.load(stacksync.LoadParams{
				Versions: []stacksync.VersionKey{versionKeyOf(v1), versionKeyOf(v2), versionKeyOf(v3), versionKeyOf(v4)},
			}).Versions)
			var live []stacksync.ItemRow
			if !row.Deleted {
				live = []stacksync.ItemRow{row}
			}
			sameList(t, promise, live, c.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}))
			sameSet(t, promise, live, c.named(nameKeyOf(v1), nameKeyOf(v2), nameKeyOf(v4)))
			sameList(t, promise, []stacksync.ItemRow{row}, c.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}).Items)
		}
	})
	r.read(func(l look) {
		sameList(t, "the last Put of a transaction is what stays",
			[]stacksync.ItemRow{v4, v3, v2, v1}, l.versions(stacksync.VersionsParams{Workspace: h.id(), Item: v1.ID, PageBound: stacksync.PageBound{Limit: 10}}))
	})
}

// swapped returns a and b with each other's names and revisions.
func (r *rig) swapped(a, b stacksync.ItemRow) (a2, b2 stacksync.ItemRow) {
	a2, b2 = r.next(a), r.next(b)
	a2.Name, a2.NameKey, b2.Name, b2.NameKey = b.Name, b.NameKey, a.Name, a.NameKey
	a2.Revision, b2.Revision = b.Revision, a.Revision
	return a2, b2
}

func requireSwapped(t T, l look, a, b stacksync.ItemRow) {
	t.Helper()
	const promise = "a store holds no rule: items of one Put, or of one transaction, may swap what only the service keeps unique"
	sameSet(t, promise, []stacksync.ItemRow{a}, l.named(nameKeyOf(a)))
	sameSet(t, promise, []stacksync.ItemRow{b}, l.named(nameKeyOf(b)))
	sameSet(t, promise, []stacksync.ItemRow{a, b}, l.children(stacksync.ChildrenParams{Workspace: a.Workspace, PageBound: stacksync.PageBound{Limit: 10}}))
	sameSet(t, promise, []stacksync.ItemRow{a, b}, l.changes(stacksync.ChangesParams{Workspace: a.Workspace, PageBound: stacksync.PageBound{Limit: 10}}).Items)
}

func putSwap(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	a, b := r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{})
	r.save(putItems(a, b))
	a2, b2 := r.swapped(a, b)
	r.saveAndRead(putItems(a2, b2), func(l look) { requireSwapped(t, l, a2, b2) })
	a3, b3 := r.swapped(a2, b2)
	r.saveAndRead(putItems(b3, a3), func(l look) { requireSwapped(t, l, a3, b3) })
}

func putSwapInSteps(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	a, b := r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{})
	r.save(putItems(a, b))
	a2, b2 := r.swapped(a, b)
	r.update(func(c change) {
		c.lock(stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{h.id()}})
		c.put(putItems(a2))
		c.put(putItems(b2))
		requireSwapped(t, c.look, a2, b2)
	})
	r.read(func(l look) { requireSwapped(t, l, a2, b2) })
}

func putElsewhere(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	here, there := r.chain(h.id(), 3), r.chain(other.id(), 3)
	r.save(putItems(append(here, there...)...))
	var now []stacksync.ItemRow
	for _, row := range here {
		now = append(now, r.deleted(row))
	}
	r.saveAndRead(stacksync.PutParams{Items: now, Superseded: here}, func(l look) {
		const promise = "Put touches no row but those it names"
		require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, there[:1], l.children(stacksync.ChildrenParams{Workspace: other.id(), PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, there, l.changes(stacksync.ChangesParams{Workspace: other.id(), PageBound: stacksync.PageBound{Limit: 10}}).Items)
		sameList(t, promise, there[2:], l.versions(stacksync.VersionsParams{Workspace: other.id(), Item: there[2].ID, PageBound: stacksync.PageBound{Limit: 10}}))
	})
}

func putKeepsNothing(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	row := r.file(h.id(), stacksync.ItemID{})
	want := row
	want.Chunks, want.Attrs = slices.Clone(row.Chunks), maps.Clone(row.Attrs)
	op := r.operation(h.id(), h.user.ID)
	p := stacksync.PutParams{
		Items: []stacksync.ItemRow{row}, Users: []stacksync.User{h.user}, Members: []stacksync.Member{h.member}, Operations: []stacksync.Operation{op},
	}
	r.update(func(c change) {
		p.Items[0], p.Users[0], p.Members[0], p.Operations[0] = row, h.user, h.member, op
		row.Chunks[0], row.Attrs["color"] = want.Chunks[0], want.Attrs["color"]
		c.lock(locksOf(p))
		c.put(p)
		row.Chunks[0].Name, row.Attrs["color"] = "overwritten", "overwritten"
		p.Items[0].Name, p.Users[0].QuotaUsed = "overwritten", 1
		p.Members[0].Pending, p.Operations[0].Fence = true, 1
	})
	r.read(func(l look) {
		const promise = "what Put was given is the caller's: it may change it when Put has returned"
		sameSet(t, promise, []stacksync.ItemRow{want}, l.items(itemKeys(want)...))
		sameSet(t, promise, []stacksync.User{h.user}, l.users(h.user.ID))
		sameList(t, promise, []stacksync.Member{h.member}, l.members(h.id()))
		sameList(t, promise, []stacksync.Operation{op}, l.operations(all(op)))
	})
}
