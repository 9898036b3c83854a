package stacksync

import (
	"context"
	"iter"
)

// Workspaces tells what a user is a member of.
type Workspaces interface {
	// ListWorkspaces returns the actor's workspaces with the actor's role and mount in each, by
	// workspace id, and pending invitations. With Cursors, it tells how far the device is behind in
	// each.
	ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error)
	// FollowWorkspaces yields what ListWorkspaces returns, at once and then whenever a right of the
	// user has changed: shared, unshared, another role or owner, an invitation, a mount, a device.
	// It ends after yielding an error: ctx's when that ends, what ListWorkspaces returns, or
	// ErrClosed.
	FollowWorkspaces(ctx context.Context, r ListWorkspacesRequest) iter.Seq2[ListWorkspacesResult, error]
}

// ListWorkspacesRequest is that of Workspaces.ListWorkspaces.
type ListWorkspacesRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
	// Cursors are what the device has seen of workspaces. FollowWorkspaces does not look at them.
	Cursors map[WorkspaceID]Cursor `json:"cursors,omitempty"`
}

// ListWorkspacesResult is that of Workspaces.ListWorkspaces.
type ListWorkspacesResult struct {
	Workspaces []Mount `json:"workspaces"`
	// Invitations are pending: they give no right yet, and show the workspace's ID, Owner,
	// Encrypted and CreatedAt only, and of the Member the Role and MountName.
	Invitations []Mount `json:"invitations,omitempty"`
	// Revision is the user's.
	Revision int64 `json:"revision"`
}

// Mount is a workspace as one member sees it.
type Mount struct {
	Workspace `json:"workspace"`
	Member    Member `json:"member"`
	// Unread says that the change log has grown beyond the cursor that was given, or that this
	// can't be continued. False without one.
	Unread bool `json:"unread,omitempty"`
}
