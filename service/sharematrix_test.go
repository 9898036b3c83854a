package service_test

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// cast is everybody who could try a call on a shared workspace. ada owns it.
type cast struct {
	*world // ada, in the shared workspace
	who    map[string]stacksync.Actor
	file   stacksync.Proposal // of two versions, at the path below/deep.txt
	op     stacksync.OperationID
}

// trials is the order in which they try: who can change most comes last.
var trials = []string{"stranger", "removed", "unknown", "revoked device", "foreign device", "pending", "viewer", "editor", "no device", "owner"}

func newCast(t testing.TB) *cast {
	w := newWorld(t, memory.New(memory.Config{}), onStorage(newAccounts()), withKey, asking)
	who := map[string]stacksync.Actor{"owner": w.actor}
	for role, user := range map[string]stacksync.UserID{"stranger": "dan", "removed": "rob", "pending": "pam", "viewer": "eve", "editor": "bob"} {
		who[role], _ = w.join(user)
	}
	s := w.shelf()
	res := w.share(s.folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve", Role: stacksync.Viewer}, stacksync.Invitee{User: "pam"}, stacksync.Invitee{User: "rob"})
	c := &cast{world: w.at(w.actor, res.Workspace.ID), who: who, file: s.deep, op: res.Operation.ID}
	for _, member := range []string{"editor", "viewer", "removed"} {
		require.NoError(t, w.at(who[member], w.ws).accept(c.ws))
	}
	require.NoError(t, c.unshare("rob"))
	revoked := w.device("ada")
	require.NoError(t, w.revoke(revoked.Device))
	who["revoked device"] = revoked
	who["unknown"] = stacksync.Actor{User: "nobody", Device: w.actor.Device}
	who["foreign device"] = stacksync.Actor{User: "ada", Device: who["stranger"].Device}
	who["no device"] = stacksync.Actor{User: "ada"}
	return c
}

// Who gets which error; others are let in.
var (
	anybody  = map[string]error{}
	oneself  = map[string]error{"unknown": stacksync.ErrUserNotFound, "foreign device": stacksync.ErrDeviceNotFound, "revoked device": stacksync.ErrDeviceRevoked}
	outside  = also(oneself, stacksync.ErrWorkspaceNotFound, "stranger", "removed", "unknown", "pending")
	members  = outside
	content  = also(members, stacksync.ErrInvalid, "no device")
	editors  = also(content, stacksync.ErrRole, "viewer")
	managers = also(members, stacksync.ErrRole, "viewer", "editor")
	asked    = also(oneself, stacksync.ErrOperationNotFound, "stranger", "removed", "pending", "viewer", "editor")
)

func also(m map[string]error, err error, who ...string) map[string]error {
	m = maps.Clone(m)
	for _, w := range who {
		m[w] = err
	}
	return m
}

// tried is a call that somebody tries, about a workspace and an operation that may not exist.
type tried struct {
	*cast
	actor stacksync.Actor
	ws    stacksync.WorkspaceID
	op    stacksync.OperationID
}

// matrix says for each method of SyncService and HostService who may call it. Each row is tried by all of the cast, in order.
var matrix = map[string]struct {
	want map[string]error
	call func(c tried) error
}{
	"PutUser": {anybody, func(c tried) error { // a call of the host: it has no actor
		_, err := c.svc.PutUser(c.Context(), stacksync.PutUserRequest{User: "somebody"})
		return err
	}},
	"GetUser": {anybody, func(c tried) error {
		_, err := c.svc.GetUser(c.Context(), stacksync.GetUserRequest{User: "ada"})
		return err
	}},
	"DeleteUser": {anybody, func(c tried) error {
		c.join("somebody")
		_, err := c.svc.DeleteUser(c.Context(), stacksync.DeleteUserRequest{User: "somebody"})
		return err
	}},
	"RegisterDevice": {oneself, func(c tried) error {
		_, err := c.svc.RegisterDevice(c.Context(), stacksync.RegisterDeviceRequest{Actor: c.actor})
		return err
	}},
	"ListDevices": {oneself, func(c tried) error {
		_, err := c.svc.ListDevices(c.Context(), stacksync.ListDevicesRequest{Actor: c.actor})
		return err
	}},
	"RevokeDevice": {oneself, func(c tried) error {
		spare := stacksync.DeviceID{UUID: uuid.New()}
		if c.actor.User != "nobody" {
			_, err := c.svc.RegisterDevice(c.Context(), stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: c.actor.User}, ID: spare})
			require.NoError(c, err)
		}
		_, err := c.svc.RevokeDevice(c.Context(), stacksync.RevokeDeviceRequest{Actor: c.actor, ID: spare})
		return err
	}},
	"ListWorkspaces": {oneself, func(c tried) error {
		_, err := c.svc.ListWorkspaces(c.Context(), stacksync.ListWorkspacesRequest{Actor: c.actor})
		return err
	}},
	"FollowWorkspaces": {oneself, func(c tried) error {
		for _, err := range c.svc.FollowWorkspaces(c.Context(), stacksync.ListWorkspacesRequest{Actor: c.actor}) {
			return err
		}
		return errors.New("yielded nothing")
	}},
	"Commit": {editors, func(c tried) error {
		p := stacksync.Proposal{Item: newID(), Version: 1, Name: uuid.NewString(), Kind: stacksync.File, Size: 7, Chunks: c.file.Chunks}
		res, err := c.svc.Commit(c.Context(), stacksync.CommitRequest{Actor: c.actor, Workspace: c.ws, Proposals: []stacksync.Proposal{p}})
		if err == nil {
			err = res.Outcomes[0].Err
		}
		return err
	}},
	"Changes": {members, func(c tried) error {
		_, err := c.svc.Changes(c.Context(), stacksync.ChangesRequest{Actor: c.actor, Workspace: c.ws})
		return err
	}},
	"Follow": {members, func(c tried) error {
		for _, err := range c.svc.Follow(c.Context(), stacksync.FollowRequest{Actor: c.actor, Workspace: c.ws}) {
			return err
		}
		return errors.New("yielded nothing")
	}},
	"GetItem": {members, func(c tried) error {
		_, err := c.svc.GetItem(c.Context(), stacksync.GetItemRequest{Actor: c.actor, Workspace: c.ws, Item: c.file.Item})
		return err
	}},
	"GetItemByPath": {members, func(c tried) error {
		_, err := c.svc.GetItemByPath(c.Context(), stacksync.GetItemByPathRequest{Actor: c.actor, Workspace: c.ws, Path: "below/deep.txt"})
		return err
	}},
	"ListChildren": {members, func(c tried) error {
		_, err := c.svc.ListChildren(c.Context(), stacksync.ListChildrenRequest{Actor: c.actor, Workspace: c.ws, Parent: c.file.Parent})
		return err
	}},
	"ListVersions": {members, func(c tried) error {
		_, err := c.svc.ListVersions(c.Context(), stacksync.ListVersionsRequest{Actor: c.actor, Workspace: c.ws, Item: c.file.Item})
		return err
	}},
	"RestoreVersion": {editors, func(c tried) error {
		_, err := c.svc.RestoreVersion(c.Context(), stacksync.RestoreVersionRequest{Actor: c.actor, Workspace: c.ws, Item: c.file.Item, Version: 1, Base: 2})
		return err
	}},
	"PrepareUpload": {editors, func(c tried) error {
		_, err := c.svc.PrepareUpload(c.Context(), stacksync.PrepareUploadRequest{Actor: c.actor, Workspace: c.ws, Chunks: []stacksync.Chunk{chunkOf("new")}})
		return err
	}},
	"UploadChunk": {editors, func(c tried) error {
		_, err := c.svc.UploadChunk(c.Context(), stacksync.UploadChunkRequest{Actor: c.actor, Workspace: c.ws, Chunk: chunkOf("new"), Content: bytes.NewBufferString("new")})
		return err
	}},
	"PrepareDownload": {content, func(c tried) error {
		_, err := c.svc.PrepareDownload(c.Context(), stacksync.PrepareDownloadRequest{Actor: c.actor, Workspace: c.ws, Names: []string{c.file.Chunks[0].Name}})
		return err
	}},
	"DownloadChunk": {content, func(c tried) error {
		res, err := c.svc.DownloadChunk(c.Context(), stacksync.DownloadChunkRequest{Actor: c.actor, Workspace: c.ws, Name: c.file.Chunks[0].Name})
		if err == nil {
			err = res.Content.Close()
		}
		return err
	}},
	"StorageAccount": {also(oneself, stacksync.ErrInvalid, "no device"), func(c tried) error {
		_, err := c.svc.StorageAccount(c.Context(), stacksync.StorageAccountRequest{Actor: c.actor})
		return err
	}},
	// That an owner shares folders of a default workspace is in TestShareAndReturn.
	"ShareFolder": {also(managers, stacksync.ErrNested, "owner", "no device"), func(c tried) error {
		_, err := c.svc.ShareFolder(c.Context(), stacksync.ShareFolderRequest{Actor: c.actor, Workspace: c.ws, Folder: c.file.Parent, Invite: []stacksync.Invitee{{User: "dan"}}})
		return err
	}},
	"Invite": {managers, func(c tried) error {
		_, err := c.svc.Invite(c.Context(), stacksync.InviteRequest{Actor: c.actor, Workspace: c.ws, Invite: []stacksync.Invitee{{User: "rob"}}})
		return err
	}},
	"AnswerInvitation": {also(oneself, stacksync.ErrWorkspaceNotFound, "stranger", "removed", "unknown"), func(c tried) error {
		_, err := c.svc.AnswerInvitation(c.Context(), stacksync.AnswerInvitationRequest{Actor: c.actor, Workspace: c.ws, Accept: true})
		return err
	}},
	"Unshare": {managers, func(c tried) error {
		_, err := c.svc.Unshare(c.Context(), stacksync.UnshareRequest{Actor: c.actor, Workspace: c.ws, Users: []stacksync.UserID{"eve"}})
		return err
	}},
	"Leave": {also(members, stacksync.ErrIsOwner, "owner", "no device"), func(c tried) error {
		_, err := c.svc.Leave(c.Context(), stacksync.LeaveRequest{Actor: c.actor, Workspace: c.ws})
		return err
	}},
	"SetRole": {managers, func(c tried) error {
		role := stacksync.Viewer
		if c.actor.Device.IsZero() {
			role = stacksync.Editor
		}
		_, err := c.svc.SetRole(c.Context(), stacksync.SetRoleRequest{Actor: c.actor, Workspace: c.ws, User: "bob", Role: role})
		return err
	}},
	"TransferOwnership": {managers, func(c tried) error {
		to := stacksync.UserID("bob")
		if c.actor.Device.IsZero() {
			to = "ada" // the owner comes after
		}
		_, err := c.svc.TransferOwnership(c.Context(), stacksync.TransferOwnershipRequest{Actor: c.actor, Workspace: c.ws, To: to})
		return err
	}},
	"ListMembers": {members, func(c tried) error {
		_, err := c.svc.ListMembers(c.Context(), stacksync.ListMembersRequest{Actor: c.actor, Workspace: c.ws})
		return err
	}},
	"UpdateMount": {members, func(c tried) error {
		_, err := c.svc.UpdateMount(c.Context(), stacksync.UpdateMountRequest{Actor: c.actor, Workspace: c.ws, Name: "elsewhere"})
		return err
	}},
	// That they hand out keys of an encrypted workspace is in TestEncryptedWorkspace.
	"SetKeys": {also(also(members, stacksync.ErrRole, "viewer"), stacksync.ErrKeyGeneration, "editor", "owner", "no device"), func(c tried) error {
		_, err := c.svc.SetKeys(c.Context(), stacksync.SetKeysRequest{Actor: c.actor, Workspace: c.ws, Generation: 1})
		return err
	}},
	"ListOperations": {oneself, func(c tried) error {
		res, err := c.svc.ListOperations(c.Context(), stacksync.ListOperationsRequest{Actor: c.actor, Workspace: c.ws})
		if seen := slices.ContainsFunc(res.Operations, func(op stacksync.Operation) bool { return op.ID == c.op }); err == nil {
			require.Equal(c, c.actor.User == "ada" && c.op == c.cast.op, seen, "as %s", c.actor.User)
		}
		return err
	}},
	"CancelOperation": {also(asked, stacksync.ErrConflict, "owner", "no device"), func(c tried) error {
		_, err := c.svc.CancelOperation(c.Context(), stacksync.CancelOperationRequest{Actor: c.actor, Operation: c.op})
		return err
	}},
	// The host's own calls.
	"GetOperation": {anybody, func(c tried) error {
		_, err := c.svc.GetOperation(c.Context(), stacksync.GetOperationRequest{Operation: c.cast.op})
		return err
	}},
	"ListStoppedOperations": {anybody, func(c tried) error {
		_, err := c.svc.ListStoppedOperations(c.Context(), stacksync.ListStoppedOperationsRequest{})
		return err
	}},
	"OpenChunk": {anybody, func(c tried) error {
		res, err := c.svc.OpenChunk(c.Context(), stacksync.OpenChunkRequest{Workspace: c.cast.ws, Name: c.file.Chunks[0].Name})
		if err == nil {
			err = res.Content.Close()
		}
		return err
	}},
	"SettleOperation": {anybody, func(c tried) error {
		_, err := c.svc.SettleOperation(c.Context(), stacksync.SettleOperationRequest{Operation: c.cast.op})
		return err
	}},
	"ResumeOperation": {asked, func(c tried) error {
		_, err := c.svc.ResumeOperation(c.Context(), stacksync.ResumeOperationRequest{Actor: c.actor, Operation: c.op})
		return err
	}},
}

// TestAccess tries every call as everybody who could: allowed, or the one right error. Who may not see a workspace or an operation is told
// exactly what is said of one that does not exist.
func TestAccess(t *testing.T) {
	t.Parallel()
	clients, host := reflect.TypeFor[stacksync.SyncService](), reflect.TypeFor[stacksync.HostService]()
	for _, calls := range []reflect.Type{clients, host} {
		for method := range calls.Methods() {
			require.Contains(t, matrix, method.Name, "nobody has said who may call it")
		}
	}
	require.Len(t, matrix, clients.NumMethod()+host.NumMethod())
	for name, row := range matrix {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCast(t)
			require.Len(t, c.who, len(trials))
			for _, who := range trials {
				err := row.call(tried{c, c.who[who], c.ws, c.op})
				if want := row.want[who]; want != nil {
					require.ErrorIs(t, err, want, "as %s", who)
				} else {
					require.NoError(t, err, "as %s", who)
				}
				if !errors.Is(row.want[who], stacksync.ErrWorkspaceNotFound) && !errors.Is(row.want[who], stacksync.ErrOperationNotFound) {
					continue
				}
				missing := tried{c, c.who[who], stacksync.WorkspaceID{UUID: uuid.New()}, stacksync.OperationID{UUID: uuid.New()}}
				none := row.call(missing)
				require.Error(t, none)
				text := strings.NewReplacer(missing.ws.String(), c.ws.String(), missing.op.String(), c.op.String()).Replace(none.Error())
				require.Equal(t, text, err.Error(), "as %s", who)
				for _, secret := range []string{"ada", "bob", "below", "deep"} {
					require.NotContains(t, err.Error(), secret, "as %s", who)
				}
			}
		})
	}
}

// What a transport passes on to clients names the actor in every request; what only the host may call names none.
func TestEveryClientCallHasAnActor(t *testing.T) {
	for calls, actors := range map[reflect.Type]bool{reflect.TypeFor[stacksync.SyncService](): true, reflect.TypeFor[stacksync.HostService](): false} {
		for method := range calls.Methods() {
			request := method.Type.In(method.Type.NumIn() - 1)
			_, ok := request.FieldByName("Actor")
			require.Equal(t, actors, ok, "%s of %s", method.Name, calls.Name())
		}
	}
}
