package postgres

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// TestRoundTrips counts how often each call of the service waits for the server. A network makes each a millisecond.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	config := fresh(t, server)
	config.DSN, config.MaxConns = proxy.DSN(), 1
	store := openStore(t, config)
	checkTrips(t, proxy, store)
}

func TestRoundTripsOfHostPool(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	db := hostPool(proxy.DSN())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	store := openStore(t, Config{DB: db, Schema: server.Schema(t)})
	checkTrips(t, proxy, store)
}

func checkTrips(t *testing.T, proxy *pgtest.Proxy, store *Store) {
	w := newWorld(t, store)
	var made atomic.Int64
	proxy.OnMessage(func(m pgtest.Message) pgtest.Action {
		// What a connection prepares, or plans anew from time to time, is not what a call costs.
		if text := m.SQL(); m.Type != 'X' && !strings.HasPrefix(text, "PREPARE ") && !strings.HasPrefix(text, "DEALLOCATE ") {
			made.Add(1)
		}
		return pgtest.Pass
	})
	trips := func(want int, what string, do func()) {
		t.Helper()
		before := made.Load()
		do()
		assert.EqualValues(t, want, made.Load()-before, what)
	}
	commit := func(p ...stacksync.Proposal) func() { return func() { w.commit(p...) } }

	one, thousand := w.file(), times(1000, w.file)
	trips(4, "a commit of a new item", commit(one))
	trips(4, "a commit of 1,000 new items", commit(thousand...))
	trips(4, "a commit of 1,000 changed items", commit(next(thousand)...))
	folder, inside := w.tree(1000)
	trips(4, "a commit of a folder with 1,000 items", commit(append([]stacksync.Proposal{folder}, inside...)...))
	parent := w.committedFolder()
	trips(4, "a commit of a folder and a file below a folder that is there", commit(w.below(parent)...))
	trips(4, "a delete of a folder with 1,000 items, which is loaded after it", commit(stacksync.Proposal{Item: folder.Item, Version: 2, Delete: true}))
	trips(3, "a delete of a file", commit(stacksync.Proposal{Item: thousand[0].Item, Version: 3, Delete: true}))
	trips(5, "a commit that was sent before, of a version that is current no more", commit(thousand[1]))
	w.chunk = w.upload("other content")
	trips(4, "a commit of a chunk that no item has had", commit(w.file()))

	var cursor stacksync.Cursor
	trips(1, "Changes from the start", func() { w.changes("") })
	catchUp := func() {
		for page := w.changes(cursor); ; page = w.changes(cursor) {
			if cursor = page.Cursor; !page.More {
				return
			}
		}
	}
	catchUp()
	folder, inside = w.tree(2) // the folder changes after what is in it
	w.commit(append([]stacksync.Proposal{folder}, inside...)...)
	w.commit(next([]stacksync.Proposal{folder})...)
	trips(1, "Changes that bring an unseen folder along", func() {
		page, err := w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: cursor, Limit: 1})
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		require.Equal(t, folder.Item, page.Items[0].ID)
	})
	catchUp()
	trips(1, "Changes without news", func() { w.changes(cursor) })

	key := stacksync.ItemKey{Workspace: w.ws, Item: thousand[1].Item}
	for _, call := range []struct {
		name  string
		trips int
		do    func(ctx context.Context) error
	}{
		{"GetItem", 3, func(ctx context.Context) error {
			_, err := w.svc.GetItem(ctx, stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: key.Item})
			return err
		}},
		{"GetItem of an old version", 4, func(ctx context.Context) error {
			_, err := w.svc.GetItem(ctx, stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: key.Item, Version: 1})
			return err
		}},
		{"ListChildren", 3, func(ctx context.Context) error {
			_, err := w.svc.ListChildren(ctx, stacksync.ListChildrenRequest{Actor: w.actor, Workspace: w.ws})
			return err
		}},
		{"ListVersions", 5, func(ctx context.Context) error {
			_, err := w.svc.ListVersions(ctx, stacksync.ListVersionsRequest{Actor: w.actor, Workspace: w.ws, Item: key.Item})
			return err
		}},
		{"ListWorkspaces", 4, func(ctx context.Context) error {
			_, err := w.svc.ListWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: w.actor})
			return err
		}},
		{"GetUser", 3, func(ctx context.Context) error {
			_, err := w.svc.GetUser(ctx, stacksync.GetUserRequest{User: w.actor.User})
			return err
		}},
		{"PutUser of one who is there", 3, func(ctx context.Context) error {
			_, err := w.svc.PutUser(ctx, stacksync.PutUserRequest{User: w.actor.User})
			return err
		}},
		{"RegisterDevice again", 4, func(ctx context.Context) error {
			_, err := w.svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: w.actor, ID: w.actor.Device, Name: "laptop"})
			return err
		}},
		{"PrepareUpload", 1, func(ctx context.Context) error {
			_, err := w.svc.PrepareUpload(ctx, stacksync.PrepareUploadRequest{Actor: w.actor, Workspace: w.ws, Chunks: []stacksync.Chunk{w.chunk}})
			return err
		}},
		{"PrepareDownload", 1, func(ctx context.Context) error {
			_, err := w.svc.PrepareDownload(ctx, stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Names: []string{w.chunk.Name}})
			return err
		}},
	} {
		trips(call.trips, call.name, func() { require.NoError(t, call.do(t.Context()), call.name) })
	}
}

// tree proposes a folder with files in it.
func (w *world) tree(files int) (folder stacksync.Proposal, inside []stacksync.Proposal) {
	folder = w.folder()
	inside = times(files, w.file)
	for i := range inside {
		inside[i].Parent = folder.Item
	}
	return folder, inside
}

func (w *world) committedFolder() stacksync.ItemID {
	folder := w.folder()
	w.commit(folder)
	return folder.Item
}

// below proposes a folder, and a file in it, below a folder that is there.
func (w *world) below(parent stacksync.ItemID) []stacksync.Proposal {
	folder, inside := w.tree(1)
	folder.Parent = parent
	return append([]stacksync.Proposal{folder}, inside...)
}
