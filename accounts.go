package stacksync

import (
	"context"
)

// Accounts are calls of the host itself, not of its users: a transport must not pass them on.
type Accounts interface {
	// PutUser makes a user with a default workspace and its container, or changes the quota limit
	// of an existing user. A host can call it at every login: for a user who has all this already
	// it saves nothing. ErrBusy: the user is being deleted. A *FieldError: the id breaks the rules
	// of UserID, or QuotaLimit is negative.
	PutUser(ctx context.Context, r PutUserRequest) (PutUserResult, error)
	// DeleteUser removes a user with the default workspace, its content, and the user's devices,
	// memberships and storage account. From the moment the deletion is recorded on, the user is not
	// found; removing the rest is an operation.
	//
	// The request must decide about all shared workspaces that the user owns with others: a
	// *SharedWorkspacesError names those it does not decide about, and nothing is changed.
	// ErrMemberNotFound: the user who is to get a workspace is no member, or a pending one.
	// ErrQuotaExceeded: the workspace does not fit that user's quota. A *FieldError: Transfer names
	// a workspace that the user does not own as a shared one.
	//
	// ErrUserNotFound. ErrBusy: the deletion is running, or items of one of the user's workspaces
	// are moving. *OperationError: the operation has stopped, or ctx has ended. A call after the
	// operation has stopped takes it up again.
	DeleteUser(ctx context.Context, r DeleteUserRequest) (DeleteUserResult, error)
	// GetUser reads a user. ErrUserNotFound, also while the user is being deleted.
	GetUser(ctx context.Context, r GetUserRequest) (GetUserResult, error)
}

// PutUserRequest is the request of Accounts.PutUser.
type PutUserRequest struct {
	User UserID
	// QuotaLimit is in bytes, 0 for no limit. nil leaves the limit of an existing user as it is,
	// and gives a new user service.Config.QuotaLimit. A limit below the bytes in use refuses
	// growth, and deletes nothing.
	QuotaLimit *int64
}

// PutUserResult is the result of Accounts.PutUser.
type PutUserResult struct{ User User }

// GetUserRequest is the request of Accounts.GetUser.
type GetUserRequest struct{ User UserID }

// GetUserResult is the result of Accounts.GetUser.
type GetUserResult struct{ User User }

// DeleteUserRequest is the request of Accounts.DeleteUser.
type DeleteUserRequest struct {
	User UserID
	// Transfer says who becomes the owner of shared workspaces: for each a member, whose quota must
	// hold it.
	Transfer map[WorkspaceID]UserID
	// DeleteShared deletes, for all their members, the shared workspaces that Transfer does not
	// name. A shared workspace that nobody else is a member of or invited to is deleted with the
	// user in any case. (An encrypted workspace may be left so.)
	DeleteShared bool
}

// DeleteUserResult is the result of Accounts.DeleteUser.
type DeleteUserResult struct{}

// Leaving reports whether the user is being deleted.
func (u *User) Leaving() bool { return u.DefaultWorkspace.IsZero() }
