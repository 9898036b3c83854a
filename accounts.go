package stacksync

import (
	"context"
)

// Accounts are calls of the host itself, not of its users: a transport must not pass them on.
type Accounts interface {
	// PutUser makes a user with a default workspace and its container, or changes an existing one's
	// quota limit. It can be called at every login: for a user who has all this already it saves
	// nothing. ErrBusy while the user is being deleted.
	PutUser(ctx context.Context, r PutUserRequest) (PutUserResult, error)
	// DeleteUser removes a user with the default workspace, its content, devices, memberships and
	// storage account. Shared workspaces of the user need a decision: *SharedWorkspacesError
	// otherwise, and nothing is changed. From the first moment on the user is not found; the rest
	// is an operation. Called again it is ErrBusy while that runs, and takes it up where it has
	// stopped. ErrMemberNotFound and ErrQuotaExceeded for who is to get a workspace;
	// ErrUserNotFound.
	DeleteUser(ctx context.Context, r DeleteUserRequest) (DeleteUserResult, error)
	// GetUser reads a user; ErrUserNotFound.
	GetUser(ctx context.Context, r GetUserRequest) (GetUserResult, error)
}

// PutUserRequest is that of Accounts.PutUser.
type PutUserRequest struct {
	User UserID
	// QuotaLimit is in bytes, 0 for no limit. nil leaves an existing user's as it is, and gives a
	// new one service.Config.QuotaLimit. A limit below what is used refuses growth, and takes
	// nothing away.
	QuotaLimit *int64
}

// PutUserResult is that of Accounts.PutUser.
type PutUserResult struct{ User User }

// GetUserRequest is that of Accounts.GetUser.
type GetUserRequest struct{ User UserID }

// GetUserResult is that of Accounts.GetUser.
type GetUserResult struct{ User User }

// DeleteUserRequest is that of Accounts.DeleteUser.
type DeleteUserRequest struct {
	User UserID
	// Transfer says who becomes the owner of shared workspaces: a member of each, whose quota must
	// hold it.
	Transfer map[WorkspaceID]UserID
	// DeleteShared deletes the shared workspaces that Transfer does not name, for all their
	// members. One that has no other member, nor anybody invited, as an encrypted one may have
	// none, is deleted with the user in any case.
	DeleteShared bool
}

// DeleteUserResult is that of Accounts.DeleteUser.
type DeleteUserResult struct{}

// Leaving reports whether the user is being deleted.
func (u *User) Leaving() bool { return u.DefaultWorkspace.IsZero() }
