package stacksync

import (
	"context"
)

// Sharing makes folders common to several users. A shared folder is a workspace of its own, with
// one owner, whom its quota counts for.
//
// Of these calls some are operations, which take many steps; they return once the operation is
// done. If ctx ends first, or a step fails for good, the error is an *OperationError: the operation
// goes on, or can be resumed.
//
// ErrBusy comes of waiting too long for others. Invite, SetRole and TransferOwnership also return
// it where 100 operations of the workspace wait for a storage that is down, and ShareFolder while
// 100 folders of the actor's are on their way.
//
// What a member has lost, with a role or the membership, is refused from the moment the call has
// returned: calls, feeds, hints, new signed requests. Requests signed before work until they expire
// (service.Config.SignedLifetime).
type Sharing interface {
	// ShareFolder turns a folder of the actor's default workspace into a workspace of its own, and
	// invites others to it. Its items move there with their ids, versions and content: in the old
	// workspace's feed they end as tombstones with MovedTo. Others may commit to the folder
	// meanwhile: what they commit moves too, and a commit to an item that has moved is a conflict
	// with a *MovedError. Needs role Owner.
	//
	// ErrItemNotFound for what is not a live folder; ErrNested if a shared folder is mounted in it;
	// ErrBusy while the folder, or one above or below it, is being shared; ErrNobodyInvited if none
	// of the invited is a user.
	ShareFolder(ctx context.Context, r ShareFolderRequest) (ShareFolderResult, error)
	// Invite adds members to a shared workspace, or changes what pending ones were invited to. Who
	// is a member already stays as is. Needs role Owner. ErrNobodyInvited if none of the invited is
	// a user; ErrNotShared for a default workspace.
	Invite(ctx context.Context, r InviteRequest) (InviteResult, error)
	// AnswerInvitation accepts or declines a pending invitation of the actor. Accepting what is
	// accepted, and declining what is gone, does nothing. ErrWorkspaceNotFound.
	AnswerInvitation(ctx context.Context, r AnswerInvitationRequest) (AnswerInvitationResult, error)
	// Unshare takes members out of a shared workspace. When none but the owner is left, the folder
	// returns to the owner's default workspace, to the place where the owner has mounted it, and
	// the workspace ends. Needs role Owner. ErrIsOwner if the owner is among the users.
	Unshare(ctx context.Context, r UnshareRequest) (UnshareResult, error)
	// Leave ends the actor's membership. When none but the owner is left, the folder returns as
	// with Unshare. ErrIsOwner for the owner, who can unshare, or transfer the ownership first;
	// ErrNotShared for a default workspace.
	Leave(ctx context.Context, r LeaveRequest) (LeaveResult, error)
	// SetRole makes a member a Viewer or an Editor. Needs role Owner. ErrMemberNotFound; ErrIsOwner
	// for the owner.
	SetRole(ctx context.Context, r SetRoleRequest) (SetRoleResult, error)
	// TransferOwnership makes another member the owner, and the owner an Editor. The charge moves
	// along, and must fit the new owner's quota: ErrQuotaExceeded. Needs role Owner.
	// ErrMemberNotFound, also for a pending one.
	TransferOwnership(ctx context.Context, r TransferOwnershipRequest) (TransferOwnershipResult, error)
	// ListMembers returns the members by user id, pending ones too. Sealed keys are left out. Needs
	// role Viewer.
	ListMembers(ctx context.Context, r ListMembersRequest) (ListMembersResult, error)
	// UpdateMount sets where the actor's devices show a shared workspace: its name, and the folder
	// of the actor's default workspace that it lies in. ErrNameTaken if an item or another mount
	// has the name there; ErrParentNotFound, ErrParentDeleted, ErrParentNotFolder; ErrBusy for a
	// folder that is being shared; ErrNotShared. Where that folder is deleted or moved later,
	// devices show the workspace in the root.
	UpdateMount(ctx context.Context, r UpdateMountRequest) (UpdateMountResult, error)
	// SetKeys hands out a new key of an encrypted workspace, sealed for each member: all of them,
	// or it is an ErrInvalid that names who is missing. Generation must be the workspace's while no
	// member has its key, as after somebody has gone, or one more, which begins a new generation:
	// otherwise ErrKeyGeneration. Needs role Editor.
	SetKeys(ctx context.Context, r SetKeysRequest) (SetKeysResult, error)
}

// Invitee is somebody to invite: either User or Email is set.
type Invitee struct {
	User UserID `json:"user,omitempty"`
	// Email is looked up by service.Config.FindUser. Unknown ones are passed over.
	Email string `json:"email,omitempty"`
	Role  Role   `json:"role,omitzero"` // Viewer or Editor; defaults to Editor
	// SealedKey is the key of an encrypted workspace, sealed for this user.
	SealedKey string `json:"sealed_key,omitempty"`
}

// ShareFolderRequest is that of Sharing.ShareFolder.
type ShareFolderRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Folder    ItemID      `json:"folder"`
	Invite    []Invitee   `json:"invite"` // at least one; with the actor at most Limits.Members
	// Encrypted makes the new workspace an encrypted one. SealedKey is its key, sealed for the
	// actor.
	Encrypted bool   `json:"encrypted,omitempty"`
	SealedKey string `json:"sealed_key,omitempty"`
}

// ShareFolderResult is that of Sharing.ShareFolder.
type ShareFolderResult struct {
	// Workspace is the new one, as it is once the folder has moved there. Where the store can't be
	// read at that moment, Revision and Size are 0.
	Workspace Workspace `json:"workspace"`
	Operation Operation `json:"operation"`
	// Unknown are the emails that belong to no user.
	Unknown []string `json:"unknown,omitempty"`
}

// InviteRequest is that of Sharing.Invite.
type InviteRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Invite    []Invitee   `json:"invite"` // at least one
	// KeyGeneration is that of the sealed keys, in an encrypted workspace: ErrKeyGeneration if it
	// has another one by now, or its key was not handed out yet. 0 in other workspaces.
	KeyGeneration int64 `json:"key_generation,omitempty"`
}

// InviteResult is that of Sharing.Invite.
type InviteResult struct {
	Members []Member `json:"members"` // those invited, as they are now
	// Unknown are the emails that belong to no user.
	Unknown []string `json:"unknown,omitempty"`
}

// AnswerInvitationRequest is that of Sharing.AnswerInvitation.
type AnswerInvitationRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Accept    bool        `json:"accept"`
}

// AnswerInvitationResult is that of Sharing.AnswerInvitation.
type AnswerInvitationResult struct{}

// UnshareRequest is that of Sharing.Unshare.
type UnshareRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Users     []UserID    `json:"users,omitempty"` // empty: all but the owner; who is no member is passed over
}

// UnshareResult is that of Sharing.Unshare.
type UnshareResult struct{}

// LeaveRequest is that of Sharing.Leave.
type LeaveRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
}

// LeaveResult is that of Sharing.Leave.
type LeaveResult struct{}

// SetRoleRequest is that of Sharing.SetRole.
type SetRoleRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	User      UserID      `json:"user"`
	Role      Role        `json:"role"`
}

// SetRoleResult is that of Sharing.SetRole.
type SetRoleResult struct {
	Member Member `json:"member"`
}

// TransferOwnershipRequest is that of Sharing.TransferOwnership.
type TransferOwnershipRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	To        UserID      `json:"to"`
}

// TransferOwnershipResult is that of Sharing.TransferOwnership.
type TransferOwnershipResult struct{}

// ListMembersRequest is that of Sharing.ListMembers.
type ListMembersRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
}

// ListMembersResult is that of Sharing.ListMembers.
type ListMembersResult struct {
	Members []Member `json:"members"`
}

// UpdateMountRequest is that of Sharing.UpdateMount.
type UpdateMountRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Workspace WorkspaceID `json:"workspace"`
	Name      string      `json:"name"`   // as an item's
	Parent    ItemID      `json:"parent"` // zero: the root
}

// UpdateMountResult is that of Sharing.UpdateMount.
type UpdateMountResult struct {
	Member Member `json:"member"`
}

// SetKeysRequest is that of Sharing.SetKeys.
type SetKeysRequest struct {
	Actor      `json:"-"`        // never from a body: the host has authenticated it
	Workspace  WorkspaceID       `json:"workspace"`
	Generation int64             `json:"generation"`
	Keys       map[UserID]string `json:"keys"` // at most 4,096 bytes of UTF-8 each
}

// SetKeysResult is that of Sharing.SetKeys.
type SetKeysResult struct{}
