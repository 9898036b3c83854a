package stacksync

// SyncService is the interface between a host's transport and the service. service.Service
// implements it; a stub of a remote client can implement it too.
//
// Every request names the acting user and, where the call needs one, the device. Unless a method
// says otherwise:
//   - a workspace that does not exist, or that the actor is not a member of, is an
//     ErrWorkspaceNotFound;
//   - a device that does not exist, or belongs to another user, is an ErrDeviceNotFound; a revoked
//     device is an ErrDeviceRevoked;
//   - a role that is too low is an ErrRole;
//   - a bad field is a *FieldError, which wraps ErrInvalid, and nothing was saved;
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
