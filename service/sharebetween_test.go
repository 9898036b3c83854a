package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// afterwards is a store that lets a test act right after a transaction, before its caller hears of it, and then hides that it was saved.
type afterwards struct {
	stacksync.MetadataStore
	saved func(p stacksync.PutParams) (hide bool)
}

func (a *afterwards) Unwrap() stacksync.MetadataStore { return a.MetadataStore }

func (a *afterwards) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	var put stacksync.PutParams
	err := a.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		put = stacksync.PutParams{}
		return fn(ctx, noting{tx, &put})
	})
	if err == nil && a.saved != nil && a.saved(put) {
		return stacksync.ErrUncertain
	}
	return err
}

type noting struct {
	stacksync.Tx
	put *stacksync.PutParams
}

func (n noting) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	n.put.Items, n.put.Operations = append(n.put.Items, p.Items...), append(n.put.Operations, p.Operations...)
	return n.Tx.Put(ctx, p)
}

// meddling is a storage that lets a test act before its calls, or fail them.
type meddling struct {
	*accounts
	setAccess       func(container string) error
	copyChunks      func(names []string) error
	deleteContainer func(container string)
}

func (m *meddling) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	if m.setAccess != nil {
		if err := m.setAccess(p.Container); err != nil {
			return stacksync.SetAccessResult{}, err
		}
	}
	return m.accounts.SetAccess(ctx, p)
}

func (m *meddling) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	if m.copyChunks != nil {
		if err := m.copyChunks(p.Names); err != nil {
			return stacksync.CopyChunksResult{}, err
		}
	}
	return m.accounts.CopyChunks(ctx, p)
}

func (m *meddling) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	if m.deleteContainer != nil {
		m.deleteContainer(p.Container)
	}
	return m.accounts.DeleteContainer(ctx, p)
}

func (m *meddling) DeleteAccount(_ context.Context, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, p.Account)
	return stacksync.DeleteAccountResult{}, nil
}

// A folder that has come over when the rest of it is yet to come, and is renamed then in either workspace, keeps that name.
func TestFolderIsRenamedWhileItReturns(t *testing.T) {
	for _, where := range []string{"in the shared workspace", "in the default workspace"} {
		t.Run(where, func(t *testing.T) {
			store := &afterwards{MetadataStore: memory.New(memory.Config{})}
			w := newWorld(t, store, func(c *service.Config) { c.Limits.PageChunks = 1 }) // files move one by one
			bob, _ := w.join("bob")
			s := w.shelf()
			more := w.file(s.sub.Item, "more.txt", "more")
			w.must(more)
			ws := w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
			renamed := false
			store.saved = func(p stacksync.PutParams) bool {
				if !renamed && slices.ContainsFunc(p.Items, func(row stacksync.ItemRow) bool {
					return row.Workspace == w.ws && row.ID == s.sub.Item && !row.Deleted
				}) {
					renamed = true
					at := w
					if where == "in the shared workspace" {
						at = w.at(w.actor, ws)
					}
					it := at.item(s.sub.Item)
					require.False(t, it.Deleted)
					require.NoError(t, at.commitErr(stacksync.Proposal{Item: it.ID, Version: it.Version + 1, Parent: it.Parent, Name: "renamed", Kind: stacksync.Folder}))
				}
				return false
			}
			require.NoError(t, w.at(bob, ws).leave())
			require.True(t, renamed)
			tree := w.tree()
			require.Subset(t, tree, map[string]string{"docs/renamed": "folder", "docs/renamed/deep.txt": "deep 2!", "docs/renamed/more.txt": "more"})
			require.NotContains(t, tree, "docs/below")
		})
	}
}

// Who is taken out between the last transaction of a share and the news of it is not taken in again.
func TestShareWhoseEndIsUncertain(t *testing.T) {
	store := &afterwards{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, store)
	bob, _ := w.join("bob")
	w.join("eve")
	s := w.shelf()
	var once sync.Once
	store.saved = func(p stacksync.PutParams) (hide bool) {
		for _, op := range p.Operations {
			if op.Kind == stacksync.OperationShare && op.Step == "access" {
				once.Do(func() {
					hide = true
					require.NoError(t, w.at(w.actor, op.Workspace).unshare("bob"))
				})
			}
		}
		return hide
	}
	ws := w.share(s.folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve"}).Workspace.ID
	require.Empty(t, w.at(bob, ws).mounts())
	require.Equal(t, shelfTree, w.at(w.actor, ws).tree())
}

// What members have deleted can be restored when the folder is back, whether it was there before the share or not.
func TestDeletedItemsReturn(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		bob, _ := w.join("bob")
		s := w.shelf()
		theirs := w.at(bob, w.share(s.folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID)
		theirs.ws = w.mounts()[0]
		news := theirs.file(stacksync.ItemID{}, "news.txt", "news")
		theirs.must(news, deletion(news), deletion(s.first))
		require.NoError(t, theirs.leave())
		require.NotContains(t, w.tree(), "docs/first.txt")
		for _, p := range []stacksync.Proposal{news, s.first} {
			it := w.item(p.Item)
			require.True(t, it.Deleted)
			require.Zero(t, it.MovedTo)
			res, err := w.svc.RestoreVersion(t.Context(), stacksync.RestoreVersionRequest{Actor: w.actor, Workspace: w.ws, Item: p.Item, Version: 1, Base: it.Version})
			require.NoError(t, err)
			require.NoError(t, res.Outcome.Err)
		}
		require.Subset(t, w.tree(), map[string]string{"docs/first.txt": "first", "docs/news.txt": "news"})
	})
}

// Tombstones that came over in a transaction of which nobody was told are not brought a second time, under other ids.
func TestDeletedItemsReturnOnce(t *testing.T) {
	store := &afterwards{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, store)
	bob, _ := w.join("bob")
	s := w.shelf()
	w.share(s.folder.Item, stacksync.Invitee{User: "bob"})
	theirs := w.at(bob, w.mounts()[0])
	theirs.must(deletion(s.first), deletion(s.sub))
	hidden := 0
	store.saved = func(p stacksync.PutParams) bool {
		if hidden == 0 && slices.ContainsFunc(p.Items, func(row stacksync.ItemRow) bool {
			return row.Workspace == w.ws && row.ID == s.first.Item && row.Deleted && row.MovedTo.IsZero()
		}) {
			hidden++
			return true
		}
		return false
	}
	require.NoError(t, theirs.leave())
	require.Equal(t, 1, hidden)
	names := map[string]int{}
	res, err := w.store.Changes(t.Context(), stacksync.ChangesParams{Workspace: w.ws, PageBound: stacksync.PageBound{Limit: 100}})
	require.NoError(t, err)
	for _, row := range res.Items {
		names[row.Name]++
	}
	for _, name := range []string{"first.txt", "below", "deep.txt"} {
		require.Equal(t, 1, names[name], "tombstones of %q", name)
	}
}

// A chunk of an old version that is lost is not said to be in the new container.
func TestLostChunkOfAnOldVersion(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	w.join("bob")
	folder := w.folder(stacksync.ItemID{}, "docs")
	file := w.file(folder.Item, "a.txt", "old")
	w.must(folder, file, next(file, func(p *stacksync.Proposal) { p.Chunks, p.Size, p.Checksum = w.upload("newer"), 5, "" }))
	_, err := w.storage.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: w.workspace().Container, Names: []string{chunkOf("old").Name}})
	require.NoError(t, err)
	ws := w.share(folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
	res, err := w.svc.PrepareUpload(t.Context(), stacksync.PrepareUploadRequest{Actor: w.actor, Workspace: ws, Chunks: []stacksync.Chunk{chunkOf("old"), chunkOf("newer")}})
	require.NoError(t, err)
	require.Len(t, res.Missing, 1)
	require.Equal(t, chunkOf("old"), res.Missing[0].Chunk)
}

// Who asks for the storage account, is taken out, and goes away before the storage has answered, has no access left.
func TestGrantIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meddling{accounts: newAccounts()}
		w := newWorld(t, memory.New(memory.Config{}), onStorage(m), withKey)
		bob, _ := w.join("bob")
		w.join("eve")
		shared := w.share(w.shelf().folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve"}).Workspace
		ctx, cancel := context.WithCancel(t.Context())
		m.setAccess = func(container string) error {
			if container == shared.Container {
				m.setAccess = nil
				require.NoError(t, w.at(w.actor, shared.ID).unshare("bob"))
				cancel()
			}
			return nil
		}
		_, err := w.svc.StorageAccount(ctx, stacksync.StorageAccountRequest{Actor: bob})
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Len(t, m.grants[shared.Container], 2, "ada and eve")
	})
}

// From the first transaction of a deletion on there is no such user, and no account at the storage afterwards.
func TestUserIsGoneWhileBeingDeleted(t *testing.T) {
	m := &meddling{accounts: newAccounts()}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(m), withKey)
	bob, bobs := w.join("bob")
	w.account(bob)
	tried := 0
	m.deleteContainer = func(string) {
		tried++
		_, err := w.svc.RegisterDevice(t.Context(), stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: "bob"}, Name: "new"})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		_, err = w.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: bob})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		_, err = w.svc.StorageAccount(t.Context(), stacksync.StorageAccountRequest{Actor: bob})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		_, err = w.svc.Changes(t.Context(), stacksync.ChangesRequest{Actor: bob, Workspace: bobs})
		require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)
		_, err = w.svc.GetUser(t.Context(), stacksync.GetUserRequest{User: "bob"})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		_, err = w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob"})
		require.ErrorIs(t, err, stacksync.ErrBusy)
		_, err = w.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "bob"})
		require.ErrorIs(t, err, stacksync.ErrBusy)
		_, err = w.shareErr(w.shelf().folder.Item, stacksync.Invitee{User: "bob"})
		require.ErrorIs(t, err, stacksync.ErrNobodyInvited)
	}
	_, err := w.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "bob"})
	require.NoError(t, err)
	require.Positive(t, tried)
	require.NotContains(t, m.secrets, accountOf("bob"))
	_, err = w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob"})
	require.NoError(t, err, "and there may be another one of that name")
}

func TestDeleteUserWantsSense(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	w.join("bob")
	ws := w.share(w.shelf().folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
	_, err := w.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{w.ws: "bob"}, DeleteShared: true})
	var field *stacksync.FieldError
	require.ErrorAs(t, err, &field)
	require.Contains(t, field.Field, w.ws.String())
	require.Equal(t, shelfTree, w.at(w.actor, ws).tree(), "nothing has happened")
}

// Who has left learns nothing of how the folder returns, and can't meddle with it.
func TestOperationsAreTheOwners(t *testing.T) {
	m := &meddling{accounts: newAccounts()}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(m), withKey)
	bob, _ := w.join("bob")
	ws := w.share(w.shelf().folder.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
	tried := 0
	m.deleteContainer = func(string) {
		tried++
		theirs, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: bob})
		require.NoError(t, err)
		require.Empty(t, theirs.Operations)
		own, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor, Workspace: ws, State: stacksync.OperationRunning})
		require.NoError(t, err)
		require.Len(t, own.Operations, 1)
		_, err = w.svc.ResumeOperation(t.Context(), stacksync.ResumeOperationRequest{Actor: bob, Operation: own.Operations[0].ID})
		require.ErrorIs(t, err, stacksync.ErrOperationNotFound)
	}
	require.NoError(t, w.at(bob, ws).leave())
	require.Positive(t, tried)
	own, err := w.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: w.actor, Workspace: ws})
	require.NoError(t, err)
	require.Len(t, own.Operations, 2, "the share and the return, of a workspace that is no more")
}

// A new owner sees how the workspace has come about, whichever of the two workspaces is asked for; a member who owns neither does not.
func TestOperationsAreTheNewOwners(t *testing.T) {
	c := newClub(t, memory.New(memory.Config{}))
	require.NoError(t, c.transfer("bob"))
	for _, ws := range []stacksync.WorkspaceID{{}, c.ws, c.home.ws} {
		for actor, n := range map[stacksync.Actor]int{c.actor: 1, c.bob.actor: 1, c.eve.actor: 0} {
			res, err := c.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: actor, Workspace: ws})
			require.NoError(t, err)
			require.Len(t, res.Operations, n, "%s, of %v", actor.User, ws)
		}
	}
}

// An invitation shows what helps to decide on it; members do not see where others have the mount, nor their keys.
func TestWhatOthersSee(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), asking)
	bob, _ := w.join("bob")
	s := w.shelf()
	res, err := w.svc.ShareFolder(t.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: s.sub.Item, Encrypted: true, SealedKey: "for ada",
		Invite: []stacksync.Invitee{{User: "bob", SealedKey: "for bob"}}})
	require.NoError(t, err)
	bobs := w.at(bob, res.Workspace.ID)
	seen := bobs.list().Invitations
	require.Len(t, seen, 1)
	require.Equal(t, stacksync.Workspace{ID: res.Workspace.ID, Owner: "ada", Encrypted: true, CreatedAt: seen[0].Workspace.CreatedAt}, seen[0].Workspace)
	require.Equal(t, stacksync.Member{Workspace: res.Workspace.ID, User: "bob", Role: stacksync.Editor, Pending: true, MountName: "below", JoinedAt: seen[0].Member.JoinedAt}, seen[0].Member)
	require.NoError(t, bobs.accept(res.Workspace.ID))
	members, err := w.svc.ListMembers(t.Context(), stacksync.ListMembersRequest{Actor: bob, Workspace: res.Workspace.ID})
	require.NoError(t, err)
	for _, m := range members.Members {
		require.Empty(t, m.SealedKey)
		require.Zero(t, m.MountParent, "it is a folder of ada's")
		require.Equal(t, m.User == "bob", m.MountName != "")
	}
}

// A request that an operation could not be kept of is refused before anything is saved.
func TestShareWithTooMuch(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Limits.Members = 300 })
	s := w.shelf()
	var invite []stacksync.Invitee
	for i := range 300 {
		user := stacksync.UserID(fmt.Sprint("user ", i))
		w.join(user)
		invite = append(invite, stacksync.Invitee{User: user, SealedKey: strings.Repeat("k", 4096)})
	}
	share := func(invite []stacksync.Invitee) error {
		_, err := w.svc.ShareFolder(t.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: s.folder.Item, Encrypted: true, SealedKey: "k", Invite: invite})
		return err
	}
	require.ErrorIs(t, share(invite), stacksync.ErrLimit)
	require.ErrorContains(t, share(invite), "the owner included")
	require.ErrorIs(t, share(invite[1:]), stacksync.ErrLimit)
	require.ErrorContains(t, share(invite[1:]), "1048576")
	require.Empty(t, w.mounts())
	require.NoError(t, share(invite[100:]))
}

// A mount can't be put where a folder is about to leave from.
func TestMountBelowAFolderThatMoves(t *testing.T) {
	store := &afterwards{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, store)
	w.join("bob")
	s := w.shelf()
	other := w.folder(stacksync.ItemID{}, "other")
	w.must(other)
	ws := w.share(other.Item, stacksync.Invitee{User: "bob"}).Workspace.ID
	tried := 0
	store.saved = func(p stacksync.PutParams) bool {
		if len(p.Operations) > 0 && p.Operations[0].Step == "move" && tried == 0 {
			tried++
			_, err := w.svc.UpdateMount(t.Context(), stacksync.UpdateMountRequest{Actor: w.actor, Workspace: ws, Name: "other", Parent: s.sub.Item})
			require.ErrorIs(t, err, stacksync.ErrBusy)
		}
		return false
	}
	w.share(s.folder.Item, stacksync.Invitee{User: "bob"})
	require.Positive(t, tried)
}
