package service_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service"
)

func (w *world) shareErr(folder stacksync.ItemID, invite ...stacksync.Invitee) (stacksync.WorkspaceID, error) {
	res, err := w.svc.ShareFolder(w.Context(), stacksync.ShareFolderRequest{Actor: w.actor, Workspace: w.ws, Folder: folder, Invite: invite})
	return res.Workspace.ID, err
}

func (w *world) accept(ws stacksync.WorkspaceID) error {
	_, err := w.svc.AnswerInvitation(w.Context(), stacksync.AnswerInvitationRequest{Actor: w.actor, Workspace: ws, Accept: true})
	return err
}

func (w *world) limit(bytes int64) {
	w.Helper()
	_, err := w.svc.PutUser(w.Context(), stacksync.PutUserRequest{User: w.actor.User, QuotaLimit: &bytes})
	require.NoError(w, err)
}

// oneOf wants an error, if it is one, to be one of some.
func oneOf(t require.TestingT, err error, want ...error) {
	if err != nil && !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		require.Fail(t, "unexpected error", "%v", err)
	}
}

func succeeded(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

// mounts are the shared workspaces of which a user is a member.
func (w *world) mounts() (shared []stacksync.WorkspaceID) {
	w.Helper()
	for _, m := range w.list().Workspaces {
		if !m.Folder.IsZero() {
			shared = append(shared, m.ID)
		}
	}
	return shared
}

// pair shares the shelf of ada with some others.
func (a *arena) pair(with ...string) (s shelf, ada, bob *world) {
	s = a.ada.shelf()
	ws := a.ada.share(s.folder.Item, a.invitees(with...)...).Workspace.ID
	return s, a.ada.at(a.ada.actor, ws), a.ada.at(a.bob.actor, ws)
}

// Of two shares of the same folder one wins; the other finds the folder moving (ErrBusy) or gone (ErrMoved).
func TestRaceSameFolderSharedTwice(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s := a.ada.shelf()
		share := func(with string) func() error {
			return func() error { _, err := a.ada.shareErr(s.folder.Item, a.invitees(with)...); return err }
		}
		errs := a.meet(share("bob"), share("eve"))
		require.Equal(a, 1, succeeded(errs), "%v", errs)
		for _, err := range errs {
			oneOf(a, err, stacksync.ErrBusy, stacksync.ErrMoved)
		}
		require.Len(a, a.ada.mounts(), 1)
		require.Equal(a, shelfTree, a.ada.at(a.ada.actor, a.ada.mounts()[0]).tree())
		require.Len(a, append(a.bob.mounts(), a.eve.mounts()...), 1)
	})
}

// Of a folder and one in it only one is shared: the other is moving (ErrBusy), holds a mount (ErrNested), or is gone (ErrMoved).
func TestRaceNestedShares(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s := a.ada.shelf()
		errs := a.meet(
			func() error { _, err := a.ada.shareErr(s.folder.Item, a.invitees("bob")...); return err },
			func() error { _, err := a.ada.shareErr(s.sub.Item, a.invitees("bob")...); return err },
			func() error { _, err := a.ada.shareErr(s.empty.Item, a.invitees("eve")...); return err },
		)
		require.Equal(a, 1, succeeded(errs), "%v", errs)
		for _, err := range errs {
			oneOf(a, err, stacksync.ErrBusy, stacksync.ErrNested, stacksync.ErrMoved)
		}
		require.Len(a, a.ada.mounts(), 1)
	})
}

// A folder that is deleted while it is shared is either gone, and the share undone, or it lives on in the new workspace, with whatever of it
// had moved before the deletion came. Each file is in one place, or was deleted by that commit.
func TestRaceShareAndDelete(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s := a.ada.shelf()
		deleter := a.ada.at(a.device(a.ada.actor.User), a.ada.ws)
		var ws stacksync.WorkspaceID
		errs := a.meet(
			func() (err error) { ws, err = a.ada.shareErr(s.folder.Item, a.invitees("bob")...); return err },
			func() error { return deleter.commitErr(deletion(s.folder)) },
		)
		oneOf(a, errs[1], stacksync.ErrMoved)
		if errs[0] != nil {
			var stopped *stacksync.OperationError
			if errors.As(errs[0], &stopped) {
				require.Equal(a, stacksync.OperationUndone, stopped.Operation.State, "%v", errs[0])
			} else {
				oneOf(a, errs[0], stacksync.ErrItemNotFound)
			}
			require.NoError(a, errs[1])
			require.Equal(a, beside, a.ada.tree())
			require.Empty(a, append(a.ada.mounts(), a.bob.mounts()...))
			return
		}
		require.Equal(a, beside, a.ada.tree())
		require.Equal(a, a.ada.mounts(), a.bob.mounts())
		tree := a.bob.at(a.bob.actor, ws).tree()
		if errs[1] != nil {
			require.Equal(a, shelfTree, tree)
		}
		for _, f := range []stacksync.Proposal{s.first, s.deep} {
			it := a.ada.item(f.Item)
			require.True(a, it.Deleted)
			if it.MovedTo.IsZero() {
				require.NoError(a, errs[1], "nobody has deleted %q", f.Name)
			} else {
				require.False(a, a.ada.at(a.ada.actor, ws).item(f.Item).Deleted)
			}
		}
	})
}

// A share that is cancelled is undone, and the folder as it was; or it is too late (ErrConflict), and the share is done.
func TestRaceShareAndCancel(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s := a.ada.shelf()
		errs := a.meet(
			func() error { _, err := a.ada.shareErr(s.folder.Item, a.invitees("bob")...); return err },
			func() error {
				for {
					ops, err := a.svc.ListOperations(a.Context(), stacksync.ListOperationsRequest{Actor: a.ada.actor})
					if err != nil {
						return err
					}
					if len(ops.Operations) > 0 {
						_, err = a.svc.CancelOperation(a.Context(), stacksync.CancelOperationRequest{Actor: a.ada.actor, Operation: ops.Operations[0].ID})
						return err
					}
					time.Sleep(time.Millisecond)
				}
			},
		)
		require.Equal(a, 1, succeeded(errs), "%v", errs)
		if errs[0] == nil {
			require.ErrorIs(a, errs[1], stacksync.ErrConflict)
			require.Len(a, a.bob.mounts(), 1)
			return
		}
		require.ErrorAs(a, errs[0], new(*stacksync.OperationError))
		require.Empty(a, a.bob.mounts())
		require.Contains(a, a.ada.tree(), "docs/below/deep.txt")
	})
}

// Once Unshare has returned, nothing that its user sends is saved, whatever was on its way; the user's feeds end, and nothing can be uploaded.
func TestRaceRevokeAndCommit(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, bob := a.pair("bob", "eve")
		followed := make(chan error, 1)
		go func() {
			for _, err := range bob.svc.Follow(a.Context(), stacksync.FollowRequest{Actor: bob.actor, Workspace: bob.ws}) {
				if err != nil {
					followed <- err
				}
			}
		}()
		var over atomic.Bool
		commits := func(w *world, user string) func() error {
			return func() error {
				for n := 0; ; n++ {
					last := over.Load()
					err := w.commitErr(stacksync.Proposal{Item: newID(), Version: 1, Name: fmt.Sprint(user, n), Kind: stacksync.Folder})
					if err != nil || last && n > 3 {
						return err
					}
				}
			}
		}
		var at int64 // bob's last revision, after the call has returned
		errs := a.meet(commits(bob, "bob"), commits(a.ada.at(a.eve.actor, ada.ws), "eve"), func() error {
			defer over.Store(true)
			err := ada.unshare(bob.actor.User)
			at = ada.lastOf(bob.actor.User)
			return err
		})
		require.ErrorIs(a, errs[0], stacksync.ErrWorkspaceNotFound)
		require.NoError(a, errs[1])
		require.NoError(a, errs[2])
		require.Equal(a, at, ada.lastOf(bob.actor.User), "a commit was saved after the call had returned")
		require.ErrorIs(a, <-followed, stacksync.ErrWorkspaceNotFound)
		_, err := a.svc.PrepareUpload(a.Context(), stacksync.PrepareUploadRequest{Actor: bob.actor, Workspace: bob.ws, Chunks: []stacksync.Chunk{chunkOf("x")}})
		require.ErrorIs(a, err, stacksync.ErrWorkspaceNotFound)
	})
}

// lastOf returns the revision of the last change that a user has made.
func (w *world) lastOf(user stacksync.UserID) (last int64) {
	w.Helper()
	for _, page := range w.pages("", 0) {
		for _, it := range page.Items {
			if it.User == user {
				last = max(last, it.Revision)
			}
		}
	}
	return last
}

// A transfer moves exactly the bytes there are, and fits the new owner's limit with all that is committed beside it, or fails.
func TestRaceTransferAndQuota(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, bob := a.pair("bob", "eve")
		const limit = 40 // the shelf has 12 bytes
		a.bob.limit(limit)
		a.ada.limit(30)
		grow := func(w *world) func() error {
			content := "0123456"
			chunks := w.upload(content)
			return func() error {
				for n := range 4 {
					p := stacksync.Proposal{Item: newID(), Version: 1, Name: fmt.Sprint(w.actor.User, n), Kind: stacksync.File, Size: int64(len(content)), Chunks: chunks}
					err := w.commitErr(p)
					oneOf(w, err, stacksync.ErrQuotaExceeded)
					if err == nil && n%2 == 1 {
						require.NoError(w, w.commitErr(deletion(p)))
					}
					e := a.estate()
					require.LessOrEqual(w, e.users[a.name("bob")].QuotaUsed, int64(limit))
					require.LessOrEqual(w, e.users[a.name("ada")].QuotaUsed, int64(30))
				}
				return nil
			}
		}
		errs := a.meet(grow(a.bob), grow(bob), grow(a.ada), func() error { return ada.transfer(a.name("bob")) })
		oneOf(a, errs[3], stacksync.ErrQuotaExceeded)
		owner := stacksync.Owner
		if errs[3] != nil {
			owner = stacksync.Editor
		}
		require.Equal(a, owner, ada.roles()[a.name("bob")])
	})
}

// Who is to become the owner and leaves at the same time is the owner (ErrIsOwner), or is gone (ErrMemberNotFound): an owner always stays.
func TestRaceTransferAndLeave(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, bob := a.pair("bob", "eve")
		errs := a.meet(bob.leave, func() error { return ada.transfer(bob.actor.User) })
		require.Equal(a, 1, succeeded(errs), "%v", errs)
		oneOf(a, errs[0], stacksync.ErrIsOwner)
		oneOf(a, errs[1], stacksync.ErrMemberNotFound)
		require.Equal(a, errs[1] == nil, ada.roles()[bob.actor.User] == stacksync.Owner)
	})
}

// When the last one leaves, the folder returns; a transfer comes before, or finds no member, or the workspace returning or gone.
func TestRaceTransferAndLastLeaves(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		s, ada, bob := a.pair("bob")
		errs := a.meet(bob.leave, func() error { return ada.transfer(bob.actor.User) }, func() error {
			return a.ada.commitErr(a.ada.folder(stacksync.ItemID{}, s.folder.Name)) // takes the name that the folder had
		})
		oneOf(a, errs[2], stacksync.ErrNameTaken) // by the folder, which is back already
		require.Equal(a, 1, succeeded(errs[:2]), "%v", errs)
		oneOf(a, errs[0], stacksync.ErrIsOwner)
		oneOf(a, errs[1], stacksync.ErrMemberNotFound, stacksync.ErrBusy, stacksync.ErrWorkspaceNotFound)
		if errs[0] == nil {
			require.Empty(a, a.ada.mounts())
			require.Contains(a, a.ada.tree(), "docs")
			require.Equal(a, errs[2] == nil, a.ada.tree()["docs (2)"] == "folder")
		}
	})
}

// An invitation comes before all are taken out, and is taken out too, or it finds the folder on its way back: in the end nobody is in it.
func TestRaceUnshareAndInvite(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, _ := a.pair("bob")
		errs := a.meet(func() error { return ada.unshare() }, func() error { _, err := ada.invite(a.invitees("eve")...); return err })
		require.NoError(a, errs[0])
		oneOf(a, errs[1], stacksync.ErrBusy, stacksync.ErrWorkspaceNotFound)
		require.Empty(a, slices.Concat(a.ada.mounts(), a.bob.mounts(), a.eve.mounts()))
		require.Equal(a, joined(beside, in("docs", shelfTree)), a.ada.tree())
	})
}

func asking(c *service.Config) { c.AskInvited = true }

// Who accepts while taken out is out, whatever the answer was; who accepts while the owner changes is in.
func TestRaceAccept(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, bob := a.pair("bob", "eve")
		require.NoError(a, a.eve.accept(ada.ws))
		errs := a.meet(func() error { return a.bob.accept(ada.ws) }, func() error { return ada.transfer(a.name("eve")) })
		require.NoError(a, errs[0])
		require.NoError(a, errs[1])
		require.Equal(a, map[stacksync.UserID]stacksync.Role{a.name("ada"): stacksync.Editor, a.name("bob"): stacksync.Editor, a.name("eve"): stacksync.Owner}, bob.roles())

		eve := a.ada.at(a.eve.actor, ada.ws)
		require.NoError(a, bob.leave())
		_, err := eve.invite(a.invitees("bob")...)
		require.NoError(a, err)
		errs = a.meet(func() error { return a.bob.accept(ada.ws) }, func() error { return eve.unshare(bob.actor.User) })
		oneOf(a, errs[0], stacksync.ErrWorkspaceNotFound)
		require.NoError(a, errs[1])
		require.Empty(a, a.bob.list().Invitations)
	}, asking)
}

// A user who is deleted is in nothing afterwards, whoever invites, makes an owner of, or commits with that user meanwhile. Who invites too
// late finds nobody.
func TestRaceDeleteUser(t *testing.T) {
	t.Parallel()
	onRaces(t, func(a *arena) {
		_, ada, bob := a.pair("bob", "eve")
		other := a.ada.folder(stacksync.ItemID{}, "other")
		a.ada.must(other)
		errs := a.meet(
			func() error {
				for {
					_, err := a.svc.DeleteUser(a.Context(), stacksync.DeleteUserRequest{User: bob.actor.User, DeleteShared: true})
					if !errors.Is(err, stacksync.ErrBusy) {
						return err
					}
					time.Sleep(time.Millisecond)
				}
			},
			func() error { _, err := a.ada.shareErr(other.Item, a.invitees("bob", "eve")...); return err },
			func() error { _, err := ada.invite(a.invitees("bob")...); return err },
			func() error { return bob.commitErr(bob.folder(stacksync.ItemID{}, "by bob")) },
		)
		require.NoError(a, errs[0])
		require.NoError(a, errs[1])
		oneOf(a, errs[2], stacksync.ErrNobodyInvited)
		oneOf(a, errs[3], stacksync.ErrWorkspaceNotFound, stacksync.ErrUserNotFound)
		_, err := a.svc.GetUser(a.Context(), stacksync.GetUserRequest{User: bob.actor.User})
		require.ErrorIs(a, err, stacksync.ErrUserNotFound)
		for ws, members := range a.estate().members {
			require.False(a, slices.ContainsFunc(members, func(m stacksync.Member) bool { return m.User == bob.actor.User }), "workspace %v", ws)
		}
		require.Len(a, a.eve.mounts(), 2)
	})
}
