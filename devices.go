package stacksync

import (
	"context"
)

// Devices manages a user's own devices. The actor is the user; Actor.Device may be left out.
type Devices interface {
	// RegisterDevice makes a device. Sent again with the same id it renames the device and makes no
	// second one. ErrUserNotFound; ErrDeviceRevoked for the id of a revoked one; ErrLimit past
	// Limits.Devices.
	RegisterDevice(ctx context.Context, r RegisterDeviceRequest) (RegisterDeviceResult, error)
	// ListDevices returns all devices of the actor, revoked ones too, oldest first.
	ListDevices(ctx context.Context, r ListDevicesRequest) (ListDevicesResult, error)
	// RevokeDevice shuts a device out for good: once it has returned, every call and every Follow
	// of that device fails with ErrDeviceRevoked, and no commit of it is saved, not even one that
	// was on its way. Content that is being transferred meanwhile is: what was uploaded stays
	// uncommitted. Signed requests that the device has work until they expire
	// (service.Config.SignedLifetime). Where the service offers ViaAccount, the user's storage
	// account gets another secret; if that takes longer than ctx, or the storage is down, the error
	// is an *OperationError: the device is revoked all the same, and the storage told by whatever
	// process lives. Revoking a revoked one does nothing else; it is ErrBusy where the storage has
	// been down for many such calls.
	RevokeDevice(ctx context.Context, r RevokeDeviceRequest) (RevokeDeviceResult, error)
}

// RegisterDeviceRequest is that of Devices.RegisterDevice.
type RegisterDeviceRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
	// ID is the client's choice, so that a repeated call makes no second device; zero: the service
	// makes one.
	ID   DeviceID
	Name string // for people: at most 255 bytes of valid UTF-8
}

// RegisterDeviceResult is that of Devices.RegisterDevice.
type RegisterDeviceResult struct{ Device Device }

// ListDevicesRequest is that of Devices.ListDevices.
type ListDevicesRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
}

// ListDevicesResult is that of Devices.ListDevices.
type ListDevicesResult struct{ Devices []Device }

// RevokeDeviceRequest is that of Devices.RevokeDevice.
type RevokeDeviceRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
	ID    DeviceID
}

// RevokeDeviceResult is that of Devices.RevokeDevice.
type RevokeDeviceResult struct{ Device Device }
