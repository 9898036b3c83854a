package service_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// Of two folders that return each is moved into the other, in one workspace each. Both commits are good; there is no circle in the end.
func TestFoldersOfAReturnMakeNoCircle(t *testing.T) {
	store := &afterwards{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, store, func(c *service.Config) { c.Limits.PageChunks = 1 }) // files move one by one
	bob, _ := w.join("bob")
	root := w.folder(stacksync.ItemID{}, "root")
	a, b := w.folder(root.Item, "a"), w.folder(root.Item, "b")
	w.must(root, a, b, w.file(a.Item, "1", "one"), w.file(b.Item, "2", "two"), w.file(b.Item, "3", "three"), w.file(b.Item, "4", "four"))
	ws := w.share(root.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
	there := map[stacksync.ItemID]bool{}
	crossed := false
	store.saved = func(p stacksync.PutParams) bool {
		for _, row := range p.Items {
			there[row.ID] = there[row.ID] || row.Workspace == w.ws && !row.Deleted
		}
		if !crossed && there[a.Item] && there[b.Item] {
			crossed = true
			for at, into := range map[*world][2]stacksync.ItemID{w: {a.Item, b.Item}, w.at(w.actor, ws): {b.Item, a.Item}} {
				it := at.item(into[0])
				require.NoError(t, at.commitErr(stacksync.Proposal{Item: it.ID, Version: it.Version + 1, Parent: into[1], Name: it.Name, Kind: stacksync.Folder}))
			}
		}
		return false
	}
	require.NoError(t, w.at(bob, ws).leave())
	require.True(t, crossed)
	require.Equal(t, map[string]string{
		"root": "folder", "root/b": "folder", "root/b/a": "folder", "root/b/a/1": "one", "root/b/2": "two", "root/b/3": "three", "root/b/4": "four",
	}, w.tree())
}

// Who has the id of a guest who was deleted while a share went on is somebody else.
func TestShareLeavesOutWhoHasTheIDOfAGuest(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		m := &meddling{accounts: newAccounts()}
		w := newWorld(t, open(t), func(c *service.Config) { c.Storage = m })
		w.join("bob")
		w.join("eve")
		var again stacksync.Actor
		m.copyChunks = func([]string) error {
			if again.User == "" {
				_, err := w.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "bob"})
				require.NoError(t, err)
				again, _ = w.join("bob")
			}
			return nil
		}
		res := w.share(w.shelf().folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve"})
		require.NotEmpty(t, again.User)
		require.Equal(t, map[stacksync.UserID]stacksync.Role{"ada": stacksync.Owner, "eve": stacksync.Editor}, w.at(w.actor, res.Workspace.ID).roles())
		mounts, err := w.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: again})
		require.NoError(t, err)
		require.Len(t, mounts.Workspaces, 1)
	})
}

// A storage that won't be told who reaches a folder neither keeps it as it is, nor piles up what it should be told.
func TestStorageRefusesToBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meddling{accounts: newAccounts()}
		w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = m }, withKey)
		bob, _ := w.join("bob")
		w.join("eve")
		var refusal atomic.Pointer[error]
		refusal.Store(&stacksync.ErrForbidden)
		m.setAccess = func(string) error { return *refusal.Load() }
		_, err := w.svc.ShareFolder(t.Context(), stacksync.ShareFolderRequest{
			Actor: w.actor, Workspace: w.ws, Folder: w.shelf().folder.Item, Invite: []stacksync.Invitee{{User: "bob"}},
		})
		require.ErrorIs(t, err, stacksync.ErrForbidden)
		var operation *stacksync.OperationError
		require.ErrorAs(t, err, &operation)
		shared := w.at(w.actor, operation.Operation.Workspace)
		_, err = shared.invite(stacksync.Invitee{User: "eve"})
		require.ErrorIs(t, err, stacksync.ErrForbidden)
		require.Contains(t, shared.roles(), stacksync.UserID("eve"), "she is in all the same")
		for n := range 20 {
			require.ErrorIs(t, shared.setRole("eve", []stacksync.Role{stacksync.Viewer, stacksync.Editor}[n%2]), stacksync.ErrForbidden)
		}
		stopped, err := w.svc.ListStoppedOperations(t.Context(), stacksync.ListStoppedOperationsRequest{})
		require.NoError(t, err)
		require.Len(t, stopped.Operations, 2, "the share, and the last of the others")

		refusal.Store(&errCut)
		for n := 0; n < 1000 && !errors.Is(err, stacksync.ErrBusy); n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err = w.svc.SetRole(ctx, stacksync.SetRoleRequest{Actor: w.actor, Workspace: shared.ws, User: "eve", Role: []stacksync.Role{stacksync.Viewer, stacksync.Editor}[n%2]})
			cancel()
		}
		require.ErrorIs(t, err, stacksync.ErrBusy)
		refusal.Store(&stacksync.ErrForbidden)
		time.Sleep(time.Hour)

		require.Error(t, w.at(bob, shared.ws).leave())
		require.NoError(t, shared.unshare("eve"), "the folder returns whatever the storage thinks of it")
		require.Equal(t, "first", w.tree()["docs/first.txt"])
	})
}

// A container that is made for a user who has gone meanwhile goes, too.
func TestUserGoesWhileTheContainerIsMade(t *testing.T) {
	m := &creating{accounts: newAccounts()}
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = m })
	m.created = func(container string) {
		m.created = nil
		_, err := w.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "bob"})
		require.NoError(t, err)
		m.made = container
	}
	_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob"})
	require.ErrorIs(t, err, stacksync.ErrBusy)
	_, err = m.WriteChunk(t.Context(), stacksync.WriteChunkParams{Container: m.made, Chunk: chunkOf("x"), Content: strings.NewReader("x")})
	require.Error(t, err, "it is there no more")
	w.join("bob")
}

// creating is a storage that lets a test act before a container is made.
type creating struct {
	*accounts
	created func(container string)
	made    string
}

func (c *creating) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	if c.created != nil && c.made == "" {
		c.created(p.Container)
	}
	return c.accounts.CreateContainer(ctx, p)
}
