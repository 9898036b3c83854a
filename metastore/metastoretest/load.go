package metastoretest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func loadChecks() []check {
	return []check{
		{Name: "Load.Items brings current versions, tombstones too", Run: loadItems},
		{Name: "Load.Names brings live items by the names they hold now", Run: loadNames},
		{Name: "Load.Versions brings superseded versions", Run: loadVersions},
		{Name: "Load.Chunks brings those that are stored", Run: loadChunks},
		{Name: "the same id in two workspaces is two rows", Run: sharedIDs},
		{Name: "one Load answers all its lists", Run: loadAll},
		{Name: "a Load of nothing brings nothing", Run: loadNothing},
	}
}

func loadItems(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	file, gone, other := r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{}), r.folder(h.id(), stacksync.ItemID{})
	r.save(putItems(file, gone, other))
	file2, gone2 := r.next(file), r.deleted(gone)
	file2.Chunks, file2.Size, file2.Attrs = nil, 0, nil
	unknown := r.file(h.id(), stacksync.ItemID{})
	p := stacksync.PutParams{Items: []stacksync.ItemRow{file2, gone2}, Superseded: []stacksync.ItemRow{file, gone}}
	r.saveAndRead(p, func(l look) {
		sameSet(t, "Items asks for items in their current versions, tombstones included; unknown keys are left out",
			[]stacksync.ItemRow{file2, gone2}, l.items(itemKeys(gone2, file2, unknown, gone2)...))
	})
}

func loadNames(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	folder := r.folder(h.id(), stacksync.ItemID{})
	stays, moves, renamed, gone := r.file(h.id(), folder.ID), r.file(h.id(), folder.ID), r.file(h.id(), folder.ID), r.file(h.id(), folder.ID)
	r.save(putItems(folder, stays, moves, renamed, gone))
	moved, called, dead := r.next(moves), r.next(renamed), r.deleted(gone)
	moved.Parent, called.NameKey = stacksync.ItemID{}, "another key"
	p := stacksync.PutParams{Items: []stacksync.ItemRow{moved, called, dead}, Superseded: []stacksync.ItemRow{moves, renamed, gone}}

	unknown := nameKeyOf(stays)
	unknown.Key = stays.Name
	elsewhere := nameKeyOf(stays)
	elsewhere.Parent = stays.ID
	r.saveAndRead(p, func(l look) {
		sameSet(t, "Names asks for the live items that hold these names, by NameKey",
			[]stacksync.ItemRow{stays, moved, called, folder},
			l.named(nameKeyOf(stays), nameKeyOf(moved), nameKeyOf(called), nameKeyOf(folder), nameKeyOf(stays)))
		for what, key := range map[string]stacksync.NameKey{
			"an item that was moved away":      nameKeyOf(moves),
			"an item that was renamed":         nameKeyOf(renamed),
			"a tombstone":                      nameKeyOf(dead),
			"a Name that is not the NameKey":   unknown,
			"an item of another folder":        elsewhere,
			"nothing, in an unknown workspace": {Parent: folder.ID, Key: stays.NameKey},
		} {
			require.Empty(t, l.named(key), "Names asks for the live items that hold these names now: this is that of %s", what)
		}
	})
	back := r.next(dead)
	back.Deleted = false
	r.saveAndRead(putItems(back), func(l look) {
		sameSet(t, "an item that is back from being deleted holds its name again", []stacksync.ItemRow{back}, l.named(nameKeyOf(back)))
	})
}

func loadVersions(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	v1, other := r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{})
	v2 := r.next(v1)
	v2.Name, v2.NameKey, v2.Chunks, v2.Attrs = "another", "another key", nil, map[string]string{"k": "v"}
	v3 := r.deleted(v2)
	r.saveAndRead(stacksync.PutParams{Items: []stacksync.ItemRow{v3, other}, Superseded: []stacksync.ItemRow{v1, v2}}, func(l look) {
		unknown := versionKeyOf(v3)
		unknown.Version = 4
		got := l.load(stacksync.LoadParams{Versions: []stacksync.VersionKey{
			versionKeyOf(v2), versionKeyOf(v1), versionKeyOf(v3), unknown, versionKeyOf(other), versionKeyOf(v1),
		}})
		sameSet(t, "Versions asks for superseded versions, each as it was; the current one is none", []stacksync.ItemRow{v1, v2}, got.Versions)
		require.Empty(t, got.Items, "Items were not asked for")
	})
	v2.Name = "put again"
	r.saveAndRead(stacksync.PutParams{Superseded: []stacksync.ItemRow{v2}}, func(l look) {
		got := l.load(stacksync.LoadParams{Versions: []stacksync.VersionKey{versionKeyOf(v1), versionKeyOf(v2)}})
		sameSet(t, "Put replaces the superseded version with that workspace, id and version, and no other", []stacksync.ItemRow{v1, v2}, got.Versions)
		sameSet(t, "Superseded does not touch the current version", []stacksync.ItemRow{v3}, l.items(itemKeys(v3)...))
	})
}

func loadChunks(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	a, b, c := r.chunk(h.id()), r.chunk(h.id()), r.chunk(h.id())
	b.Size = 0
	r.saveAndRead(stacksync.PutParams{Chunks: []stacksync.ChunkRow{a, b, c}}, func(l look) {
		unknown := chunkKeyOf(a)
		unknown.Name += "!"
		got := l.load(stacksync.LoadParams{Chunks: []stacksync.ChunkKey{chunkKeyOf(b), unknown, chunkKeyOf(a), chunkKeyOf(b)}})
		sameSet(t, "Chunks asks which of these chunks are known to be stored", []stacksync.ChunkRow{a, b}, got.Chunks)
	})
	a.Size++
	r.saveAndRead(stacksync.PutParams{Chunks: []stacksync.ChunkRow{a}}, func(l look) {
		got := l.load(stacksync.LoadParams{Chunks: []stacksync.ChunkKey{chunkKeyOf(a), chunkKeyOf(b), chunkKeyOf(c)}})
		sameSet(t, "Put replaces the chunk with that workspace and name, and no other", []stacksync.ChunkRow{a, b, c}, got.Chunks)
	})
}

func sharedIDs(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	a1, b1 := r.file(h.id(), stacksync.ItemID{}), r.file(other.id(), stacksync.ItemID{})
	b1.ID, b1.NameKey, b1.Revision = a1.ID, a1.NameKey, a1.Revision
	a2, b2 := r.next(a1), r.next(b1)
	b2.Revision = a2.Revision
	ac, bc := r.chunk(h.id()), r.chunk(other.id())
	bc.Name = ac.Name
	p := stacksync.PutParams{
		Items: []stacksync.ItemRow{a2, b2}, Superseded: []stacksync.ItemRow{a1, b1}, Chunks: []stacksync.ChunkRow{ac, bc},
	}
	r.saveAndRead(p, func(l look) {
		const promise = "the workspace is part of every key: the same id, name, revision or chunk in two workspaces is two rows"
		one := l.load(stacksync.LoadParams{
			Items: itemKeys(b2), Versions: []stacksync.VersionKey{versionKeyOf(b1)}, Chunks: []stacksync.ChunkKey{chunkKeyOf(bc)},
		})
		sameSet(t, promise, []stacksync.ItemRow{b2}, one.Items)
		sameSet(t, promise, []stacksync.ItemRow{b1}, one.Versions)
		sameSet(t, promise, []stacksync.ChunkRow{bc}, one.Chunks)
		both := l.load(stacksync.LoadParams{
			Items: itemKeys(a2, b2), Versions: []stacksync.VersionKey{versionKeyOf(a1), versionKeyOf(b1)},
			Chunks: []stacksync.ChunkKey{chunkKeyOf(ac), chunkKeyOf(bc)},
		})
		sameSet(t, promise, []stacksync.ItemRow{a2, b2}, both.Items)
		sameSet(t, promise, []stacksync.ItemRow{a1, b1}, both.Versions)
		sameSet(t, promise, []stacksync.ChunkRow{ac, bc}, both.Chunks)
		sameSet(t, promise, []stacksync.ItemRow{b2}, l.named(nameKeyOf(b2)))
		sameList(t, promise, []stacksync.ItemRow{a2}, l.children(stacksync.ChildrenParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, []stacksync.ItemRow{b2, b1}, l.versions(stacksync.VersionsParams{Workspace: other.id(), Item: b2.ID, PageBound: stacksync.PageBound{Limit: 10}}))
		sameList(t, promise, []stacksync.ItemRow{a2}, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}).Items)
	})
}

func loadAll(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	d := r.device(h.user.ID)
	top := r.folder(h.id(), stacksync.ItemID{})
	sub := r.folder(h.id(), top.ID)
	old := r.file(h.id(), sub.ID)
	leaf, named, asked := r.next(old), r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{})
	beside := r.file(h.id(), top.ID)
	c := r.chunk(h.id())
	p := stacksync.PutParams{
		Devices: []stacksync.Device{d}, Items: []stacksync.ItemRow{top, sub, leaf, named, asked, beside},
		Superseded: []stacksync.ItemRow{old}, Chunks: []stacksync.ChunkRow{c},
	}
	r.saveAndRead(p, func(l look) {
		got := l.load(stacksync.LoadParams{
			Access:    []stacksync.AccessKey{accessKey(h.id(), h.user.ID, d.ID)},
			Items:     itemKeys(asked),
			Names:     []stacksync.NameKey{nameKeyOf(named)},
			Ancestors: itemKeys(sub),
			Subtrees:  itemKeys(sub),
			Versions:  []stacksync.VersionKey{versionKeyOf(old)},
			Chunks:    []stacksync.ChunkKey{chunkKeyOf(c)},
		})
		const promise = "one call brings all that is asked for, in its list, and nothing else"
		sameAccess(t, promise, stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user}, Members: []stacksync.Member{h.member},
			Devices: []stacksync.Device{d},
		}, got.AccessRows)
		sameSet(t, promise, []stacksync.ItemRow{asked, named, top, leaf}, got.Items)
		sameSet(t, promise, []stacksync.ItemRow{old}, got.Versions)
		sameSet(t, promise, []stacksync.ChunkRow{c}, got.Chunks)

		got = l.load(stacksync.LoadParams{Items: itemKeys(sub), Ancestors: itemKeys(leaf), Subtrees: itemKeys(top)})
		sameSet(t, "a row that several lists ask for comes at least once", []stacksync.ItemRow{top, sub, leaf, beside}, got.Items)
	})
}

func loadNothing(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.save(stacksync.PutParams{Items: []stacksync.ItemRow{r.file(h.id(), stacksync.ItemID{})}, Chunks: []stacksync.ChunkRow{r.chunk(h.id())}})
	r.read(func(l look) {
		for _, p := range []stacksync.LoadParams{{}, {
			Access: []stacksync.AccessKey{}, Items: []stacksync.ItemKey{}, Names: []stacksync.NameKey{}, Ancestors: []stacksync.ItemKey{},
			Subtrees: []stacksync.ItemKey{}, Versions: []stacksync.VersionKey{}, Chunks: []stacksync.ChunkKey{},
		}} {
			got := l.load(p)
			sameAccess(t, "any list may be empty", stacksync.AccessRows{}, got.AccessRows)
			require.Empty(t, got.Items, "any list may be empty")
			require.Empty(t, got.Versions, "any list may be empty")
			require.Empty(t, got.Chunks, "any list may be empty")
		}
	})
}
