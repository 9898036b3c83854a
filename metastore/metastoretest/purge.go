package metastoretest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func purgeChecks() []check {
	return []check{
		{Name: "Purge deletes items, versions and chunks, at most Limit in all", Run: purgeInParts},
		{Name: "Purge leaves nothing of a workspace to any reader", Run: purgeAll},
		{Name: "Purge of one workspace leaves the others alone", Run: purgeElsewhere},
		{Name: "a Purge with a Limit below 1 is refused", Run: purgeLimit},
		{Name: "a purged workspace can be filled again", Run: purgeAndPut},
	}
}

// filled saves rows of every kind in a workspace, and returns them and how many they are.
func (r *rig) filled(w stacksync.WorkspaceID) (stacksync.PutParams, int) {
	r.t.Helper()
	chain := r.chain(w, 3)
	old, gone := r.file(w, chain[2].ID), r.file(w, chain[0].ID)
	now, dead := r.next(old), r.deleted(gone)
	p := stacksync.PutParams{
		Items: append(chain, now, dead), Superseded: []stacksync.ItemRow{old, gone}, Chunks: []stacksync.ChunkRow{r.chunk(w), r.chunk(w)},
	}
	r.save(p)
	return p, len(p.Items) + len(p.Superseded) + len(p.Chunks)
}

// rowsLeft counts what the readers find of p in its workspace.
func rowsLeft(l look, p stacksync.PutParams) int {
	load := stacksync.LoadParams{Items: itemKeys(p.Items...)}
	for _, row := range p.Superseded {
		load.Versions = append(load.Versions, versionKeyOf(row))
	}
	for _, c := range p.Chunks {
		load.Chunks = append(load.Chunks, chunkKeyOf(c))
	}
	got := l.load(load)
	return len(got.Items) + len(got.Versions) + len(got.Chunks)
}

func purgeInParts(t T, s Suite) {
	r := newRig(t, s)
	for _, limit := range []int{1, 2, 5, 100} {
		h := r.home()
		p, rows := r.filled(h.id())
		for rows > 0 {
			deleted := 0
			r.update(func(c change) {
				c.lock(lockWorkspaces(h.id()))
				deleted = c.purge(stacksync.PurgeParams{Workspace: h.id(), Limit: limit})
				require.Equal(t, rows-deleted, rowsLeft(c.look, p), "a Tx sees what it has purged")
			})
			const promise = "Purge deletes items, versions and chunks of a workspace, at most Limit rows in all, and says how many"
			require.Positive(t, deleted, "%s: 0 only once there is none left", promise)
			require.LessOrEqual(t, deleted, limit, promise)
			rows -= deleted
			r.read(func(l look) { require.Equal(t, rows, rowsLeft(l, p), promise) })
		}
		for range 2 {
			r.update(func(c change) {
				c.lock(lockWorkspaces(h.id()))
				require.Zero(t, c.purge(stacksync.PurgeParams{Workspace: h.id(), Limit: limit}), "Purge returns 0 once there is none left")
			})
		}
	}
	r.update(func(c change) {
		unknown := stacksync.WorkspaceID{UUID: r.uuid()}
		require.Zero(t, c.purge(stacksync.PurgeParams{Workspace: unknown, Limit: 10}), "an unknown workspace has nothing to purge")
	})
}

// purgeToTheEnd purges in a transaction each.
func (r *rig) purgeToTheEnd(w stacksync.WorkspaceID, limit int) (deleted int) {
	r.t.Helper()
	for r.ctx.Err() == nil {
		var rows int
		r.update(func(c change) {
			c.lock(lockWorkspaces(w))
			rows = c.purge(stacksync.PurgeParams{Workspace: w, Limit: limit})
		})
		if rows == 0 {
			return deleted
		}
		deleted += rows
	}
	require.NoError(r.t, r.ctx.Err(), "Purge returns 0 once there is none left")
	return deleted
}

// requireNothingIn looks with every method for rows of p, all of one workspace.
func requireNothingIn(t T, l look, p stacksync.PutParams) {
	t.Helper()
	const promise = "what was purged is there for no reader"
	w, page := p.Items[0].Workspace, stacksync.PageBound{Limit: 100}
	require.Zero(t, rowsLeft(l, p), promise)
	load := stacksync.LoadParams{Ancestors: itemKeys(p.Items...), Subtrees: append(itemKeys(p.Items...), stacksync.ItemKey{Workspace: w})}
	for _, row := range p.Items {
		load.Names = append(load.Names, nameKeyOf(row))
		require.Empty(t, l.versions(stacksync.VersionsParams{Workspace: w, Item: row.ID, PageBound: page}), "%s (Versions)", promise)
		require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: w, Parent: row.ID, PageBound: page}), "%s (Children)", promise)
	}
	require.Empty(t, l.load(load).Items, "%s (Names, Ancestors, Subtrees)", promise)
	require.Empty(t, l.children(stacksync.ChildrenParams{Workspace: w, PageBound: page}), "%s (Children)", promise)
	got := l.changes(stacksync.ChangesParams{Workspace: w, PageBound: page})
	require.Empty(t, got.Items, "%s (Changes)", promise)
	require.Empty(t, got.Ancestors, "%s (Changes)", promise)
}

func purgeAll(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	p, rows := r.filled(h.id())
	require.Equal(t, rows, r.purgeToTheEnd(h.id(), 4), "Purge counts each row once")
	r.read(func(l look) {
		requireNothingIn(t, l, p)
		const promise = "Purge deletes items, versions and chunks only"
		sameList(t, promise, []stacksync.Workspace{h.workspace}, l.workspaces(h.workspace))
		sameList(t, promise, []stacksync.Member{h.member}, l.members(h.id()))
	})
	r.removeAndRead(removeOf(h), func(l look) {
		requireNothingIn(t, l, p)
		require.Empty(t, l.workspaces(h.workspace), "a workspace can be removed when it is purged, with its members and its owner")
		require.Empty(t, l.users(h.user.ID), "a workspace can be removed when it is purged, with its members and its owner")
	})
}

// purgeElsewhere has the same ids, names and chunks in another workspace.
func purgeElsewhere(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	here, _ := r.filled(h.id())
	there := stacksync.PutParams{Items: inWorkspace(other.id(), here.Items), Superseded: inWorkspace(other.id(), here.Superseded)}
	for _, c := range here.Chunks {
		c.Workspace = other.id()
		there.Chunks = append(there.Chunks, c)
	}
	r.save(there)
	r.purgeToTheEnd(h.id(), 3)
	r.read(func(l look) {
		requireNothingIn(t, l, here)
		const promise = "Purge deletes rows of that workspace only"
		page := stacksync.PageBound{Limit: 100}
		sameSet(t, promise, there.Items, l.items(itemKeys(there.Items...)...))
		sameSet(t, promise, there.Items, l.changes(stacksync.ChangesParams{Workspace: other.id(), PageBound: page}).Items)
		sameSet(t, promise, there.Items[:4], loadSubtrees(l, stacksync.ItemKey{Workspace: other.id()}))
		sameList(t, promise, there.Items[:1], l.children(stacksync.ChildrenParams{Workspace: other.id(), PageBound: page}))
		require.Equal(t, len(there.Items)+len(there.Superseded)+len(there.Chunks), rowsLeft(l, there), promise)
	})
}

func inWorkspace(w stacksync.WorkspaceID, rows []stacksync.ItemRow) []stacksync.ItemRow {
	moved := make([]stacksync.ItemRow, len(rows))
	for i, row := range rows {
		row.Workspace = w
		moved[i] = row
	}
	return moved
}

func purgeLimit(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	p, rows := r.filled(h.id())
	for _, limit := range []int{0, -1} {
		r.requireLimitRefused(func(c change) {
			c.lock(lockWorkspaces(h.id()))
			c.purge(stacksync.PurgeParams{Workspace: h.id(), Limit: limit})
		})
	}
	r.view(func(l look) { require.Equal(t, rows, rowsLeft(l, p), "a refused Purge deletes nothing") })
}

func purgeAndPut(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	p, rows := r.filled(h.id())
	r.purgeToTheEnd(h.id(), 100)
	r.saveAndRead(p, func(l look) {
		const promise = "what was purged can be Put again"
		require.Equal(t, rows, rowsLeft(l, p), promise)
		sameSet(t, promise, p.Items, l.items(itemKeys(p.Items...)...))
		sameSet(t, promise, p.Items, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 100}}).Items)
	})
}
