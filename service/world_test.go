package service_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/rulestest"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/metastore/postgres"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
	}
	if order := os.Getenv(hintsOrder); order != "" {
		hintsChild(order)
	}
	testsize.Rapid()
	pgtest.Main(m)
}

// stores are the metadata stores that every test of the service runs on.
var stores = map[string]func(t testing.TB) stacksync.MetadataStore{
	"memory": func(testing.TB) stacksync.MetadataStore { return memory.New(memory.Config{}) },
	"sqlite": func(t testing.TB) stacksync.MetadataStore {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlite.Config{})
		require.NoError(t, err)
		return store
	},
	"postgres": func(t testing.TB) stacksync.MetadataStore {
		server := pgtest.Shared(t)
		return openPostgres(t, postgres.Config{DSN: server.DSN(), Schema: server.Emptied(t)})
	},
}

// shared is a store whose database other processes can open too.
type shared struct {
	*postgres.Store
	config postgres.Config
}

func openPostgres(t testing.TB, config postgres.Config) shared {
	store, err := postgres.Open(t.Context(), config)
	require.NoError(t, err)
	return shared{store, config}
}

// onEachStore runs a test on every store.
func onEachStore(t *testing.T, test func(t *testing.T, open func(t testing.TB) stacksync.MetadataStore)) {
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, stores[name])
		})
	}
}

// world is a service with one user and one device, and what a test needs to talk to it.
type world struct {
	testing.TB
	svc     *service.Service
	each    []*service.Service // svc, and where others can open the store too, a service with a handle of its own, as another process has
	store   stacksync.MetadataStore
	storage *storage.Storage
	actor   stacksync.Actor
	ws      stacksync.WorkspaceID
	ids     int
}

func newWorld(t testing.TB, store stacksync.MetadataStore, configure ...func(*service.Config)) *world {
	w := &world{TB: t, store: store, storage: storage.New(storage.Config{})}
	notifier := local.New(local.Config{})
	cfg := service.Config{Storage: w.storage, Notifier: notifier}
	for _, f := range configure {
		f(&cfg)
	}
	handles := []stacksync.MetadataStore{store}
	if s, ok := stacksync.As[shared](store); ok {
		handles = append(handles, openPostgres(t, s.config))
	}
	for _, handle := range handles {
		svc, err := service.New(handle, cfg)
		require.NoError(t, err)
		w.each = append(w.each, svc)
	}
	w.svc = w.each[0]
	t.Cleanup(func() {
		for _, svc := range w.each {
			require.NoError(t, svc.Close())
		}
		require.NoError(t, notifier.Close())
		for _, handle := range handles {
			require.NoError(t, handle.Close())
		}
	})
	w.actor, w.ws = w.join("ada")
	return w
}

// guest is another user of the same service, with an empty workspace, for a subtest.
func (w *world) guest(t testing.TB, n int) *world {
	g := *w
	g.TB = t
	g.actor, g.ws = g.join(stacksync.UserID(fmt.Sprint("guest ", n)))
	return &g
}

// join makes a user with a device.
func (w *world) join(user stacksync.UserID) (stacksync.Actor, stacksync.WorkspaceID) {
	w.Helper()
	res, err := w.svc.PutUser(w.Context(), stacksync.PutUserRequest{User: user})
	require.NoError(w, err)
	return w.device(user), res.User.DefaultWorkspace
}

func (w *world) device(user stacksync.UserID) stacksync.Actor {
	w.Helper()
	res, err := w.svc.RegisterDevice(w.Context(), stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: user}, Name: "laptop"})
	require.NoError(w, err)
	return stacksync.Actor{User: user, Device: res.Device.ID}
}

// id makes item ids that are the same in every run.
func (w *world) id() stacksync.ItemID {
	w.ids++
	return numberedID(w.ids)
}

func numberedID(n int) stacksync.ItemID { return rulestest.NumberedID(n) }

// newID is for tests whose order is up to the scheduler anyway.
func newID() stacksync.ItemID { return stacksync.ItemID{UUID: uuid.New()} }

// upload stores content and returns its chunks.
func (w *world) upload(contents ...string) []stacksync.Chunk {
	w.Helper()
	var chunks []stacksync.Chunk
	for _, content := range contents {
		c := chunkOf(content)
		_, err := w.svc.UploadChunk(w.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: c, Content: bytes.NewBufferString(content)})
		require.NoError(w, err)
		chunks = append(chunks, c)
	}
	return chunks
}

func chunkOf(content string) stacksync.Chunk { return rulestest.ChunkOf(content) }

// file proposes version 1 of a file with one chunk, which it uploads.
func (w *world) file(parent stacksync.ItemID, name, content string) stacksync.Proposal {
	w.Helper()
	return stacksync.Proposal{Item: w.id(), Version: 1, Parent: parent, Name: name, Kind: stacksync.File,
		Size: int64(len(content)), Checksum: chunkOf(content).Name, Chunks: w.upload(content)}
}

func (w *world) folder(parent stacksync.ItemID, name string) stacksync.Proposal {
	return stacksync.Proposal{Item: w.id(), Version: 1, Parent: parent, Name: name, Kind: stacksync.Folder}
}

// next proposes the version after p.
func next(p stacksync.Proposal, change func(*stacksync.Proposal)) stacksync.Proposal {
	p.Version++
	change(&p)
	return p
}

func deletion(p stacksync.Proposal) stacksync.Proposal {
	return stacksync.Proposal{Item: p.Item, Version: p.Version + 1, Delete: true}
}

func (w *world) commit(proposals ...stacksync.Proposal) []stacksync.Outcome {
	w.Helper()
	res, err := w.svc.Commit(w.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: proposals})
	require.NoError(w, err)
	return res.Outcomes
}

// must commits what has to succeed.
func (w *world) must(proposals ...stacksync.Proposal) []stacksync.Item {
	w.Helper()
	var items []stacksync.Item
	for _, o := range w.commit(proposals...) {
		require.NoError(w, o.Err)
		require.Equal(w, stacksync.Committed, o.Result)
		items = append(items, *o.Item)
	}
	return items
}

func (w *world) item(id stacksync.ItemID) stacksync.Item {
	w.Helper()
	res, err := w.svc.GetItem(w.Context(), stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: id})
	require.NoError(w, err)
	return res.Item
}

// pages follows the change log to its end.
func (w *world) pages(cursor stacksync.Cursor, limit int) []stacksync.ChangesPage {
	w.Helper()
	var pages []stacksync.ChangesPage
	for {
		page, err := w.svc.Changes(w.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: cursor, Limit: limit})
		require.NoError(w, err)
		pages = append(pages, page)
		if !page.More {
			return pages
		}
		cursor = page.Cursor
	}
}

// snapshot is all that a client can see of a workspace, and what its owner is charged.
type snapshot struct {
	Revision int64
	Used     int64
	Items    []stacksync.Item
}

func (w *world) snapshot() snapshot {
	w.Helper()
	user, err := w.svc.GetUser(w.Context(), stacksync.GetUserRequest{User: w.actor.User})
	require.NoError(w, err)
	s := snapshot{Used: user.User.QuotaUsed}
	for _, page := range w.pages("", 0) {
		s.Items = append(s.Items, page.Items...)
		s.Revision = page.Revision
	}
	slices.SortFunc(s.Items, func(a, b stacksync.Item) int { return cmp.Compare(a.Revision, b.Revision) })
	return s
}

// charged recomputes what the owner should be charged.
func (s snapshot) charged() int64 {
	var sum int64
	for _, it := range s.Items {
		if !it.Deleted {
			sum += it.Size
		}
	}
	return sum
}

// rows reads straight from the store what the service has no call for.
func (w *world) rows(p stacksync.LoadParams) stacksync.LoadResult {
	w.Helper()
	var rows stacksync.LoadResult
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, r stacksync.Reader) (err error) {
		rows, err = r.Load(ctx, p)
		return err
	}))
	return rows
}

// put writes straight to the store what the service has no call for.
func (w *world) put(p stacksync.PutParams) {
	w.Helper()
	require.NoError(w, w.store.Update(w.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w.ws}}); err != nil {
			return err
		}
		_, err := tx.Put(ctx, p)
		return err
	}))
}
