package stacksync

import (
	"context"
	"iter"
)

// Workspaces tells which workspaces a user is a member of.
type Workspaces interface {
	// ListWorkspaces returns the actor's workspaces, by workspace id, with the actor's role and
	// mount in each, and the pending invitations. With Cursors, it also tells in which workspaces
	// the device is behind. ErrUserNotFound.
	ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error)
	// FollowWorkspaces yields the result of ListWorkspaces at once, and again whenever a right of
	// the user has changed: a folder was shared or unshared, a role, an owner, an invitation, a
	// mount or a device has changed. It ends when the caller leaves the loop, or after it has
	// yielded an error: the error of ctx when ctx ends, an error of ListWorkspaces, or ErrClosed
	// when the service closes.
	FollowWorkspaces(ctx context.Context, r ListWorkspacesRequest) iter.Seq2[ListWorkspacesResult, error]
}

// ListWorkspacesRequest is the request of Workspaces.ListWorkspaces.
type ListWorkspacesRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
	// Cursors has the cursor that the device has saved for each workspace. FollowWorkspaces ignores
	// it.
	Cursors map[WorkspaceID]Cursor `json:"cursors,omitempty"`
}

// ListWorkspacesResult is the result of Workspaces.ListWorkspaces.
type ListWorkspacesResult struct {
	Workspaces []Mount `json:"workspaces"`
	// Invitations are pending memberships, which give no right yet. They show only ID, Owner,
	// Encrypted and CreatedAt of the workspace, and of the member Workspace, User, Role, Pending,
	// JoinedAt (when the user was invited) and MountName.
	Invitations []Mount `json:"invitations,omitempty"`
	// Revision is the revision of the user: see User.Revision.
	Revision int64 `json:"revision"`
}

// Mount is a workspace as one member sees it.
type Mount struct {
	Workspace `json:"workspace"`
	Member    Member `json:"member"`
	// Unread says that the change log has grown beyond the given cursor, or that the cursor can't
	// be continued. False for a workspace without a cursor.
	Unread bool `json:"unread,omitempty"`
}
