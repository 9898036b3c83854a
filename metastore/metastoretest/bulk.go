package metastoretest

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// promisedRows is how many keys or rows a call may have.
const promisedRows = 10_000

// many returns how many rows a check of that promise has, and says so where they are fewer.
func (s Suite) many(t T) int {
	t.Helper()
	n := min(cmp.Or(s.Many, promisedRows), mostRows)
	if n < promisedRows {
		t.Logf("%d rows instead of %d", n, promisedRows)
	}
	return n
}

func bulkChecks() []check {
	return []check{
		{Name: "thousands of rows of a kind in one call", Run: manyOfAKind},
		{Name: "an item of 20,000 chunks", Run: largeItem},
	}
}

func manyOfAKind(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	n := s.many(t)
	var p stacksync.PutParams
	var load stacksync.LoadParams
	var ids []stacksync.UserID
	var workspaces []stacksync.WorkspaceID
	folder := r.folder(h.id(), stacksync.ItemID{})
	for range n - 1 {
		u := r.user()
		w := r.workspace(u.ID)
		m, d := r.member(w.ID, u.ID, stacksync.Owner), r.device(u.ID)
		p.Users, p.Workspaces, p.Members, p.Devices = append(p.Users, u), append(p.Workspaces, w), append(p.Members, m), append(p.Devices, d)
		p.Operations = append(p.Operations, r.stopped(w.ID, u.ID))
		workspaces = append(workspaces, w.ID)
		load.Access = append(load.Access, accessKey(w.ID, u.ID, d.ID))
		ids = append(ids, u.ID)

		old := r.file(h.id(), folder.ID)
		row, c := r.next(old), r.chunk(h.id())
		row.NameKey = fmt.Sprintf("%05d", len(p.Items))
		p.Items, p.Superseded, p.Chunks = append(p.Items, row), append(p.Superseded, old), append(p.Chunks, c)
		load.Items, load.Names = append(load.Items, itemKeys(row)...), append(load.Names, nameKeyOf(row))
		load.Ancestors, load.Subtrees = append(load.Ancestors, itemKeys(row)...), append(load.Subtrees, itemKeys(row)...)
		load.Versions, load.Chunks = append(load.Versions, versionKeyOf(old)), append(load.Chunks, chunkKeyOf(c))
	}
	p.Items = append(p.Items, folder)
	r.save(p)
	r.view(func(l look) {
		const promise = "methods are set-based: a call may have 10,000 keys"
		sameSet(t, promise, p.Users, l.users(ids...))
		sameOnce(t, promise, p.Members, l.members(workspaces...))
		for _, asked := range []stacksync.OperationsParams{
			{IDs: operationIDs(p.Operations...), Limit: n}, {Workspaces: workspaces, Limit: n}, {Users: ids, Limit: n},
		} {
			sameOnce(t, promise, p.Operations, l.operations(asked))
		}
		sameList(t, promise, p.Operations, l.stopped(n))
		loaded := l.load(load)
		sameAccess(t, promise, stacksync.AccessRows{Workspaces: p.Workspaces, Owners: p.Users, Members: p.Members, Devices: p.Devices}, loaded.AccessRows)
		sameSet(t, promise, p.Items, loaded.Items)
		sameSet(t, promise, p.Superseded, loaded.Versions)
		sameSet(t, promise, p.Chunks, loaded.Chunks)
		sameList(t, "a page may have 10,000 items", p.Items[:n-1],
			l.children(stacksync.ChildrenParams{Workspace: h.id(), Parent: folder.ID, PageBound: stacksync.PageBound{Limit: n}}))
		sameSet(t, "a page may have 10,000 items", p.Items, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: n}}).Items)
	})
}

func largeItem(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	row := r.file(h.id(), stacksync.ItemID{})
	row.Chunks = make([]stacksync.Chunk, 20_000)
	for i := range row.Chunks {
		row.Chunks[i] = stacksync.Chunk{Name: fmt.Sprintf("%064x", i%19_000), Size: int64(i) << 20} // some come again
	}
	for i := range 100 {
		row.Attrs[fmt.Sprintf("key %d", i)] = strings.Repeat("value ", 200)
	}
	next := r.next(row)
	r.saveAndRead(stacksync.PutParams{Items: []stacksync.ItemRow{next}, Superseded: []stacksync.ItemRow{row}}, func(l look) {
		sameList(t, "the chunks of an item come back in order, however many", []stacksync.ItemRow{next, row},
			l.versions(stacksync.VersionsParams{Workspace: h.id(), Item: row.ID, PageBound: stacksync.PageBound{Limit: 10}}))
	})
}
