package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// RegisterDevice implements Devices.
func (s *Service) RegisterDevice(ctx context.Context, r stacksync.RegisterDeviceRequest) (stacksync.RegisterDeviceResult, error) {
	return call(ctx, s, "RegisterDevice", func(ctx context.Context) (stacksync.RegisterDeviceResult, int, error) {
		if err := stacksync.CheckText("Name", r.Name, stacksync.MaxName); err != nil {
			return stacksync.RegisterDeviceResult{}, 0, err
		}
		id := r.ID
		if id.IsZero() {
			made, err := s.kernel.NewID()
			if err != nil {
				return stacksync.RegisterDeviceResult{}, 0, err
			}
			id = stacksync.DeviceID{UUID: made}
		}
		d, err := s.updateDevice(ctx, r.Actor, func(_ *session.Write, _ *stacksync.User, devices []stacksync.Device) (stacksync.Device, error) {
			for _, d := range devices {
				if d.ID == id {
					d.Name = r.Name
					return d, d.Permit()
				}
			}
			live := slices.DeleteFunc(slices.Clone(devices), func(d stacksync.Device) bool { return d.Revoked })
			if limit := s.cfg.Limits.Devices; len(live) >= limit {
				return stacksync.Device{}, &stacksync.FieldError{Field: "ID", Reason: fmt.Sprintf("would be more than %d devices", limit), Err: stacksync.ErrLimit}
			}
			return stacksync.Device{ID: id, User: r.User, Name: r.Name, CreatedAt: s.kernel.Now()}, nil
		})
		return stacksync.RegisterDeviceResult{Device: d}, 1, err
	})
}

// RevokeDevice implements Devices.
func (s *Service) RevokeDevice(ctx context.Context, r stacksync.RevokeDeviceRequest) (stacksync.RevokeDeviceResult, error) {
	return call(ctx, s, "RevokeDevice", func(ctx context.Context) (stacksync.RevokeDeviceResult, int, error) {
		if r.Device == r.ID {
			// A device that has revoked itself may repeat the call.
			r.Device = stacksync.DeviceID{}
		}
		var op *stacksync.Operation
		d, err := s.updateDevice(ctx, r.Actor, func(w *session.Write, user *stacksync.User, devices []stacksync.Device) (stacksync.Device, error) {
			for _, d := range devices {
				if d.ID == r.ID {
					var err error
					op, err = s.granter.RecordKey(ctx, w, user, d.Revoked)
					d.Revoked = true
					return d, err
				}
			}
			return stacksync.Device{}, stacksync.ErrDeviceNotFound
		})
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return stacksync.RevokeDeviceResult{Device: d}, 1, err
	})
}

// ListDevices implements Devices.
func (s *Service) ListDevices(ctx context.Context, r stacksync.ListDevicesRequest) (stacksync.ListDevicesResult, error) {
	return call(ctx, s, "ListDevices", func(ctx context.Context) (stacksync.ListDevicesResult, int, error) {
		if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
			return stacksync.ListDevicesResult{}, 0, err
		}
		var devices []stacksync.Device
		err := s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) (err error) {
			_, devices, err = session.Devices(ctx, rd, r.Actor)
			return err
		})
		return stacksync.ListDevicesResult{Devices: devices}, len(devices), err
	})
}

// updateDevice runs change under the lock of the actor, and saves the device that change returns,
// if that device is new or differs from the saved one. Then it tells the user's devices.
func (s *Service) updateDevice(ctx context.Context, actor stacksync.Actor, change func(w *session.Write, user *stacksync.User, devices []stacksync.Device) (stacksync.Device, error)) (stacksync.Device, error) {
	if err := stacksync.CheckActor(actor, stacksync.Needs{}); err != nil {
		return stacksync.Device{}, err
	}
	var changed stacksync.Device
	err := s.kernel.Write(ctx, stacksync.LockParams{Users: []stacksync.UserID{actor.User}}, func(ctx context.Context, w *session.Write) error {
		user, devices, err := session.Devices(ctx, w, actor)
		if err != nil {
			return err
		}
		if changed, err = change(w, &user, devices); err != nil || slices.Contains(devices, changed) {
			return err
		}
		w.Rows.Devices = append(w.Rows.Devices, changed)
		return w.Touch(ctx, actor.User)
	})
	return changed, err
}
