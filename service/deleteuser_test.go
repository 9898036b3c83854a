package service_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

func TestDeleteUser(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		a := newAccounts()
		c := newClub(t, open(t), onStorage(a), withKey)
		c.account(c.bob.actor)
		del := func(r stacksync.DeleteUserRequest) error {
			_, err := c.svc.DeleteUser(t.Context(), r)
			return err
		}
		var shared *stacksync.SharedWorkspacesError
		require.ErrorAs(t, del(stacksync.DeleteUserRequest{User: "ada"}), &shared)
		require.Equal(t, []stacksync.WorkspaceID{c.ws}, shared.Workspaces)
		require.ErrorIs(t, del(stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{c.ws: "dan"}}), stacksync.ErrMemberNotFound)
		require.ErrorIs(t, del(stacksync.DeleteUserRequest{User: "nobody"}), stacksync.ErrUserNotFound)
		require.Equal(t, shelfTree, c.tree(), "nothing has changed")

		require.NoError(t, del(stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{c.ws: "bob"}}))
		require.Equal(t, map[stacksync.UserID]stacksync.Role{"bob": stacksync.Owner, "eve": stacksync.Viewer}, c.bob.roles())
		require.Equal(t, shelfTree, c.bob.tree())
		require.EqualValues(t, len("deep 2!first"), c.used("bob"))
		_, err := c.svc.GetUser(t.Context(), stacksync.GetUserRequest{User: "ada"})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		_, err = c.svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: c.actor})
		require.ErrorIs(t, err, stacksync.ErrUserNotFound)
		require.Len(t, a.containers(), 4, "hers is gone")

		_, err = c.bob.invite(stacksync.Invitee{User: "dan"})
		require.NoError(t, err)
		require.NoError(t, del(stacksync.DeleteUserRequest{User: "dan"}))
		require.Len(t, a.containers(), 3, "eve is still there")
		require.NoError(t, del(stacksync.DeleteUserRequest{User: "bob", DeleteShared: true}))
		require.Len(t, c.eve.list().Workspaces, 1)
		require.Len(t, a.containers(), 1)
		require.NoError(t, del(stacksync.DeleteUserRequest{User: "eve"}))
		require.Empty(t, a.containers())

		again, ws := c.join("ada")
		require.Equal(t, map[string]string{}, c.home.at(again, ws).tree(), "a new user of that name starts anew")
	})
}

// When the last other member is deleted, the folder returns to its owner.
func TestDeleteLastMember(t *testing.T) {
	c := newClub(t, memory.New(memory.Config{}))
	require.NoError(t, c.unshare("eve"))
	_, err := c.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "bob"})
	require.NoError(t, err)
	require.Equal(t, joined(beside, in("docs", shelfTree)), c.home.tree())
	require.Len(t, c.list().Workspaces, 1)
}

// Who gets the id of a deleted user is somebody else: that one's devices know no secret of the new account, and what that one asked for is
// not shown, whatever the clock says.
func TestUserWithTheIDOfADeletedOne(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		a := newAccounts()
		var back atomic.Int64
		c := newClub(t, open(t), onStorage(a), withKey, func(cfg *service.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		})
		former := c.account(c.actor)
		list := func(actor stacksync.Actor) []stacksync.Operation {
			res, err := c.svc.ListOperations(t.Context(), stacksync.ListOperationsRequest{Actor: actor, Limit: 1})
			require.NoError(t, err)
			return res.Operations
		}
		share := list(c.actor)[0]
		put := a.put
		a.put = func(stacksync.PutAccountParams) error { return stacksync.ErrForbidden }
		_, err := c.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: c.actor, ID: c.device("ada").Device})
		require.ErrorIs(t, err, stacksync.ErrForbidden)
		require.Equal(t, stacksync.OperationKey, list(c.actor)[0].Kind)
		a.put = put
		_, err = c.svc.DeleteUser(t.Context(), stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{c.ws: "bob"}})
		require.NoError(t, err)
		back.Store(int64(time.Hour))
		again, home := c.join("ada")
		require.NotEqual(t, former.Secret, c.account(again).Secret)
		require.Empty(t, list(again))
		theirs := c.at(again, home)
		s := theirs.shelf()
		theirs.share(s.folder.Item, stacksync.Invitee{User: "bob"})
		require.Len(t, list(again), 1)
		_, err = c.svc.ResumeOperation(t.Context(), stacksync.ResumeOperationRequest{Actor: again, Operation: share.ID})
		require.ErrorIs(t, err, stacksync.ErrOperationNotFound)
		require.Equal(t, share.ID, list(c.bob.actor)[0].ID, "it is about a workspace of bob's now")
	})
}
