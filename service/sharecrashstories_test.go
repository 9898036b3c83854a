package service_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service"
)

// story is an operation that can break off anywhere.
type story struct {
	name       string
	share      bool                                           // before
	pageChunks int                                            // Limits.PageChunks
	before     func(c *crashWorld)                            // what else has happened before, if not nil
	do         func(c *crashWorld) error                      //
	undone     func(c *crashWorld, svc *service.Service) bool // whether the caller, who had no answer, has to ask again
	also       func(c *crashWorld, svc *service.Service)      // checks the rest, if not nil
	state      stacksync.OperationState                       // of all operations afterwards
	// What is so afterwards.
	home, common map[string]string // ada's default workspace, and the shared one: nil if there is none
	owner, gone  stacksync.UserID  // of the shared one; who is no user any more
	members      map[stacksync.UserID]stacksync.Permission
}

type permissions = map[stacksync.UserID]stacksync.Permission

var (
	beside  = map[string]string{"beside.txt": "beside"}
	club3   = permissions{"ada": stacksync.ReadWrite, "bob": stacksync.ReadWrite, "eve": stacksync.Read}
	stories = []story{
		{
			name: "share", home: beside, common: shelfTree, owner: "ada", members: club3,
			do:     func(c *crashWorld) error { return c.shareIt(c.ctx) },
			undone: noOperation(stacksync.OperationShare),
		},
		{
			name: "unshare", share: true, home: joined(beside, in("docs", shelfTree)),
			do: func(c *crashWorld) error {
				_, err := c.svc.Unshare(c.ctx, stacksync.UnshareRequest{Actor: c.actor, Workspace: c.shared})
				return err
			},
			undone: noOperation(stacksync.OperationReturn),
		},
		{
			name: "revoke one", share: true, home: beside, common: shelfTree, owner: "ada",
			members: permissions{"ada": stacksync.ReadWrite, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				_, err := c.svc.Unshare(c.ctx, stacksync.UnshareRequest{Actor: c.actor, Workspace: c.shared, Users: []stacksync.UserID{"bob"}})
				return err
			},
		},
		{
			name: "change a role", share: true, home: beside, common: shelfTree, owner: "ada",
			members: permissions{"ada": stacksync.ReadWrite, "bob": stacksync.Read, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				_, err := c.svc.SetRole(c.ctx, stacksync.SetRoleRequest{Actor: c.actor, Workspace: c.shared, User: "bob", Role: stacksync.Viewer})
				return err
			},
		},
		{
			name: "transfer", share: true, home: beside, common: shelfTree, owner: "bob", members: club3,
			do: func(c *crashWorld) error {
				_, err := c.svc.TransferOwnership(c.ctx, stacksync.TransferOwnershipRequest{Actor: c.actor, Workspace: c.shared, To: "bob"})
				return err
			},
			undone: func(c *crashWorld, svc *service.Service) bool {
				return mountOf(c.with(svc).list(), c.shared).Workspace.Owner == "ada"
			},
		},
		{
			name: "delete a member", share: true, home: beside, common: shelfTree, owner: "ada", gone: "bob",
			members: permissions{"ada": stacksync.ReadWrite, "eve": stacksync.Read},
			do:      deleteOne(stacksync.DeleteUserRequest{User: "bob"}), undone: stillUser("bob"),
		},
		{
			name: "delete the owner, who hands over", share: true, common: shelfTree, owner: "bob", gone: "ada",
			members: permissions{"bob": stacksync.ReadWrite, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				return deleteOne(stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{c.shared: "bob"}})(c)
			},
			undone: stillUser("ada"),
		},
		{
			name: "delete the owner with everything", share: true, gone: "ada",
			do: deleteOne(stacksync.DeleteUserRequest{User: "ada", DeleteShared: true}), undone: stillUser("ada"),
		},
		{
			name: "revoke a device", share: true, home: beside, common: shelfTree, owner: "ada", members: club3,
			before: func(c *crashWorld) {
				c.phone = c.device("ada")
				c.known = c.account(c.phone).Secret
			},
			do: func(c *crashWorld) error {
				_, err := c.svc.RevokeDevice(c.ctx, stacksync.RevokeDeviceRequest{Actor: c.actor, ID: c.phone.Device})
				return err
			},
			also: func(c *crashWorld, svc *service.Service) {
				_, err := svc.ListWorkspaces(c.Context(), stacksync.ListWorkspacesRequest{Actor: c.phone})
				require.ErrorIs(c, err, stacksync.ErrDeviceRevoked)
				require.NotEqual(c, c.known, c.accounts.secrets[accountOf("ada")], "the device knows that one")
			},
		},
		{
			name: "ask for an account while the device is revoked", share: true, home: beside, common: shelfTree, owner: "ada", members: club3,
			before: func(c *crashWorld) {
				c.phone = c.device("ada")
				c.known = c.account(c.phone).Secret
			},
			do: func(c *crashWorld) error {
				revoke := c.beside(func(svc *service.Service) error {
					_, err := svc.RevokeDevice(c.Context(), stacksync.RevokeDeviceRequest{Actor: c.actor, ID: c.phone.Device})
					return err
				})
				c.accounts.put = func(stacksync.PutAccountParams) error { return revoke() }
				_, err := c.svc.StorageAccount(c.ctx, stacksync.StorageAccountRequest{Actor: c.phone})
				if errors.Is(err, stacksync.ErrDeviceRevoked) {
					err = nil
				}
				return cmp.Or(revoke(), err)
			},
			undone: func(*crashWorld, *service.Service) bool { return false },
			also: func(c *crashWorld, _ *service.Service) {
				require.NotEqual(c, c.known, c.accounts.secrets[accountOf("ada")], "the device knows that one")
			},
		},
		{
			name: "ask for an account while a member goes", share: true, home: beside, common: shelfTree, owner: "ada",
			members: permissions{"ada": stacksync.ReadWrite, "bob": stacksync.ReadWrite},
			do: func(c *crashWorld) error {
				unshare := c.beside(func(svc *service.Service) error {
					_, err := svc.Unshare(c.Context(), stacksync.UnshareRequest{Actor: c.actor, Workspace: c.shared, Users: []stacksync.UserID{"eve"}})
					return err
				})
				c.accounts.set = func(p stacksync.SetAccessParams) error {
					if len(p.Grants) < 3 { // the default workspace
						return nil
					}
					return unshare()
				}
				_, err := c.svc.StorageAccount(c.ctx, stacksync.StorageAccountRequest{Actor: c.actor})
				return cmp.Or(unshare(), err)
			},
			undone: func(*crashWorld, *service.Service) bool { return false },
		},
		{
			name: "cancel a share", home: joined(beside, in("docs", shelfTree)), state: stacksync.OperationUndone,
			before: (*crashWorld).beginSharing,
			do: func(c *crashWorld) error {
				_, err := c.svc.CancelOperation(c.ctx, stacksync.CancelOperationRequest{Actor: c.actor, Operation: c.operations(c.svc)[0].ID})
				return err
			},
			undone: notUndone,
		},
		{
			name: "undo a share for its owner", home: joined(beside, in("docs", shelfTree)), state: stacksync.OperationUndone,
			before: (*crashWorld).beginSharing,
			do: func(c *crashWorld) error {
				_, err := c.svc.SettleOperation(c.ctx, stacksync.SettleOperationRequest{Operation: c.operations(c.svc)[0].ID, Undo: true})
				return err
			},
			undone: notUndone,
		},
		{
			name: "bring home what has moved", pageChunks: 1, home: joined(beside, in("docs", shelfTree), map[string]string{"docs/late.txt": "late"}),
			before: (*crashWorld).stopHalfWay,
			do: func(c *crashWorld) error {
				_, err := c.svc.SettleOperation(c.ctx, stacksync.SettleOperationRequest{Operation: c.operations(c.svc)[0].ID, Undo: true})
				return err
			},
			undone: func(c *crashWorld, svc *service.Service) bool {
				return c.operations(svc)[0].State == stacksync.OperationStopped
			},
		},
	}
)

// with is the world as another process has it.
func (c *crashWorld) with(svc *service.Service) *world {
	w := *c.world
	w.svc, w.store = svc, c.store.(powered).MetadataStore
	return &w
}

func (c *crashWorld) shareIt(ctx context.Context) error {
	_, err := c.svc.ShareFolder(ctx, stacksync.ShareFolderRequest{
		Actor: c.actor, Workspace: c.ws, Folder: c.folder.folder.Item, Invite: []stacksync.Invitee{{User: "bob"}, {User: "eve", Role: stacksync.Viewer}},
	})
	return err
}

// beginSharing shares the folder while the storage copies nothing, so that it comes no further until it is taken back.
func (c *crashWorld) beginSharing() {
	c.Helper()
	c.meets.Store(&nothing)
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	require.ErrorIs(c, c.shareIt(ctx), context.DeadlineExceeded)
	require.Equal(c, "copy", c.operations(c.svc)[0].Step)
}

var nothing = func([]string) error { return errCut }

// stopHalfWay shares the folder until some of it has moved, and then nothing can ever be copied again of what was added meanwhile.
func (c *crashWorld) stopHalfWay() {
	c.Helper()
	late := c.file(c.folder.folder.Item, "late.txt", "late")
	meet := func(names []string) error {
		switch {
		case slices.Contains(names, late.Chunks[0].Name):
			return &stacksync.ChunksMissingError{Names: names}
		case slices.Contains(names, c.folder.deep.Chunks[0].Name) && !c.has(late.Item):
			c.must(late) // the level above was read before: it is met when first.txt has moved
		}
		return nil
	}
	c.meets.Store(&meet)
	var stopped *stacksync.OperationError
	require.ErrorAs(c, c.shareIt(c.Context()), &stopped)
	require.Equal(c, "move", stopped.Operation.Step)
	require.NotZero(c, c.item(c.folder.first.Item).MovedTo, "some of it has moved")
}

// beside returns a func that does something once, and whole, in another process.
func (c *crashWorld) beside(f func(*service.Service) error) func() error {
	svc, begun := c.process(c, crashInterval), false
	c.Cleanup(func() { require.NoError(c, svc.Close()) })
	return func() error {
		if begun {
			return nil
		}
		begun = true
		return f(svc)
	}
}

func (c *crashWorld) operations(svc *service.Service) []stacksync.Operation {
	c.Helper()
	res, err := svc.ListOperations(c.Context(), stacksync.ListOperationsRequest{Actor: c.actor})
	require.NoError(c, err)
	return res.Operations
}

func noOperation(kind stacksync.OperationKind) func(*crashWorld, *service.Service) bool {
	return func(c *crashWorld, svc *service.Service) bool {
		for _, op := range c.operations(svc) {
			if op.Kind == kind {
				return false
			}
		}
		return true
	}
}

func notUndone(c *crashWorld, svc *service.Service) bool {
	return c.operations(svc)[0].State != stacksync.OperationUndone
}

func deleteOne(r stacksync.DeleteUserRequest) func(*crashWorld) error {
	return func(c *crashWorld) error {
		_, err := c.svc.DeleteUser(c.ctx, r)
		return err
	}
}

func stillUser(id stacksync.UserID) func(*crashWorld, *service.Service) bool {
	return func(c *crashWorld, svc *service.Service) bool {
		_, err := svc.GetUser(c.Context(), stacksync.GetUserRequest{User: id})
		if err == nil {
			return true
		}
		require.ErrorIs(c, err, stacksync.ErrUserNotFound)
		return false
	}
}

// requireEnd checks that all is as the story ends.
func (c *crashWorld) requireEnd(svc *service.Service, s *story) {
	c.Helper()
	w := c.with(svc)
	containers := map[string]bool{}
	used := map[stacksync.UserID]int64{"ada": bytesOf(s.home), "bob": 0, "eve": 0}
	used[s.owner] += bytesOf(s.common)
	for user, actor := range c.actors {
		got, err := svc.GetUser(c.Context(), stacksync.GetUserRequest{User: user})
		if user == s.gone {
			require.ErrorIs(c, err, stacksync.ErrUserNotFound)
			continue
		}
		require.NoError(c, err)
		require.Equal(c, used[user], got.User.QuotaUsed, "charged to %s", user)
		mounts := w.at(actor, w.ws).list().Workspaces
		want := 1
		if s.members[user] != 0 {
			want = 2
		}
		require.Len(c, mounts, want, "workspaces of %s", user)
		for _, m := range mounts {
			containers[m.Container] = true
			switch {
			case !m.Folder.IsZero():
				require.Equal(c, s.owner, m.Owner)
				require.Equal(c, s.common, w.at(actor, m.ID).tree())
				grants := permissions{}
				for _, g := range c.accounts.grants[m.Container] {
					for id := range c.actors {
						if g.Account == accountOf(id) {
							grants[id] = g.Permission
						}
					}
				}
				require.Len(c, c.accounts.grants[m.Container], len(s.members))
				require.Equal(c, s.members, grants, "who reaches the container")
			case user == "ada":
				require.Equal(c, s.home, w.at(actor, m.ID).tree())
			}
		}
	}
	require.ElementsMatch(c, slices.Collect(maps.Keys(containers)), c.accounts.containers(), "no container is orphaned")
	if s.gone != "ada" {
		for _, op := range c.operations(svc) {
			require.Equal(c, cmp.Or(s.state, stacksync.OperationDone), op.State, "%s at %s: %s", op.Kind, op.Step, op.Error)
		}
	}
	if s.also != nil {
		s.also(c, svc)
	}
}

func bytesOf(tree map[string]string) (n int64) {
	for _, content := range tree {
		if content != "folder" {
			n += int64(len(content))
		}
	}
	return n
}
