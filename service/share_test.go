package service_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// at is the same world seen by another actor, in another workspace.
func (w *world) at(actor stacksync.Actor, ws stacksync.WorkspaceID) *world {
	other := *w
	other.actor, other.ws, other.ids = actor, ws, w.ids+1000*(len(actor.User)+int(binary.BigEndian.Uint32(ws.UUID[12:])))
	return &other
}

func (w *world) share(folder stacksync.ItemID, invite ...stacksync.Invitee) stacksync.ShareFolderResult {
	w.Helper()
	res, err := w.svc.ShareFolder(w.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: folder, Invite: invite})
	require.NoError(w, err)
	return res
}

func (w *world) list() stacksync.ListWorkspacesResult {
	w.Helper()
	res, err := w.svc.ListWorkspaces(w.Context(), stacksync.ListWorkspacesRequest{Actor: w.actor})
	require.NoError(w, err)
	return res
}

// tree is the paths of all live items of a workspace, with the content of the files, fetched.
func (w *world) tree() map[string]string {
	w.Helper()
	items := map[stacksync.ItemID]stacksync.Item{}
	for _, page := range w.pages("", 7) {
		for _, it := range page.Items {
			items[it.ID] = it
			if !it.Parent.IsZero() && !it.Deleted {
				require.Contains(w, items, it.Parent, "a parent comes before %q", it.Name)
			}
		}
	}
	tree := map[string]string{}
	for _, it := range items {
		if it.Deleted {
			continue
		}
		path := it.Name
		for at := it.Parent; !at.IsZero(); at = items[at].Parent {
			require.False(w, items[at].Deleted, "%s has a deleted parent", path)
			path = items[at].Name + "/" + path
		}
		content := "folder"
		if it.Kind == stacksync.File {
			content = w.content(it)
		}
		require.NotContains(w, tree, path)
		tree[path] = content
	}
	return tree
}

func (w *world) content(it stacksync.Item) (content string) {
	w.Helper()
	for _, c := range it.Chunks {
		res, err := w.svc.DownloadChunk(w.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: c.Name})
		require.NoError(w, err)
		b, err := io.ReadAll(res.Content)
		require.NoError(w, err)
		require.NoError(w, res.Content.Close())
		content += string(b)
	}
	return content
}

// shelf is a folder to share, with things in it and beside it.
type shelf struct {
	folder, sub, empty, deep, first, gone stacksync.Proposal
}

func (w *world) shelf() shelf {
	var s shelf
	s.folder = w.folder(stacksync.ItemID{}, "docs")
	s.sub = w.folder(s.folder.Item, "sub")
	s.empty = w.folder(s.sub.Item, "empty")
	s.first = w.file(s.folder.Item, "first.txt", "first")
	s.deep = w.file(s.sub.Item, "deep.txt", "deep 1")
	s.gone = w.file(s.folder.Item, "gone.txt", "gone")
	w.must(s.folder, s.sub, s.empty, s.first, s.deep, s.gone, w.file(stacksync.ItemID{}, "beside.txt", "beside"))
	s.deep = next(s.deep, func(p *stacksync.Proposal) { p.Chunks, p.Size, p.Checksum = w.upload("deep 2!"), 7, "" })
	s.sub = next(s.sub, func(p *stacksync.Proposal) { p.Name = "below" })
	w.must(s.deep, s.sub, deletion(s.gone))
	return s
}

var shelfTree = map[string]string{"below": "folder", "below/empty": "folder", "below/deep.txt": "deep 2!", "first.txt": "first"}

func in(folder string, tree map[string]string) map[string]string {
	below := map[string]string{folder: "folder"}
	for path, content := range tree {
		below[folder+"/"+path] = content
	}
	return below
}

func joined(trees ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, t := range trees {
		maps.Copy(all, t)
	}
	return all
}

func TestShareAndReturn(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		bob, _ := w.join("bob")
		eve, _ := w.join("eve")
		s := w.shelf()
		beside := map[string]string{"beside.txt": "beside"}
		require.Equal(t, joined(beside, in("docs", shelfTree)), w.tree())
		before := w.snapshot()
		cursor := w.pages("", 0)[0].Cursor

		res := w.share(s.folder.Item, stacksync.Invitee{User: "bob"})
		require.Equal(t, stacksync.OperationDone, res.Operation.State)
		listed, err := w.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: w.actor})
		require.NoError(t, err)
		i := slices.IndexFunc(listed.Workspaces, func(m stacksync.Mount) bool { return m.ID == res.Workspace.ID })
		require.Equal(t, listed.Workspaces[i].Workspace.Revision, res.Workspace.Revision)
		require.Positive(t, res.Workspace.Revision)
		require.True(t, res.Workspace.Provisioned)
		require.Equal(t, listed.Workspaces[i].Workspace.Size, res.Workspace.Size)
		require.Equal(t, beside, w.tree())
		shared := w.at(w.actor, res.Workspace.ID)
		require.Equal(t, shelfTree, shared.tree())
		require.Equal(t, shelfTree, w.at(bob, res.Workspace.ID).tree())
		require.Equal(t, before.Used, w.snapshot().Used, "the charge is the same")

		// The old feed says where everything has gone, folders last.
		gone := map[stacksync.ItemID]bool{}
		for _, page := range w.pages(cursor, 2) {
			for _, it := range page.Items {
				require.True(t, it.Deleted)
				require.Equal(t, res.Workspace.ID, it.MovedTo)
				require.False(t, gone[it.Parent], "%q comes after its folder", it.Name)
				gone[it.ID] = true
			}
		}
		require.Len(t, gone, 5)

		// Ids and history have come along.
		versions, err := w.svc.ListVersions(t.Context(), stacksync.ListVersionsRequest{Actor: bob, Workspace: res.Workspace.ID, Item: s.deep.Item})
		require.NoError(t, err)
		require.Len(t, versions.Items, 2)
		require.Equal(t, "deep 1", w.at(bob, res.Workspace.ID).content(versions.Items[1]))
		require.Equal(t, int64(2), versions.Items[0].Version)
		folders, err := w.svc.ListVersions(t.Context(), stacksync.ListVersionsRequest{Actor: bob, Workspace: res.Workspace.ID, Item: s.sub.Item})
		require.NoError(t, err)
		require.Len(t, folders.Items, 2)

		// A commit to the old place is told the new one.
		late := next(s.first, func(p *stacksync.Proposal) { p.Name = "late.txt" })
		for _, p := range []stacksync.Proposal{late, deletion(s.first), next(late, func(*stacksync.Proposal) {}), w.folder(s.sub.Item, "new")} {
			o := w.commit(p)[0]
			var moved *stacksync.MovedError
			require.ErrorAs(t, o.Err, &moved)
			require.ErrorIs(t, o.Err, stacksync.ErrConflict)
			require.Equal(t, res.Workspace.ID, moved.To)
			require.Equal(t, stacksync.InConflict, o.Result)
		}
		late.Parent = stacksync.ItemID{} // what lay in the folder lies in the root now
		shared.must(late)

		// Everybody sees it mounted; a stranger nothing.
		mounts := w.list()
		require.Len(t, mounts.Workspaces, 2)
		i = slices.IndexFunc(mounts.Workspaces, func(m stacksync.Mount) bool { return m.ID == res.Workspace.ID })
		require.Equal(t, "docs", mounts.Workspaces[i].Member.MountName)
		require.Len(t, w.at(bob, w.ws).list().Workspaces, 2)
		_, err = w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: eve, Workspace: res.Workspace.ID})
		require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)

		// Bob works in it; then it comes back, as he has left it.
		theirs := w.at(bob, res.Workspace.ID)
		theirs.must(theirs.file(s.sub.Item, "bob.txt", "by bob"), deletion(s.deep))
		_, err = w.svc.Leave(t.Context(), stacksync.LeaveRequest{Actor: w.actor, Workspace: res.Workspace.ID})
		require.ErrorIs(t, err, stacksync.ErrIsOwner)
		_, err = w.svc.Leave(t.Context(), stacksync.LeaveRequest{Actor: bob, Workspace: res.Workspace.ID})
		require.NoError(t, err)
		after := map[string]string{"late.txt": "first", "below": "folder", "below/empty": "folder", "below/bob.txt": "by bob"}
		require.Equal(t, joined(beside, in("docs", after)), w.tree())
		_, err = w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: bob, Workspace: res.Workspace.ID})
		require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)
		require.Len(t, w.list().Workspaces, 1)
		used := int64(0)
		for _, content := range w.tree() {
			if content != "folder" {
				used += int64(len(content))
			}
		}
		require.Equal(t, used, w.snapshot().Used)

		// And goes out again, under the same ids.
		res = w.share(s.folder.Item, stacksync.Invitee{User: "eve", Role: stacksync.Viewer})
		require.Equal(t, after, w.at(eve, res.Workspace.ID).tree())
		_, err = w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: eve, Workspace: res.Workspace.ID, Proposals: []stacksync.Proposal{deletion(late)}})
		require.ErrorIs(t, err, stacksync.ErrRole)
		_, err = w.svc.Unshare(t.Context(), stacksync.UnshareRequest{Actor: w.actor, Workspace: res.Workspace.ID})
		require.NoError(t, err)
		require.Equal(t, joined(beside, in("docs", after)), w.tree())
		ops, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor})
		require.NoError(t, err)
		require.NotEmpty(t, ops.Operations)
		for _, op := range ops.Operations {
			require.Equal(t, stacksync.OperationDone, op.State, fmt.Sprint(op.Kind, op.Step, op.Error))
		}
	})
}

// away is a storage that makes no containers while it is away.
type away struct {
	*storage.Storage
	gone atomic.Bool
}

func (a *away) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	if a.gone.Load() {
		return stacksync.CreateContainerResult{}, errors.New("the storage is away")
	}
	return a.Storage.CreateContainer(ctx, p)
}

// A caller whose answer was lost repeats the call, and is told of the operation that goes on, or of the workspace that the folder is in.
func TestShareFolderAgainNamesTheFirst(t *testing.T) {
	s := &away{Storage: storage.New(storage.Config{})}
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = s })
	w.join("bob")
	docs, sub := w.folder(stacksync.ItemID{}, "docs"), w.folder(stacksync.ItemID{}, "sub")
	sub.Parent = docs.Item
	w.must(docs, sub)
	share := func(ctx context.Context, folder stacksync.ItemID) (stacksync.ShareFolderResult, error) {
		return w.svc.ShareFolder(ctx, stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: folder, Invite: []stacksync.Invitee{{User: "bob"}}})
	}
	s.gone.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := share(ctx, docs.Item)
	var first *stacksync.OperationError
	require.ErrorAs(t, err, &first)
	told := func(folder stacksync.ItemID) {
		_, err := share(t.Context(), folder)
		require.ErrorIs(t, err, stacksync.ErrBusy)
		var again *stacksync.OperationError
		require.ErrorAs(t, err, &again)
		require.Equal(t, first.Operation.ID, again.Operation.ID)
	}
	told(docs.Item)
	told(sub.Item)

	// Also where so many folders are on their way that no other may follow.
	other := w.folder(stacksync.ItemID{}, "other")
	w.must(other)
	var more []stacksync.Operation
	for len(more) < 99 {
		data := fmt.Sprintf(`{"folder":%q}`, w.id())
		more = append(more, stacksync.Operation{
			ID: stacksync.OperationID{UUID: uuid.New()}, Kind: stacksync.OperationReturn, State: stacksync.OperationStopped, Step: "access",
			User: w.actor.User, Workspace: w.ws, Source: stacksync.WorkspaceID{UUID: uuid.New()}, Data: data,
		})
	}
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Operations: more})
		return err
	}))
	_, err = share(t.Context(), other.Item)
	require.ErrorIs(t, err, stacksync.ErrBusy)
	var none *stacksync.OperationError
	require.NotErrorAs(t, err, &none, "no operation moves that one")
	told(docs.Item)

	s.gone.Store(false)
	_, err = w.svc.ResumeOperation(t.Context(), stacksync.ResumeOperationRequest{Actor: w.actor, Operation: first.Operation.ID})
	require.NoError(t, err)
	_, err = share(t.Context(), docs.Item)
	var moved *stacksync.MovedError
	require.ErrorAs(t, err, &moved)
	require.Equal(t, first.Operation.Workspace, moved.To)
}
