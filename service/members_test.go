package service_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// club is a shared folder of ada with bob, an editor, and eve, a viewer; dan is nobody there.
type club struct {
	*world   // ada, in the shared workspace
	home     *world
	bob, eve *world
	dan      stacksync.Actor
}

func newClub(t testing.TB, store stacksync.MetadataStore, configure ...func(*service.Config)) club {
	w := newWorld(t, store, configure...)
	bob, _ := w.join("bob")
	eve, _ := w.join("eve")
	dan, _ := w.join("dan")
	s := w.shelf()
	res := w.share(s.folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve", Role: stacksync.Viewer})
	return club{home: w, world: w.at(w.actor, res.Workspace.ID), bob: w.at(bob, res.Workspace.ID), eve: w.at(eve, res.Workspace.ID), dan: dan}
}

func (w *world) roles() map[stacksync.UserID]stacksync.Role {
	w.Helper()
	res, err := w.svc.ListMembers(w.Context(), stacksync.ListMembersRequest{Actor: w.actor, Workspace: w.ws})
	require.NoError(w, err)
	roles := map[stacksync.UserID]stacksync.Role{}
	for _, m := range res.Members {
		require.Empty(w, m.SealedKey, "others' keys are theirs")
		roles[m.User] = m.Role
	}
	return roles
}

func (w *world) invite(invite ...stacksync.Invitee) (stacksync.InviteResult, error) {
	return w.svc.Invite(w.Context(), stacksync.InviteRequest{Actor: w.actor, Workspace: w.ws, Invite: invite})
}

func (w *world) setRole(u stacksync.UserID, r stacksync.Role) error {
	_, err := w.svc.SetRole(w.Context(), stacksync.SetRoleRequest{Actor: w.actor, Workspace: w.ws, User: u, Role: r})
	return err
}

func (w *world) unshare(users ...stacksync.UserID) error {
	_, err := w.svc.Unshare(w.Context(), stacksync.UnshareRequest{Actor: w.actor, Workspace: w.ws, Users: users})
	return err
}

func (w *world) leave() error {
	_, err := w.svc.Leave(w.Context(), stacksync.LeaveRequest{Actor: w.actor, Workspace: w.ws})
	return err
}

func (w *world) transfer(to stacksync.UserID) error {
	_, err := w.svc.TransferOwnership(w.Context(), stacksync.TransferOwnershipRequest{Actor: w.actor, Workspace: w.ws, To: to})
	return err
}

func (w *world) commitErr(p stacksync.Proposal) error { return w.commitWith(p, 0) }

// commitWith commits with a generation of the key.
func (w *world) commitWith(p stacksync.Proposal, generation int64) error {
	res, err := w.svc.Commit(w.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, KeyGeneration: generation, Proposals: []stacksync.Proposal{p}})
	if err == nil {
		err = res.Outcomes[0].Err
	}
	return err
}

func (w *world) used(u stacksync.UserID) int64 {
	w.Helper()
	res, err := w.svc.GetUser(w.Context(), stacksync.GetUserRequest{User: u})
	require.NoError(w, err)
	return res.User.QuotaUsed
}

func TestMembers(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		c := newClub(t, open(t))
		require.Equal(t, map[stacksync.UserID]stacksync.Role{"ada": stacksync.Owner, "bob": stacksync.Editor, "eve": stacksync.Viewer}, c.roles())

		// Roles count at once.
		require.ErrorIs(t, c.eve.commitErr(c.eve.folder(stacksync.ItemID{}, "by eve")), stacksync.ErrRole)
		require.NoError(t, c.setRole("eve", stacksync.Editor))
		require.NoError(t, c.eve.commitErr(c.eve.folder(stacksync.ItemID{}, "by eve")))
		require.NoError(t, c.setRole("bob", stacksync.Viewer))
		require.ErrorIs(t, c.bob.commitErr(c.bob.folder(stacksync.ItemID{}, "by bob")), stacksync.ErrRole)
		require.ErrorIs(t, c.setRole("ada", stacksync.Editor), stacksync.ErrIsOwner)
		require.ErrorIs(t, c.setRole("dan", stacksync.Editor), stacksync.ErrMemberNotFound)
		require.ErrorIs(t, c.setRole("bob", stacksync.Owner), stacksync.ErrInvalid)

		// Only the owner manages.
		for _, w := range []*world{c.bob, c.eve} {
			_, err := w.invite(stacksync.Invitee{User: "dan"})
			require.ErrorIs(t, err, stacksync.ErrRole)
			require.ErrorIs(t, w.unshare("ada"), stacksync.ErrRole)
			require.ErrorIs(t, w.unshare(), stacksync.ErrRole)
			require.ErrorIs(t, w.setRole("bob", stacksync.Editor), stacksync.ErrRole)
			require.ErrorIs(t, w.transfer("bob"), stacksync.ErrRole)
		}
		require.ErrorIs(t, c.unshare("bob", "ada"), stacksync.ErrIsOwner)
		require.Len(t, c.roles(), 3, "nobody was taken out")

		// Invite: who is a member stays as is.
		res, err := c.invite(stacksync.Invitee{User: "dan", Role: stacksync.Viewer}, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "nobody"})
		require.NoError(t, err)
		require.Len(t, res.Members, 2)
		require.Equal(t, stacksync.Viewer, c.roles()["dan"])
		require.Equal(t, stacksync.Viewer, c.roles()["bob"])
		_, err = c.invite(stacksync.Invitee{User: "nobody"})
		require.ErrorIs(t, err, stacksync.ErrNobodyInvited)

		// Transfer: the charge goes along.
		size := c.used("ada") - int64(len("beside"))
		require.Positive(t, size)
		require.ErrorIs(t, c.transfer("nobody"), stacksync.ErrMemberNotFound)
		limit := size - 1
		_, err = c.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob", QuotaLimit: &limit})
		require.NoError(t, err)
		require.ErrorIs(t, c.transfer("bob"), stacksync.ErrQuotaExceeded)
		require.Zero(t, c.used("bob"))
		limit++
		_, err = c.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "bob", QuotaLimit: &limit})
		require.NoError(t, err)
		require.NoError(t, c.transfer("bob"))
		require.Equal(t, size, c.used("bob"))
		require.EqualValues(t, len("beside"), c.used("ada"))
		require.Equal(t, map[stacksync.UserID]stacksync.Role{"ada": stacksync.Editor, "bob": stacksync.Owner, "dan": stacksync.Viewer, "eve": stacksync.Editor}, c.roles())
		require.ErrorIs(t, c.commitErr(c.file(stacksync.ItemID{}, "more", "more")), stacksync.ErrQuotaExceeded, "it is bob's quota now")
		require.ErrorIs(t, c.unshare("dan"), stacksync.ErrRole)

		// The last to go leaves it to the owner, who now is bob.
		require.NoError(t, c.leave())
		require.NoError(t, c.eve.leave())
		require.Equal(t, map[stacksync.UserID]stacksync.Role{"bob": stacksync.Owner, "dan": stacksync.Viewer}, c.bob.roles())
		require.NoError(t, c.bob.unshare("dan", "who is none"))
		mounts := c.bob.list().Workspaces
		require.Len(t, mounts, 1)
		home := c.home.at(c.bob.actor, mounts[0].ID)
		require.Equal(t, joined(in("docs", shelfTree), map[string]string{"docs/by eve": "folder"}), home.tree())
		require.Equal(t, size, c.used("bob"))
	})
}

func TestInvitationsAreAnswered(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		emails := map[string]stacksync.UserID{"bob@x.test": "bob", "gone@x.test": "gone"}
		w := newWorld(t, open(t), func(c *service.Config) {
			c.AskInvited = true
			c.FindUser = func(_ context.Context, email string) (stacksync.UserID, error) {
				if u, ok := emails[email]; ok {
					return u, nil
				}
				return "", stacksync.ErrUserNotFound
			}
		})
		bob, _ := w.join("bob")
		eve, _ := w.join("eve")
		s := w.shelf()
		_, err := w.svc.ShareFolder(t.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: s.folder.Item, Invite: []stacksync.Invitee{{Email: "x@x.test"}, {Email: "gone@x.test"}}})
		require.ErrorIs(t, err, stacksync.ErrNobodyInvited)
		require.Contains(t, w.tree(), "docs/first.txt", "nothing has happened")
		res := w.share(s.folder.Item, stacksync.Invitee{Email: "bob@x.test"}, stacksync.Invitee{Email: "x@x.test"}, stacksync.Invitee{User: "eve"})
		require.Equal(t, []string{"x@x.test"}, res.Unknown)
		shared := w.at(w.actor, res.Workspace.ID)

		answer := func(actor stacksync.Actor, accept bool) error {
			_, err := w.svc.AnswerInvitation(t.Context(), stacksync.AnswerInvitationRequest{Actor: actor, Workspace: res.Workspace.ID, Accept: accept})
			return err
		}
		theirs := w.at(bob, res.Workspace.ID)
		require.Len(t, theirs.list().Workspaces, 1)
		require.Len(t, theirs.list().Invitations, 1)
		require.ErrorIs(t, theirs.commitErr(theirs.folder(stacksync.ItemID{}, "x")), stacksync.ErrWorkspaceNotFound, "it gives no right yet")
		require.ErrorIs(t, shared.transfer("bob"), stacksync.ErrMemberNotFound)
		require.NoError(t, answer(bob, true))
		require.NoError(t, answer(bob, true), "again")
		require.Equal(t, shelfTree, theirs.tree())
		require.Empty(t, theirs.list().Invitations)

		require.NoError(t, answer(eve, false))
		require.NoError(t, answer(eve, false), "again")
		require.ErrorIs(t, answer(eve, true), stacksync.ErrWorkspaceNotFound)
		require.Len(t, shared.roles(), 2)
		_, err = shared.invite(stacksync.Invitee{User: "eve"})
		require.NoError(t, err)
		require.NoError(t, theirs.leave())
		require.Equal(t, shelfTree, shared.tree(), "somebody is still invited")
		require.NoError(t, answer(eve, false))
		require.Equal(t, joined(beside, in("docs", shelfTree)), w.tree(), "nobody is left")
	})
}

func TestShareFolderRefuses(t *testing.T) {
	c := newClub(t, memory.New(memory.Config{}), func(cfg *service.Config) { cfg.Limits.Members = 3 })
	w := c.home
	other := w.folder(stacksync.ItemID{}, "other")
	inner := w.folder(other.Item, "inner")
	f := w.file(stacksync.ItemID{}, "f", "f")
	w.must(other, inner, f)
	bob := []stacksync.Invitee{{User: "bob"}}
	good := stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: other.Item, Invite: bob}
	for name, row := range map[string]struct {
		change func(*stacksync.ShareFolderRequest)
		want   error
		says   string
	}{
		"the root": {func(r *stacksync.ShareFolderRequest) { r.Folder = stacksync.ItemID{} }, stacksync.ErrInvalid, "Folder"},
		"a file":   {func(r *stacksync.ShareFolderRequest) { r.Folder = f.Item }, stacksync.ErrItemNotFound, ""},
		"unknown":  {func(r *stacksync.ShareFolderRequest) { r.Folder = newID() }, stacksync.ErrItemNotFound, ""},
		"nobody":   {func(r *stacksync.ShareFolderRequest) { r.Invite = nil }, stacksync.ErrLimit, "Invite"},
		"too many": {func(r *stacksync.ShareFolderRequest) { r.Invite = make([]stacksync.Invitee, 4) }, stacksync.ErrLimit, "Invite"},
		"oneself":  {func(r *stacksync.ShareFolderRequest) { r.Invite = []stacksync.Invitee{{User: "ada"}} }, stacksync.ErrInvalid, "Invite[0] is the actor"},
		"twice":    {func(r *stacksync.ShareFolderRequest) { r.Invite = slices.Concat(bob, bob) }, stacksync.ErrInvalid, "Invite[1] is there twice"},
		"user and email": {func(r *stacksync.ShareFolderRequest) {
			r.Invite = []stacksync.Invitee{{User: "bob", Email: "b@x.test"}}
		}, stacksync.ErrInvalid, "Invite[0]"},
		"email": {func(r *stacksync.ShareFolderRequest) { r.Invite = []stacksync.Invitee{{Email: "b@x.test"}} }, errors.ErrUnsupported, "FindUser"},
		"a bad role": {func(r *stacksync.ShareFolderRequest) {
			r.Invite = []stacksync.Invitee{{User: "bob", Role: stacksync.Owner}}
		}, stacksync.ErrInvalid, "Invite[0].Role"},
		"a key":      {func(r *stacksync.ShareFolderRequest) { r.SealedKey = "k" }, stacksync.ErrInvalid, "SealedKey"},
		"no key":     {func(r *stacksync.ShareFolderRequest) { r.Encrypted = true }, stacksync.ErrInvalid, "SealedKey"},
		"a long key": {func(r *stacksync.ShareFolderRequest) { r.SealedKey = strings.Repeat("k", 4097) }, stacksync.ErrInvalid, "SealedKey"},
		"not mine":   {func(r *stacksync.ShareFolderRequest) { r.Actor = c.bob.actor }, stacksync.ErrWorkspaceNotFound, ""},
		"in a shared one": {func(r *stacksync.ShareFolderRequest) {
			r.Workspace = c.ws
			r.Folder = c.must(c.folder(stacksync.ItemID{}, "x"))[0].ID
		}, stacksync.ErrNested, ""},
		"a moved one": {func(r *stacksync.ShareFolderRequest) { r.Folder = mountOf(w.list(), c.ws).Folder }, stacksync.ErrMoved, ""},
	} {
		r := good
		row.change(&r)
		_, err := c.svc.ShareFolder(t.Context(), r)
		require.ErrorIs(t, err, row.want, name)
		require.ErrorContains(t, err, row.says, name)
	}
	_, err := c.svc.UpdateMount(t.Context(), stacksync.UpdateMountRequest{Actor: w.actor, Workspace: c.ws, Name: "deep", Parent: inner.Item})
	require.NoError(t, err)
	_, err = c.svc.ShareFolder(t.Context(), good)
	require.ErrorIs(t, err, stacksync.ErrNested)
	require.ErrorContains(t, err, "mounted")
	require.Contains(t, w.tree(), "other/inner")
	require.Len(t, c.list().Workspaces, 2)
}

// mountOf returns the mount of a workspace.
func mountOf(l stacksync.ListWorkspacesResult, ws stacksync.WorkspaceID) stacksync.Mount {
	for _, m := range l.Workspaces {
		if m.ID == ws {
			return m
		}
	}
	return stacksync.Mount{}
}

func TestMounts(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		c := newClub(t, open(t))
		bob := c.home.at(c.bob.actor, mountOf(c.bob.list(), c.bob.ws).ID)
		for _, m := range bob.list().Workspaces {
			if m.ID != c.ws {
				bob.ws = m.ID
			}
		}
		docs := bob.folder(stacksync.ItemID{}, "work")
		file := bob.file(docs.Item, "taken", "x")
		bob.must(docs, file)
		update := func(name string, parent stacksync.ItemID) error {
			_, err := c.svc.UpdateMount(t.Context(), stacksync.UpdateMountRequest{Actor: bob.actor, Workspace: c.ws, Name: name, Parent: parent})
			return err
		}
		require.NoError(t, update("club", docs.Item))
		require.NoError(t, update("club", docs.Item), "again")
		require.Equal(t, "club", mountOf(bob.list(), c.ws).Member.MountName)
		require.Equal(t, "docs", mountOf(c.list(), c.ws).Member.MountName, "others have their own")
		require.ErrorIs(t, update("taken", docs.Item), stacksync.ErrNameTaken)
		require.ErrorIs(t, update("a/b", docs.Item), stacksync.ErrName)
		require.ErrorIs(t, update("x", file.Item), stacksync.ErrParentNotFolder)
		require.ErrorIs(t, update("x", newID()), stacksync.ErrParentNotFound)
		bob.must(deletion(docs))
		require.ErrorIs(t, update("x", docs.Item), stacksync.ErrParentDeleted)
		_, err := c.svc.UpdateMount(t.Context(), stacksync.UpdateMountRequest{Actor: bob.actor, Workspace: bob.ws, Name: "x"})
		require.ErrorIs(t, err, stacksync.ErrNotShared)

		// A second share of the same name gets a number at those who have the first.
		again := c.home.folder(stacksync.ItemID{}, "club")
		c.home.must(again)
		require.NoError(t, update("club", stacksync.ItemID{}))
		res := c.home.share(again.Item, stacksync.Invitee{User: "bob"})
		require.Equal(t, "club (2)", mountOf(bob.list(), res.Workspace.ID).Member.MountName)
	})
}

func TestUnread(t *testing.T) {
	c := newClub(t, memory.New(memory.Config{}))
	cursor := c.bob.pages("", 0)[0].Cursor
	unread := func() bool {
		res, err := c.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: c.bob.actor, Cursors: map[stacksync.WorkspaceID]stacksync.Cursor{c.ws: cursor}})
		require.NoError(t, err)
		return mountOf(res, c.ws).Unread
	}
	require.False(t, unread())
	c.must(c.folder(stacksync.ItemID{}, "new"))
	require.True(t, unread())
	cursor = c.bob.pages(cursor, 0)[0].Cursor
	require.False(t, unread())
	cursor = "damaged"
	require.True(t, unread())
}

func TestFollowWorkspaces(t *testing.T) {
	c := newClub(t, memory.New(memory.Config{}))
	lists := make(chan stacksync.ListWorkspacesResult)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for list, err := range c.svc.FollowWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: c.bob.actor}) {
			if err != nil {
				ended <- err
				return
			}
			lists <- list
		}
	}()
	require.Equal(t, stacksync.Editor, mountOf(<-lists, c.ws).Member.Role)
	require.NoError(t, c.setRole("bob", stacksync.Viewer))
	require.Equal(t, stacksync.Viewer, mountOf(<-lists, c.ws).Member.Role)
	require.NoError(t, c.setRole("eve", stacksync.Editor))
	<-lists // of others, too
	require.NoError(t, c.unshare("bob"))
	require.Len(t, (<-lists).Workspaces, 1)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	for _, err := range c.svc.FollowWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: stacksync.Actor{User: "nobody"}}) {
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
	}
}
