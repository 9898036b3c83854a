package stacksync

// SyncService is what a host's transport calls, and what a remote client's stub can implement too.
// *Service implements it.
//
// Every request names who acts. Unless a method says otherwise:
//   - a workspace that does not exist, or that the actor is not a member of, is an
//     ErrWorkspaceNotFound;
//   - a device that is not one of the actor's is an ErrDeviceNotFound, a revoked one an
//     ErrDeviceRevoked;
//   - a role that is too low is an ErrRole; a bad field is a *FieldError, which wraps ErrInvalid,
//     and nothing was saved;
//   - after Close every call returns ErrClosed.
//
// All methods may be called from many goroutines.
type SyncService interface {
	Accounts
	Devices
	Workspaces
	Commits
	Feed
	Items
	Transfers
	Sharing
	Operations
	OperationsAdmin
}
