package stacksync

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Needs says what a call asks of its actor.
type Needs struct {
	Role   Role
	Device bool // a call that writes or touches content must name a device
}

// Access is what an actor has in a workspace.
type Access struct {
	Workspace *Workspace
	Owner     *User
	Role      Role
	// KeyGeneration is that of the key which the member has.
	KeyGeneration int64
}

// CheckActor checks the ids of an actor, before any I/O. Its error is a *FieldError.
func CheckActor(a Actor, n Needs) error {
	if err := CheckUserID("Actor.User", a.User); err != nil {
		return err
	}
	if n.Device && a.Device.IsZero() {
		return &FieldError{Field: "Actor.Device", Reason: "is required for this call"}
	}
	return nil
}

// CheckUserID applies the rules for the id of a user. Its error is a *FieldError for field.
func CheckUserID(field string, u UserID) error {
	switch {
	case u == "" || len(u) > MaxName:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d bytes long", MaxName)}
	case !utf8.ValidString(string(u)) || strings.ContainsFunc(string(u), unicode.IsControl):
		return &FieldError{Field: field, Reason: "is not UTF-8 without control characters"}
	}
	return nil
}

// NewAccessKey returns what asks a store for the rights of an actor in a workspace.
func NewAccessKey(a Actor, w WorkspaceID) AccessKey {
	return AccessKey{Workspace: w, User: a.User, Device: a.Device}
}

// Permit decides whether the actor may do something that needs n in a workspace, from rows that
// were loaded for NewAccessKey(actor, w). All that a stranger learns is that the workspace is not
// there for them: ErrWorkspaceNotFound. Otherwise ErrDeviceNotFound, ErrDeviceRevoked or ErrRole.
func (r *AccessRows) Permit(actor Actor, w WorkspaceID, n Needs) (Access, error) {
	var acc Access
	for i := range r.Members {
		if m := &r.Members[i]; m.Workspace == w && m.User == actor.User && !m.Pending {
			acc.Role, acc.KeyGeneration = m.Role, m.KeyGeneration
		}
	}
	for i := range r.Workspaces {
		if r.Workspaces[i].ID == w {
			acc.Workspace = &r.Workspaces[i]
		}
	}
	if acc.Role == 0 || acc.Workspace == nil {
		return Access{}, ErrWorkspaceNotFound
	}
	for i := range r.Owners {
		if r.Owners[i].ID == acc.Workspace.Owner {
			acc.Owner = &r.Owners[i]
		}
	}
	if acc.Owner == nil {
		return Access{}, fmt.Errorf("store has no owner of workspace %v", w)
	}
	if err := r.PermitDevice(actor); err != nil {
		return Access{}, err
	}
	if acc.Role < n.Role {
		return Access{}, fmt.Errorf("%w: %v, %v needed", ErrRole, acc.Role, n.Role)
	}
	return acc, nil
}

// PermitDevice decides whether the actor's device, where one is named, may call: ErrDeviceNotFound
// or ErrDeviceRevoked.
func (r *AccessRows) PermitDevice(actor Actor) error {
	if actor.Device.IsZero() {
		return nil
	}
	for i := range r.Devices {
		if d := &r.Devices[i]; d.ID == actor.Device && d.User == actor.User {
			return d.Permit()
		}
	}
	return ErrDeviceNotFound
}

// Permit refuses a revoked device: ErrDeviceRevoked.
func (d *Device) Permit() error {
	if d.Revoked {
		return ErrDeviceRevoked
	}
	return nil
}

// CheckOpen refuses commits with a key that was replaced, or that nobody has handed out yet
// (ErrKeyGeneration), and all commits while the last items of a folder move to another workspace
// (ErrBusy).
func (a Access) CheckOpen(keyGeneration int64, now time.Time) error {
	switch w := a.Workspace; {
	case keyGeneration != w.KeyGeneration:
		return fmt.Errorf("%w: it is %d", ErrKeyGeneration, w.KeyGeneration)
	case a.KeyGeneration != w.KeyGeneration:
		return fmt.Errorf("%w: it is %d, whose key is yet to be handed out", ErrKeyGeneration, w.KeyGeneration)
	case w.FrozenUntil.After(now):
		return fmt.Errorf("%w: a folder is moving to another workspace", ErrBusy)
	}
	return nil
}

// CheckUpload refuses an upload that could not be committed whatever were deleted to make room: a
// *QuotaError. What is used now does not count: the upload may be going to replace it.
func (a Access) CheckUpload(bytes int64) error {
	if limit := a.Owner.QuotaLimit; limit > 0 && bytes > limit {
		return &QuotaError{Owner: a.Owner.ID, Limit: limit, Used: a.Owner.QuotaUsed, Need: bytes}
	}
	return nil
}
