package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/service"
)

// fresh returns the configuration of a store with a schema of its own.
func fresh(t testing.TB, server *pgtest.Server) Config {
	t.Helper()
	return Config{DSN: server.DSN(), Schema: server.Schema(t)}
}

func openStore(t testing.TB, config Config) *Store {
	t.Helper()
	store, err := Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func id(kind string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", kind, n))
}

func workspaceID(n int) stacksync.WorkspaceID { return stacksync.WorkspaceID{UUID: id("workspace", n)} }

func put(ctx context.Context, store stacksync.MetadataStore, p stacksync.PutParams) error {
	return store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, p)
		return err
	})
}

func lock(ctx context.Context, store stacksync.MetadataStore, p stacksync.LockParams, inside func() error) error {
	return store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, p); err != nil {
			return err
		}
		return inside()
	})
}

// account returns the rows of a user with one workspace, as PutUser saves them.
func account(n int) stacksync.PutParams {
	user := stacksync.UserID(fmt.Sprint("user-", n))
	return stacksync.PutParams{
		Users:      []stacksync.User{{ID: user, DefaultWorkspace: workspaceID(n)}},
		Workspaces: []stacksync.Workspace{{ID: workspaceID(n), Owner: user, Container: fmt.Sprint("container-", n)}},
		Members:    []stacksync.Member{{Workspace: workspaceID(n), User: user, Role: stacksync.Owner}},
	}
}

// users returns the ids of the users that a store has of those given.
func users(t testing.TB, store stacksync.MetadataStore, ids ...stacksync.UserID) []stacksync.UserID {
	t.Helper()
	var found []stacksync.UserID
	require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Users(ctx, stacksync.UsersParams{IDs: ids})
		for _, u := range res.Users {
			found = append(found, u.ID)
		}
		return err
	}))
	return found
}

// world is a service with one user, who has a device and a stored chunk.
type world struct {
	t     testing.TB
	store *Store
	svc   *service.Service
	actor stacksync.Actor
	ws    stacksync.WorkspaceID
	chunk stacksync.Chunk
}

func newWorld(t testing.TB, store *Store) *world {
	t.Helper()
	svc, err := service.New(store, service.Config{Storage: memory.New(memory.Config{})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
	w := &world{t: t, store: store, svc: svc, actor: stacksync.Actor{User: "ada"}}
	user, err := svc.PutUser(t.Context(), stacksync.PutUserRequest{User: w.actor.User})
	require.NoError(t, err)
	device, err := svc.RegisterDevice(t.Context(), stacksync.RegisterDeviceRequest{Actor: w.actor, Name: "laptop"})
	require.NoError(t, err)
	w.actor.Device, w.ws = device.Device.ID, user.User.DefaultWorkspace
	w.chunk = w.upload("content")
	return w
}

func (w *world) upload(content string) stacksync.Chunk {
	w.t.Helper()
	sum := sha256.Sum256([]byte(content))
	chunk := stacksync.Chunk{Name: hex.EncodeToString(sum[:]), Size: int64(len(content))}
	_, err := w.svc.UploadChunk(w.t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunk, Content: strings.NewReader(content)})
	require.NoError(w.t, err)
	return chunk
}

// file proposes a new file in the root.
func (w *world) file() stacksync.Proposal {
	item := stacksync.NewItemID()
	return stacksync.Proposal{
		Item: item, Version: 1, Name: item.String() + ".txt", Kind: stacksync.File, Size: w.chunk.Size, Chunks: []stacksync.Chunk{w.chunk},
	}
}

func (w *world) folder() stacksync.Proposal {
	item := stacksync.NewItemID()
	return stacksync.Proposal{Item: item, Version: 1, Name: item.String(), Kind: stacksync.Folder}
}

func times(n int, p func() stacksync.Proposal) []stacksync.Proposal {
	all := make([]stacksync.Proposal, n)
	for i := range all {
		all[i] = p()
	}
	return all
}

// next proposes the versions after those given.
func next(proposals []stacksync.Proposal) []stacksync.Proposal {
	all := make([]stacksync.Proposal, len(proposals))
	for i, p := range proposals {
		p.Version++
		p.Attrs = map[string]string{"version": fmt.Sprint(p.Version)}
		all[i] = p
	}
	return all
}

func (w *world) request(proposals ...stacksync.Proposal) stacksync.CommitRequest {
	return stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Atomic: true, Proposals: proposals}
}

func (w *world) commit(proposals ...stacksync.Proposal) stacksync.CommitResult {
	w.t.Helper()
	res, err := w.svc.Commit(w.t.Context(), w.request(proposals...))
	require.NoError(w.t, err)
	for _, o := range res.Outcomes {
		require.NoError(w.t, o.Err)
	}
	return res
}

func (w *world) changes(cursor stacksync.Cursor) stacksync.ChangesPage {
	w.t.Helper()
	page, err := w.svc.Changes(w.t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: cursor})
	require.NoError(w.t, err)
	return page
}

// makeStandby makes a server of the test's own a standby of nobody.
func makeStandby(t testing.TB, server *pgtest.Server) {
	t.Helper()
	data := server.Query(t, "SHOW data_directory")[0][0]
	signal := filepath.Join(data, "standby.signal")
	require.NoError(t, os.WriteFile(signal, nil, 0o600))
	owner, err := os.Stat(data)
	require.NoError(t, err)
	if who, ok := owner.Sys().(*syscall.Stat_t); ok {
		require.NoError(t, os.Chown(signal, int(who.Uid), int(who.Gid)))
	}
	server.Restart(t)
}
