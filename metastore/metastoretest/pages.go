package metastoretest

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func pageChecks() []check {
	return []check{
		{Name: "Children returns the live items of a folder by NameKey", Run: childrenOfFolder},
		{Name: "Children orders name keys by their bytes, and pages exactly", Run: childrenByBytes},
		{Name: "Children continues after a key that is gone", Run: childrenAfterGone},
		{Name: "Versions returns all versions, newest first", Run: versionsNewestFirst},
		{Name: "a Limit below 1 is refused", Run: limitBelowOne},
		{Name: "a page ends with the row that brings its chunks to the bound", Run: chunksEndPages},
	}
}

func childrenOfFolder(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	folder := r.folder(h.id(), stacksync.ItemID{})
	a, b, c := r.file(h.id(), folder.ID), r.folder(h.id(), folder.ID), r.file(h.id(), folder.ID)
	a.NameKey, b.NameKey, c.NameKey = "c", "a", "b"
	away, gone, deeper := r.file(h.id(), folder.ID), r.file(h.id(), folder.ID), r.file(h.id(), b.ID)
	r.save(putItems(folder, a, b, c, away, gone, deeper))
	renamed, moved, dead := r.next(c), r.next(away), r.deleted(gone)
	renamed.NameKey, moved.Parent = "d", stacksync.ItemID{}
	p := stacksync.PutParams{Items: []stacksync.ItemRow{renamed, moved, dead}, Superseded: []stacksync.ItemRow{c, away, gone}}
	r.saveAndRead(p, func(l look) {
		const promise = "Children returns the live items of a folder, by NameKey"
		sameList(t, promise, []stacksync.ItemRow{b, a, renamed},
			l.children(stacksync.ChildrenParams{Workspace: h.id(), Parent: folder.ID, PageBound: stacksync.PageBound{Limit: 100}}))
		sameSet(t, promise+": the zero ItemID is the root", []stacksync.ItemRow{folder, moved},
			l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 100}}))
		require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: h.id(), Parent: a.ID, PageBound: stacksync.PageBound{Limit: 100}}), "a file has no children")
		require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: h.id(), Parent: stacksync.ItemID{UUID: r.uuid()}, PageBound: stacksync.PageBound{Limit: 100}}),
			"an unknown folder has no children")
		require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: stacksync.WorkspaceID{UUID: folder.ID.UUID}, PageBound: stacksync.PageBound{Limit: 100}}),
			"an unknown workspace has no items")
	})
}

func childrenByBytes(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var rows []stacksync.ItemRow
	for _, key := range append(lookalikes(), oddStrings()...) {
		row := r.file(h.id(), stacksync.ItemID{})
		row.NameKey = key
		rows = append(rows, row)
	}
	want := slices.Clone(rows)
	slices.SortFunc(want, func(a, b stacksync.ItemRow) int { return strings.Compare(a.NameKey, b.NameKey) })
	r.saveAndRead(putItems(rows...), func(l look) {
		for _, limit := range []int{1, 3, len(rows) - 1, len(rows), len(rows) + 1} {
			var got []stacksync.ItemRow
			p := stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}}
			for {
				page := l.children(p)
				require.LessOrEqual(t, len(page), limit, "a page has at most Limit items")
				got = append(got, page...)
				if len(page) < limit {
					break
				}
				p.After = page[len(page)-1].NameKey
			}
			sameList(t, "strings are ordered by their bytes; pages that each start After the last key give every item once", want, got)
		}
	})
}

func childrenAfterGone(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	rows := make([]stacksync.ItemRow, 4)
	for i := range rows {
		rows[i] = r.file(h.id(), stacksync.ItemID{})
		rows[i].NameKey = string(rune('b' + 2*i)) // b d f h
	}
	r.saveAndRead(putItems(rows...), func(l look) {
		const promise = "After is any NameKey, also one that no item holds"
		for after, want := range map[string][]stacksync.ItemRow{
			"": rows, "a": rows, "b": rows[1:], "c": rows[1:], "d": rows[2:], "dd": rows[2:], "gz": rows[3:], "h": nil, "z": nil,
		} {
			sameList(t, promise, want, l.children(stacksync.ChildrenParams{Workspace: h.id(), After: after, PageBound: stacksync.PageBound{Limit: 10}}))
		}
	})
}

func versionsNewestFirst(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	other := r.file(h.id(), stacksync.ItemID{})
	versions := []stacksync.ItemRow{r.file(h.id(), stacksync.ItemID{})}
	for range 11 {
		versions = append(versions, r.next(versions[len(versions)-1]))
	}
	last := len(versions) - 1
	versions[last] = r.deleted(versions[last-1])
	versions[4].NameKey, versions[5].Parent, versions[6].Deleted = "another", stacksync.ItemID{UUID: r.uuid()}, true
	p := stacksync.PutParams{
		Items:      []stacksync.ItemRow{versions[last], r.next(other)},
		Superseded: append(slices.Clone(versions[:last]), other),
	}
	newest := slices.Clone(versions)
	slices.Reverse(newest)
	r.saveAndRead(p, func(l look) {
		const promise = "Versions returns the versions of an item, current one included, newest first"
		page := func(before int64, limit int) []stacksync.ItemRow {
			return l.versions(stacksync.VersionsParams{Workspace: h.id(), Item: newest[0].ID, Before: before, PageBound: stacksync.PageBound{Limit: limit}})
		}
		sameList(t, promise, newest, page(0, 100))
		sameList(t, promise+", at most Limit", newest[:1], page(0, 1))
		sameList(t, promise+", at most Limit", newest[:5], page(0, 5))
		sameList(t, promise+", with Before only older than that", newest[1:4], page(12, 3))
		sameList(t, promise+", with Before only older than that", newest[11:], page(2, 3))
		sameList(t, promise+", with Before only older than that", newest, page(13, 100))
		sameList(t, promise+", with Before only older than that", newest, page(1<<62, 100))
		require.Empty(t, page(1, 100), "nothing is older than version 1")
		unknown := stacksync.VersionsParams{Workspace: h.id(), Item: stacksync.ItemID{UUID: r.uuid()}, PageBound: stacksync.PageBound{Limit: 10}}
		require.Empty(t, l.versions(unknown), "an unknown item has no versions")
	})
}

func limitBelowOne(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	for _, limit := range []int{0, -1, -1 << 31} {
		for method, call := range map[string]func(l look){
			"Children": func(l look) {
				l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}})
			},
			"Versions": func(l look) {
				l.versions(stacksync.VersionsParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}})
			},
			"Changes": func(l look) {
				l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}})
			},
		} {
			err := tryView(r.ctx, r.store, call)
			var field *stacksync.FieldError
			require.ErrorAs(t, err, &field, "%s: Limit is at least 1; %d is refused by a *FieldError", method, limit)
			require.ErrorIs(t, err, stacksync.ErrInvalid)
			require.Equal(t, "Limit", field.Field)
		}
	}
}

// chunksEndPages has three files of three chunks each, and three versions of another.
func chunksEndPages(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	many := func(row stacksync.ItemRow) stacksync.ItemRow {
		row.Chunks = []stacksync.Chunk{{Name: "a", Size: 1}, {Name: "b", Size: 1}, {Name: "c", Size: 1}}
		return row
	}
	files := []stacksync.ItemRow{many(r.file(h.id(), stacksync.ItemID{})), many(r.file(h.id(), stacksync.ItemID{})), many(r.file(h.id(), stacksync.ItemID{}))}
	v1 := many(r.file(h.id(), stacksync.ItemID{UUID: r.uuid()}))
	v2 := many(r.next(v1))
	v3 := many(r.next(v2))
	r.save(stacksync.PutParams{Items: append(files, v3), Superseded: []stacksync.ItemRow{v1, v2}})
	r.read(func(l look) {
		for _, c := range []struct{ chunks, rows int }{{0, 3}, {1, 1}, {3, 1}, {4, 2}, {6, 2}, {7, 3}, {100, 3}} {
			bound := stacksync.PageBound{Limit: 3, Chunks: c.chunks}
			const promise = "a page ends with the row that brings its chunks to PageBound.Chunks"
			require.Len(t, l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: bound}), c.rows, promise)
			require.Len(t, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: bound}).Items, c.rows, promise)
			require.Len(t, l.versions(stacksync.VersionsParams{Workspace: h.id(), Item: v3.ID, PageBound: bound}), c.rows, promise)
		}
	})
}
