package stacksync

import (
	"context"
)

// Devices manages the devices of the actor. Actor.Device may be left out. ErrUserNotFound: the
// actor is not a user, or is being deleted.
type Devices interface {
	// RegisterDevice makes a device. If the id exists already, it renames that device, so that a
	// repeated call makes no second one. ErrDeviceRevoked: the id is that of a revoked device, or
	// Actor.Device is revoked. ErrLimit: the user has Limits.Devices devices already, not counting
	// revoked ones.
	RegisterDevice(ctx context.Context, r RegisterDeviceRequest) (RegisterDeviceResult, error)
	// ListDevices returns all devices of the actor, revoked devices too, oldest first.
	ListDevices(ctx context.Context, r ListDevicesRequest) (ListDevicesResult, error)
	// RevokeDevice shuts a device out for good. Once it has returned, every call and every Follow
	// of that device fails with ErrDeviceRevoked, and no commit of it is saved, not even a commit
	// that was on its way. Transfers of content that run already go on; the chunks that they upload
	// stay uncommitted. Signed requests that the device has work until they expire
	// (service.Config.SignedLifetime). ErrDeviceNotFound: the actor has no device ID.
	//
	// Where the service offers ViaAccount, the user's storage account gets another secret. If that
	// takes longer than ctx lasts, or the storage is down, the error is an *OperationError: the
	// device is revoked all the same, and any process with a service on the store goes on to tell
	// the storage.
	//
	// Revoking a revoked device only gives the account its secret once more: ErrBusy while 8 such
	// operations of the user wait for the storage. A device may revoke itself, and may repeat that
	// call.
	RevokeDevice(ctx context.Context, r RevokeDeviceRequest) (RevokeDeviceResult, error)
}

// RegisterDeviceRequest is the request of Devices.RegisterDevice.
type RegisterDeviceRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
	// ID is the client's choice, so that a repeated call makes no second device. Zero: the service
	// makes an id.
	ID   DeviceID
	Name string // for people: at most 255 bytes of valid UTF-8 without NUL
}

// RegisterDeviceResult is the result of Devices.RegisterDevice.
type RegisterDeviceResult struct{ Device Device }

// ListDevicesRequest is the request of Devices.ListDevices.
type ListDevicesRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
}

// ListDevicesResult is the result of Devices.ListDevices.
type ListDevicesResult struct{ Devices []Device }

// RevokeDeviceRequest is the request of Devices.RevokeDevice.
type RevokeDeviceRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
	ID    DeviceID   // the device to revoke
}

// RevokeDeviceResult is the result of Devices.RevokeDevice.
type RevokeDeviceResult struct{ Device Device }
