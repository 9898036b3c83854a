package stacksync

import (
	"context"
	"fmt"
	"slices"
)

// Devices manages a user's own devices. The actor is the user; Actor.Device may be left out.
type Devices interface {
	// RegisterDevice makes a device. Sent again with the same id it renames the device and makes no second one.
	// ErrUserNotFound; ErrDeviceRevoked for the id of a revoked one; ErrLimit past Limits.Devices.
	RegisterDevice(ctx context.Context, r RegisterDeviceRequest) (RegisterDeviceResult, error)
	// ListDevices returns all devices of the actor, revoked ones too, oldest first.
	ListDevices(ctx context.Context, r ListDevicesRequest) (ListDevicesResult, error)
	// RevokeDevice shuts a device out for good: once it has returned, every call and every Follow of that device fails with
	// ErrDeviceRevoked, and no commit of it is saved, not even one that was on its way. Content that is being transferred
	// meanwhile is: what was uploaded stays uncommitted. Signed requests that the device has work until they expire
	// (Config.SignedLifetime). Where the service offers ViaAccount, the user's storage account gets another secret; if that takes longer
	// than ctx, or the storage is down, the error is an *OperationError: the device is revoked all the same, and the storage told by
	// whatever process lives. Revoking a revoked one does nothing else; it is ErrBusy where the storage has been down for many such calls.
	RevokeDevice(ctx context.Context, r RevokeDeviceRequest) (RevokeDeviceResult, error)
}

// RegisterDeviceRequest is that of Devices.RegisterDevice.
type RegisterDeviceRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
	// ID is the client's choice, so that a repeated call makes no second device; zero: the service makes one.
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

// RegisterDevice implements Devices.
func (s *Service) RegisterDevice(ctx context.Context, r RegisterDeviceRequest) (RegisterDeviceResult, error) {
	return call(ctx, s, "RegisterDevice", func(ctx context.Context) (RegisterDeviceResult, int, error) {
		if err := checkText("Name", r.Name, maxShort); err != nil {
			return RegisterDeviceResult{}, 0, err
		}
		id := r.ID
		if id.IsZero() {
			made, err := s.cfg.NewID()
			if err != nil {
				return RegisterDeviceResult{}, 0, fmt.Errorf("make an id: %w", err)
			}
			id = DeviceID{made}
		}
		d, err := s.updateDevice(ctx, r.Actor, func(_ *write, _ *User, devices []Device) (Device, error) {
			for _, d := range devices {
				if d.ID == id {
					d.Name = r.Name
					return d, d.permit()
				}
			}
			live := slices.DeleteFunc(slices.Clone(devices), func(d Device) bool { return d.Revoked })
			if limit := s.cfg.Limits.Devices; len(live) >= limit {
				return Device{}, &FieldError{Field: "ID", Reason: fmt.Sprintf("would be more than %d devices", limit), Err: ErrLimit}
			}
			return Device{ID: id, User: r.User, Name: r.Name, CreatedAt: s.now()}, nil
		})
		return RegisterDeviceResult{Device: d}, 1, err
	})
}

// RevokeDevice implements Devices.
func (s *Service) RevokeDevice(ctx context.Context, r RevokeDeviceRequest) (RevokeDeviceResult, error) {
	return call(ctx, s, "RevokeDevice", func(ctx context.Context) (RevokeDeviceResult, int, error) {
		if r.Device == r.ID {
			r.Device = DeviceID{} // one that has revoked itself may say so again
		}
		var op *Operation
		d, err := s.updateDevice(ctx, r.Actor, func(w *write, user *User, devices []Device) (Device, error) {
			for _, d := range devices {
				if d.ID == r.ID {
					var err error
					op, err = w.newKey(ctx, user, d.Revoked)
					d.Revoked = true
					return d, err
				}
			}
			return Device{}, ErrDeviceNotFound
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return RevokeDeviceResult{Device: d}, 1, err
	})
}

// ListDevices implements Devices.
func (s *Service) ListDevices(ctx context.Context, r ListDevicesRequest) (ListDevicesResult, error) {
	return call(ctx, s, "ListDevices", func(ctx context.Context) (ListDevicesResult, int, error) {
		if err := r.check(needs{}); err != nil {
			return ListDevicesResult{}, 0, err
		}
		var devices []Device
		err := s.store.View(ctx, func(ctx context.Context, rd Reader) (err error) {
			_, devices, err = devicesOf(ctx, rd, r.Actor)
			return err
		})
		return ListDevicesResult{Devices: devices}, len(devices), err
	})
}

// devicesOf reads a user and the devices, if the actor's own, where one is named, may ask.
func devicesOf(ctx context.Context, r Reader, actor Actor) (User, []Device, error) {
	users, err := r.Users(ctx, UsersParams{IDs: []UserID{actor.User}})
	if err != nil {
		return User{}, nil, err
	}
	if len(users.Users) == 0 || users.Users[0].leaving() {
		return User{}, nil, ErrUserNotFound
	}
	res, err := r.Devices(ctx, DevicesParams{User: actor.User})
	if err != nil {
		return User{}, nil, err
	}
	rows := AccessRows{Devices: res.Devices}
	return users.Users[0], res.Devices, rows.permitDevice(actor)
}

// updateDevice saves the device that change returns, if it differs from the one that is there, and tells the user's devices.
func (s *Service) updateDevice(ctx context.Context, actor Actor, change func(w *write, user *User, devices []Device) (Device, error)) (Device, error) {
	if err := actor.check(needs{}); err != nil {
		return Device{}, err
	}
	var changed Device
	err := s.write(ctx, LockParams{Users: []UserID{actor.User}}, func(ctx context.Context, w *write) error {
		user, devices, err := devicesOf(ctx, w, actor)
		if err != nil {
			return err
		}
		if changed, err = change(w, &user, devices); err != nil || slices.Contains(devices, changed) {
			return err
		}
		w.put.Devices = append(w.put.Devices, changed)
		return w.touch(ctx, actor.User)
	})
	return changed, err
}
