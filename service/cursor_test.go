package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// TestCursorErrors has a row for each way a cursor can't be continued, with what the client is told to do.
func TestCursorErrors(t *testing.T) {
	for _, row := range []struct {
		name   string
		cursor func(w *world, good stacksync.Cursor) stacksync.Cursor
		err    error
		remedy stacksync.Remedy
	}{
		{"garbage", func(*world, stacksync.Cursor) stacksync.Cursor { return "garbage" }, stacksync.ErrCursorInvalid, stacksync.RemedyResync},
		{"not base64", func(*world, stacksync.Cursor) stacksync.Cursor { return "!" }, stacksync.ErrCursorInvalid, stacksync.RemedyResync},
		{"cut off", func(_ *world, good stacksync.Cursor) stacksync.Cursor { return good[:len(good)-1] }, stacksync.ErrCursorInvalid, stacksync.RemedyResync},
		{"of another workspace", func(w *world, _ stacksync.Cursor) stacksync.Cursor {
			actor, ws := w.join("bob")
			page, err := w.svc.Changes(w.Context(), stacksync.ChangesRequest{Actor: actor, Workspace: ws})
			require.NoError(w, err)
			return page.Cursor
		}, stacksync.ErrCursorInvalid, stacksync.RemedyResync},
		{"of another epoch", func(w *world, good stacksync.Cursor) stacksync.Cursor {
			w.changeWorkspace(func(ws *stacksync.Workspace) { ws.Epoch++ })
			return good
		}, stacksync.ErrCursorEpoch, stacksync.RemedyReupload},
		{"ahead of the server", func(w *world, good stacksync.Cursor) stacksync.Cursor {
			w.changeWorkspace(func(ws *stacksync.Workspace) { ws.Revision-- })
			return good
		}, stacksync.ErrCursorAhead, stacksync.RemedyReupload},
		{"older than the log", func(w *world, good stacksync.Cursor) stacksync.Cursor {
			w.must(w.folder(stacksync.ItemID{}, "later"))
			w.changeWorkspace(func(ws *stacksync.Workspace) { ws.Floor = ws.Revision })
			return good
		}, stacksync.ErrCursorExpired, stacksync.RemedyResync},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, memory.New(memory.Config{}))
			newTree(w)
			pages := w.pages("", 0)
			_, err := w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: row.cursor(w, pages[0].Cursor)})
			require.ErrorIs(t, err, row.err)
			require.ErrorIs(t, err, stacksync.ErrCursor)
			var ce *stacksync.CursorError
			require.ErrorAs(t, err, &ce)
			require.Equal(t, row.remedy, ce.Remedy)
			require.Equal(t, w.ws, ce.Workspace)
		})
	}
}

func (w *world) changeWorkspace(f func(*stacksync.Workspace)) {
	w.Helper()
	ws := w.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ws, User: w.actor.User}}}).Workspaces[0]
	f(&ws)
	w.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{ws}})
}

// A client in the middle of its first sync has nothing to lose by tombstones being pruned that it was never going to see.
func TestCursorOutlivesPruningDuringFirstSync(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	newTree(w)
	page, err := w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Limit: 1})
	require.NoError(t, err)
	w.changeWorkspace(func(ws *stacksync.Workspace) { ws.Floor = ws.Revision })
	rest := w.pages(page.Cursor, 0)
	require.Len(t, rest[0].Items, 3)
}

// Bringing a folder along before its turn must not depend on where the page ends.
func TestFoldersComeFirstAtEveryLimit(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		top := w.folder(stacksync.ItemID{}, "top")
		mid := w.folder(top.Item, "mid")
		low := w.folder(mid.Item, "low")
		w.must(top, mid, low, w.file(low.Item, "leaf", "leaf"), w.file(mid.Item, "other", "other"))
		touch := func(p stacksync.Proposal) stacksync.Proposal {
			return next(p, func(p *stacksync.Proposal) { p.Attrs = map[string]string{"touched": "1"} })
		}
		w.must(touch(low), touch(mid), touch(top)) // the log now has them the wrong way round
		for limit := 1; limit <= 6; limit++ {
			f := &follower{tree: map[stacksync.ItemID]stacksync.Item{}}
			for _, page := range w.pages("", limit) {
				require.Empty(t, f.apply(page), "limit %d", limit)
			}
			require.Len(t, f.tree, 5)
			for _, it := range w.snapshot().Items {
				require.Equal(t, plain(it), f.tree[it.ID])
			}
		}
	})
}

// A page of items with long chunk lists ends early, so that it fits into memory, and nothing is lost by it.
func TestPagesAreBoundedByChunks(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t), func(c *service.Config) { c.Limits.PageChunks = 10 })
		chunks := w.upload("1", "2", "3", "4")
		var ids []stacksync.ItemID
		for range 7 {
			p := w.file(stacksync.ItemID{}, w.id().String(), "x")
			p.Chunks, p.Size = chunks, 4
			w.must(p)
			w.must(next(p, func(p *stacksync.Proposal) { p.MediaType = "text/plain" }))
			ids = append(ids, p.Item)
		}
		var got []stacksync.ItemID
		for _, page := range w.pages("", 0) {
			require.LessOrEqual(t, len(page.Items), 3)
			for _, it := range page.Items {
				got = append(got, it.ID)
			}
		}
		require.Equal(t, ids, got)

		names, after := 0, ""
		for more := true; more; more = after != "" {
			res, err := w.svc.ListChildren(t.Context(), stacksync.ListChildrenRequest{Actor: w.actor, Workspace: w.ws, After: after})
			require.NoError(t, err)
			require.LessOrEqual(t, len(res.Items), 3)
			names, after = names+len(res.Items), res.Next
		}
		require.Equal(t, 7, names)
	})
}

func TestAtTheEndTheCursorStays(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	newTree(w)
	first := w.pages("", 0)
	again := w.pages(first[0].Cursor, 0)
	require.Empty(t, again[0].Items)
	require.Equal(t, first[0].Cursor, again[0].Cursor)
	require.EqualValues(t, 9, again[0].Revision)

	// Where the last revisions are tombstones that a new client need not see, the cursor still covers them.
	docs, err := w.svc.GetItemByPath(t.Context(), stacksync.GetItemByPathRequest{Actor: w.actor, Workspace: w.ws, Path: "docs"})
	require.NoError(t, err)
	w.must(stacksync.Proposal{Item: docs.Item.ID, Version: 2, Delete: true})
	pages := w.pages("", 0)
	require.Empty(t, pages[0].Items)
	require.EqualValues(t, 13, pages[0].Revision)
	require.Equal(t, pages[0].Cursor, w.pages(pages[0].Cursor, 0)[0].Cursor)
}
