package stacksync

// SyncService is the interface between a host's transport and the service: all that clients may
// call. service.Service implements it; a stub of a remote client can implement it too. Calls of the
// host itself are apart, in HostService.
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
	Devices
	Workspaces
	Commits
	Feed
	Items
	Transfers
	Sharing
	Operations
}

// HostService are the calls of the host itself, which service.Service implements too. They name no
// actor and check no right: a transport must not expose them to clients, and one that is written
// against SyncService can't.
//
// After Close every call returns ErrClosed. All methods may be called from many goroutines.
type HostService interface {
	Accounts
	HostContent
	OperationsAdmin
}
