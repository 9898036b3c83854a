package metastoretest

import (
	"math"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func changesChecks() []check {
	return []check{
		{Name: "Changes returns current versions by revision", Run: changesByRevision},
		{Name: "Changes returns tombstones, but for those through LiveThrough", Run: changesLiveThrough},
		{Name: "Changes brings unseen ancestors, as far as their line is unbroken", Run: changesAncestors},
		{Name: "Changes brings no ancestors of tombstones", Run: changesOfTombstones},
		{Name: "Changes in pages gives the current tree while it changes", Run: changesWhileChanging},
	}
}

func changesByRevision(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	r.save(putItems(r.file(other.id(), stacksync.ItemID{})))
	rows := make([]stacksync.ItemRow, 8)
	for i := range rows {
		rows[i] = r.file(h.id(), stacksync.ItemID{})
	}
	r.save(putItems(rows...))
	again := r.next(rows[2])
	want := append(slices.Delete(slices.Clone(rows), 2, 3), again)
	p := stacksync.PutParams{Items: []stacksync.ItemRow{again}, Superseded: rows[2:3]}
	r.saveAndRead(p, func(l look) {
		page := func(after int64, limit int) []stacksync.ItemRow {
			got := l.changes(stacksync.ChangesParams{Workspace: h.id(), After: after, PageBound: stacksync.PageBound{Limit: limit}})
			require.Empty(t, got.Ancestors, "items in the root have no ancestors")
			return got.Items
		}
		const promise = "Changes returns the current versions of items with Revision > After, by revision, at most Limit"
		sameList(t, promise, want, page(0, 100))
		sameList(t, promise, want, page(0, len(want)))
		sameList(t, promise, want[:3], page(0, 3))
		sameList(t, promise, want[1:4], page(want[0].Revision, 3))
		sameList(t, promise, want[2:], page(rows[2].Revision, 100)) // between two: rows[2] has left this revision
		sameList(t, promise, want[7:], page(rows[7].Revision, 100))
		require.Empty(t, page(again.Revision, 100), promise)
		require.Empty(t, page(math.MaxInt64, 100), promise)
		unknown := stacksync.ChangesParams{Workspace: stacksync.WorkspaceID{UUID: r.uuid()}, PageBound: stacksync.PageBound{Limit: 10}}
		require.Empty(t, l.changes(unknown).Items, "an unknown workspace has no changes")
	})
}

func changesLiveThrough(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	rows := make([]stacksync.ItemRow, 9)
	for i := range rows {
		rows[i] = r.file(h.id(), stacksync.ItemID{})
		rows[i].Deleted = i%3 != 0 // alive at 0, 3 and 6
	}
	at := func(i int) int64 { return rows[i].Revision }
	pick := func(indexes ...int) []stacksync.ItemRow {
		var picked []stacksync.ItemRow
		for _, i := range indexes {
			picked = append(picked, rows[i])
		}
		return picked
	}
	r.saveAndRead(putItems(rows...), func(l look) {
		page := func(after, liveThrough int64, limit int) []stacksync.ItemRow {
			return l.changes(stacksync.ChangesParams{Workspace: h.id(), After: after, LiveThrough: liveThrough, PageBound: stacksync.PageBound{Limit: limit}}).Items
		}
		sameList(t, "tombstones are changes too", rows, page(0, 0, 100))
		const promise = "LiveThrough leaves out tombstones with a Revision up to this"
		sameList(t, promise, pick(0, 3, 6), page(0, at(8), 100))
		sameList(t, promise, pick(0, 3, 6), page(0, math.MaxInt64, 100))
		sameList(t, promise, pick(0, 3, 5, 6, 7, 8), page(0, at(4), 100))
		sameList(t, promise, pick(0, 3, 4, 5, 6, 7, 8), page(0, at(3), 100))
		sameList(t, promise, pick(2, 3, 4, 5, 6, 7, 8), page(at(1), at(1), 100))
		sameList(t, promise+", and they don't count for Limit", pick(3, 5, 6), page(at(0), at(4), 3))
	})
}

func changesAncestors(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	at := func(row stacksync.ItemRow, revision int64) stacksync.ItemRow {
		row.Revision = revision
		return row
	}
	// top(60) / seen(5) / a(50) / b(30) / f(20), and beside f: g(25). The reader is at 10.
	top := at(r.folder(h.id(), stacksync.ItemID{}), 60)
	seen := at(r.folder(h.id(), top.ID), 5)
	a := at(r.folder(h.id(), seen.ID), 50)
	b := at(r.folder(h.id(), a.ID), 30)
	f, g := at(r.file(h.id(), b.ID), 20), at(r.file(h.id(), b.ID), 25)
	r.saveAndRead(putItems(top, seen, a, b, f, g), func(l look) {
		const promise = "Ancestors has those items above the live ones of Items that have a Revision > After and are not in Items, " +
			"as far up as an unbroken line of such items goes"
		page := func(after int64, limit int, items, ancestors []stacksync.ItemRow) {
			t.Helper()
			got := l.changes(stacksync.ChangesParams{Workspace: h.id(), After: after, PageBound: stacksync.PageBound{Limit: limit}})
			sameList(t, promise, items, got.Items)
			sameSet(t, promise, ancestors, got.Ancestors)
		}
		page(10, 1, []stacksync.ItemRow{f}, []stacksync.ItemRow{a, b})           // seen breaks the line: top stays out
		page(10, 2, []stacksync.ItemRow{f, g}, []stacksync.ItemRow{a, b})        // shared by two
		page(10, 3, []stacksync.ItemRow{f, g, b}, []stacksync.ItemRow{a})        // b is in Items, and does not break the line
		page(10, 4, []stacksync.ItemRow{f, g, b, a}, nil)                        // all there
		page(25, 1, []stacksync.ItemRow{b}, []stacksync.ItemRow{a})              // a folder has ancestors too
		page(30, 1, []stacksync.ItemRow{a}, nil)                                 // seen has been seen
		page(20, 1, []stacksync.ItemRow{g}, []stacksync.ItemRow{a, b})           // a revision above that of all Items
		page(0, 1, []stacksync.ItemRow{seen}, []stacksync.ItemRow{top})          // nothing was seen
		page(4, 2, []stacksync.ItemRow{seen, f}, []stacksync.ItemRow{top, a, b}) // on both sides of one that is in Items
		page(5, 1, []stacksync.ItemRow{f}, []stacksync.ItemRow{a, b})            // at After exactly: seen
	})
}

func changesOfTombstones(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	folder := r.folder(h.id(), stacksync.ItemID{})
	gone, stays := r.file(h.id(), folder.ID), r.file(h.id(), folder.ID)
	r.save(putItems(folder, gone, stays))
	seen := stays.Revision
	dead := r.deleted(gone)
	folder2 := r.next(folder)
	stays2 := r.next(stays)
	r.saveAndRead(putItems(dead, folder2, stays2), func(l look) {
		got := l.changes(stacksync.ChangesParams{Workspace: h.id(), After: seen, PageBound: stacksync.PageBound{Limit: 1}})
		sameList(t, "a deletion is a change", []stacksync.ItemRow{dead}, got.Items)
		require.Empty(t, got.Ancestors, "only the live ones of Items bring their ancestors")
		got = l.changes(stacksync.ChangesParams{Workspace: h.id(), After: seen, LiveThrough: dead.Revision, PageBound: stacksync.PageBound{Limit: 1}})
		sameList(t, "a deletion through LiveThrough is left out", []stacksync.ItemRow{folder2}, got.Items)
	})
}

// changesWhileChanging reads the log page by page and commits between the pages.
func changesWhileChanging(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	state := map[stacksync.ItemID]stacksync.ItemRow{}
	var order []stacksync.ItemID // for a choice that does not depend on the map
	add := func() stacksync.ItemRow {
		row := r.file(h.id(), stacksync.ItemID{})
		state[row.ID], order = row, append(order, row.ID)
		return row
	}
	var first []stacksync.ItemRow
	for range 40 {
		first = append(first, add())
	}
	r.save(putItems(first...))

	const limit = 7
	followed := map[stacksync.ItemID]stacksync.ItemRow{}
	var after int64
	for round := 0; ; round++ {
		var page []stacksync.ItemRow
		r.view(func(l look) {
			page = l.changes(stacksync.ChangesParams{Workspace: h.id(), After: after, PageBound: stacksync.PageBound{Limit: limit}}).Items
		})
		require.LessOrEqual(t, len(page), limit, "a page has at most Limit items")
		for _, row := range page {
			require.Greater(t, row.Revision, after, "items come by revision, from After on")
			after = row.Revision
			followed[row.ID] = row
		}
		if len(page) < limit {
			break
		}
		if round < 12 {
			changed, gone := r.next(state[order[(round*13)%len(order)]]), state[order[(round*29+1)%len(order)]]
			state[changed.ID] = changed
			gone = r.deleted(state[gone.ID])
			state[gone.ID] = gone
			r.save(stacksync.PutParams{Items: dedupe(changed, gone, add())})
		}
	}
	sameSet(t, "pages that each start After the last revision give every item in its current version, whatever was committed between them",
		values(state), values(followed))
}

// dedupe keeps the last of the rows with one key: no list of a Put holds a key twice.
func dedupe(rows ...stacksync.ItemRow) []stacksync.ItemRow {
	var kept []stacksync.ItemRow
	for i, row := range rows {
		later := func(other stacksync.ItemRow) bool { return other.ID == row.ID && other.Workspace == row.Workspace }
		if !slices.ContainsFunc(rows[i+1:], later) {
			kept = append(kept, row)
		}
	}
	return kept
}

func values[K comparable, V any](m map[K]V) []V {
	vs := make([]V, 0, len(m))
	for _, v := range m {
		vs = append(vs, v)
	}
	return vs
}
