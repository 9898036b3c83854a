package stacksync

import (
	"context"
)

// Sharing makes folders common to several users. A shared folder is a workspace of its own. It has
// one owner, whose quota pays for it.
//
// A call that moves items, or whose change the storage must hear of, is an operation of several
// steps. The call returns once the operation is done. If ctx ends first, or a step fails for good,
// the error is an *OperationError: the operation goes on without the caller, or can be resumed
// (Operations).
//
// All methods return ErrBusy when other calls hold the workspace or its members locked, or keep
// changing them, for too long. Invite, SetRole and TransferOwnership also return it while 100
// operations of the workspace wait for a storage that is down, and ShareFolder while 100 folders of
// the actor's default workspace are being shared or return.
//
// When a call that takes a role or a membership away has returned, the service refuses to that
// member what the member has lost: calls, feeds, hints, new signed requests. Requests that were
// signed before work until they expire (service.Config.SignedLifetime).
type Sharing interface {
	// ShareFolder turns a folder of the actor's default workspace into a workspace of its own, and
	// invites users to it. The items in the folder move there with their ids, versions and content.
	// The folder itself becomes the root of the new workspace, and is no item there: Parent of what
	// lay in it is zero. In the feed of the old workspace all of them end as tombstones with
	// MovedTo. Others may commit to the folder meanwhile: what they commit moves too, and a commit
	// to an item that has moved already is a conflict with a *MovedError. Needs role Owner.
	//
	// The owner's own devices meet the folder again in the new workspace: a client that only follows
	// the old one sees it vanish. A tombstone with MovedTo is no deletion. The client lists the
	// workspaces (Workspaces.FollowWorkspaces), shows the new one where its mount says, and moves the
	// files there, which it has already, instead of removing them.
	//
	// ErrItemNotFound: there is no such live folder. *MovedError: the folder lives in another
	// workspace. ErrNested: a shared folder is mounted in it, or Workspace is no default workspace.
	// ErrBusy in an *OperationError: that operation moves the folder, or a folder above or below
	// it. A caller whose answer was lost repeats the call: while the first one goes on, the
	// *OperationError names its operation, and afterwards a *MovedError names the new workspace.
	// ErrNobodyInvited: none of the invited is a user. ErrLimit: more than Limits.Members members.
	// errors.ErrUnsupported: an email without service.Config.FindUser. ErrFoldCase. ErrUndone in an
	// *OperationError: the sharing was cancelled, or the folder was deleted (ErrItemNotFound as
	// well) before anything had moved.
	ShareFolder(ctx context.Context, r ShareFolderRequest) (ShareFolderResult, error)
	// Invite adds members to a shared workspace, or changes what pending members were invited to. A
	// user who is a member already stays as is. Needs role Owner.
	//
	// ErrNobodyInvited: none of the invited is a user. ErrNotShared: it is a default workspace.
	// ErrBusy: the folder is being shared, or returns. ErrKeyGeneration: see InviteRequest.
	// ErrLimit: more than Limits.Members members. errors.ErrUnsupported: an email without
	// service.Config.FindUser.
	Invite(ctx context.Context, r InviteRequest) (InviteResult, error)
	// AnswerInvitation accepts or declines a pending invitation of the actor. Accepting an
	// invitation that was accepted does nothing, as does declining one that was accepted or is
	// gone. ErrWorkspaceNotFound: the actor accepts an invitation that is gone.
	AnswerInvitation(ctx context.Context, r AnswerInvitationRequest) (AnswerInvitationResult, error)
	// Unshare takes members out of a shared workspace. When only the owner is left, and no
	// invitation is pending, the folder returns to the owner's default workspace, to the place
	// where the owner has mounted it, and the workspace ends. An encrypted workspace stays instead,
	// with its owner alone. Needs role Owner. ErrIsOwner: the owner is among the users.
	// ErrNotShared. ErrBusy: the folder is on its way back already.
	Unshare(ctx context.Context, r UnshareRequest) (UnshareResult, error)
	// Leave ends the actor's membership. When only the owner is left, the folder returns as with
	// Unshare. ErrIsOwner: the owner can't leave, but can unshare, or transfer the ownership first.
	// ErrNotShared: it is a default workspace.
	Leave(ctx context.Context, r LeaveRequest) (LeaveResult, error)
	// SetRole makes a member, or a pending member, a Viewer or an Editor. Needs role Owner.
	// ErrMemberNotFound; ErrIsOwner: the owner keeps role Owner; a *FieldError for another role.
	SetRole(ctx context.Context, r SetRoleRequest) (SetRoleResult, error)
	// TransferOwnership makes another member the owner, and the owner an Editor. The charge moves
	// along, and must fit the new owner's quota: ErrQuotaExceeded. Needs role Owner.
	// ErrMemberNotFound: To is no member, or a pending one. ErrNotShared. ErrBusy: the folder is
	// being shared, or returns. If To is the owner already, the call does nothing.
	TransferOwnership(ctx context.Context, r TransferOwnershipRequest) (TransferOwnershipResult, error)
	// ListMembers returns the members by user id, pending members too. It leaves out sealed keys,
	// and the mounts of other members. Needs role Viewer.
	ListMembers(ctx context.Context, r ListMembersRequest) (ListMembersResult, error)
	// UpdateMount sets where the actor's devices show a shared workspace: its name, and the folder
	// of the actor's default workspace that it lies in. Where that folder is deleted later, or
	// leaves the default workspace, devices show the workspace in the root. Needs role Viewer.
	//
	// ErrNameTaken: an item or another mount has the name there. ErrName. ErrParentNotFound,
	// ErrParentDeleted, ErrParentNotFolder, *MovedError: Parent is no live folder of the default
	// workspace. ErrBusy in an *OperationError: that operation moves Parent, or a folder above it.
	// ErrNotShared.
	UpdateMount(ctx context.Context, r UpdateMountRequest) (UpdateMountResult, error)
	// SetKeys hands out a new key of an encrypted workspace, sealed for each member, pending
	// members too. Needs role Editor. If Keys lacks a member, the error is a *FieldError that names
	// the members it lacks.
	//
	// Generation is the workspace's present generation while no member has the key of that
	// generation, which is so after a member has gone; or it is one more, which begins a new
	// generation. Any other Generation is an ErrKeyGeneration, as is a workspace that is not
	// encrypted.
	//
	// Example: at generation 1 all members have the key. When a member goes, the generation becomes
	// 2, and commits fail with ErrKeyGeneration until SetKeys hands out the key of generation 2.
	SetKeys(ctx context.Context, r SetKeysRequest) (SetKeysResult, error)
}

// Invitee is a user to invite: exactly one of User and Email is set.
type Invitee struct {
	User UserID `json:"user,omitempty"`
	// Email is looked up by service.Config.FindUser, at most 254 bytes. An email that belongs to no
	// user is passed over, and named in Unknown of the result.
	Email string `json:"email,omitempty"`
	Role  Role   `json:"role,omitzero"` // Viewer or Editor; defaults to Editor
	// SealedKey is the key of an encrypted workspace, sealed for this user: 1 to 4,096 bytes of
	// UTF-8. Empty in other workspaces.
	SealedKey string `json:"sealed_key,omitempty"`
}

// ShareFolderRequest is the request of Sharing.ShareFolder.
type ShareFolderRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Folder    ItemID      `json:"folder"`
	// Invite has at least one invitee; with the actor the new workspace has at most Limits.Members
	// members.
	Invite []Invitee `json:"invite"`
	// Encrypted makes the new workspace an encrypted one. SealedKey is its key, sealed for the
	// actor.
	Encrypted bool   `json:"encrypted,omitempty"`
	SealedKey string `json:"sealed_key,omitempty"`
}

// ShareFolderResult is the result of Sharing.ShareFolder.
type ShareFolderResult struct {
	// Workspace is the new one, as it is once the folder has moved there. Where the store can't be
	// read at that moment, Revision and Size are 0.
	Workspace Workspace `json:"workspace"`
	Operation Operation `json:"operation"`
	// Unknown are the emails that belong to no user.
	Unknown []string `json:"unknown,omitempty"`
}

// InviteRequest is the request of Sharing.Invite.
type InviteRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Invite    []Invitee   `json:"invite"` // at least one, at most Limits.Members
	// KeyGeneration is the generation of the sealed keys, in an encrypted workspace.
	// ErrKeyGeneration: the workspace has another generation by now, or the key of its generation
	// was not handed out yet. 0 in other workspaces.
	KeyGeneration int64 `json:"key_generation,omitempty"`
}

// InviteResult is the result of Sharing.Invite.
type InviteResult struct {
	Members []Member `json:"members"` // the invited users as members, as they are now
	// Unknown are the emails that belong to no user.
	Unknown []string `json:"unknown,omitempty"`
}

// AnswerInvitationRequest is the request of Sharing.AnswerInvitation.
type AnswerInvitationRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Accept    bool        `json:"accept"`
}

// AnswerInvitationResult is the result of Sharing.AnswerInvitation.
type AnswerInvitationResult struct{}

// UnshareRequest is the request of Sharing.Unshare.
type UnshareRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	// Users are the members to take out; empty: all members but the owner. Users who are no members
	// are passed over.
	Users []UserID `json:"users,omitempty"`
}

// UnshareResult is the result of Sharing.Unshare.
type UnshareResult struct{}

// LeaveRequest is the request of Sharing.Leave.
type LeaveRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
}

// LeaveResult is the result of Sharing.Leave.
type LeaveResult struct{}

// SetRoleRequest is the request of Sharing.SetRole.
type SetRoleRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	User      UserID      `json:"user"`
	Role      Role        `json:"role"`
}

// SetRoleResult is the result of Sharing.SetRole.
type SetRoleResult struct {
	Member Member `json:"member"`
}

// TransferOwnershipRequest is the request of Sharing.TransferOwnership.
type TransferOwnershipRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	To        UserID      `json:"to"`
}

// TransferOwnershipResult is the result of Sharing.TransferOwnership.
type TransferOwnershipResult struct{}

// ListMembersRequest is the request of Sharing.ListMembers.
type ListMembersRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
}

// ListMembersResult is the result of Sharing.ListMembers.
type ListMembersResult struct {
	Members []Member `json:"members"`
}

// UpdateMountRequest is the request of Sharing.UpdateMount.
type UpdateMountRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID `json:"workspace"`
	Name      string      `json:"name"`   // as the name of an item
	Parent    ItemID      `json:"parent"` // zero: the root
}

// UpdateMountResult is the result of Sharing.UpdateMount.
type UpdateMountResult struct {
	Member Member `json:"member"`
}

// SetKeysRequest is the request of Sharing.SetKeys.
type SetKeysRequest struct {
	Actor      `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Workspace  WorkspaceID `json:"workspace"`
	Generation int64       `json:"generation"`
	// Keys has a sealed key for each member: 1 to 4,096 bytes of UTF-8.
	Keys map[UserID]string `json:"keys"`
}

// SetKeysResult is the result of Sharing.SetKeys.
type SetKeysResult struct{}
