package stacksync

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Needs says what a call asks of its actor. The zero value asks for nothing but a membership.
type Needs struct {
	Role   Role
	Device bool // a call that commits items, or gives access to content, must name a device
}

// Access says what an actor may do in a workspace, with the rows that say so.
type Access struct {
	Workspace *Workspace
	Owner     *User
	Role      Role
	// KeyGeneration is the generation of the key that was handed out to the member.
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

// CheckUserID checks the id of a user: 1 to 255 bytes of valid UTF-8 without control characters.
// Its error is a *FieldError for field.
func CheckUserID(field string, u UserID) error {
	switch {
	case u == "" || len(u) > MaxName:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d bytes long", MaxName)}
	case !utf8.ValidString(string(u)) || strings.ContainsFunc(string(u), unicode.IsControl):
		return &FieldError{Field: field, Reason: "is not UTF-8 without control characters"}
	}
	return nil
}

// NewAccessKey returns the key that asks a store for the rights of an actor in a workspace.
func NewAccessKey(a Actor, w WorkspaceID) AccessKey {
	return AccessKey{Workspace: w, User: a.User, Device: a.Device}
}

// Permit decides whether the actor may do something that needs n in workspace w. The receiver holds
// the rows that were loaded for NewAccessKey(actor, w). ErrWorkspaceNotFound: the workspace does
// not exist, or the actor is no member or a pending one; a stranger learns no more than this.
// Otherwise ErrDeviceNotFound, ErrDeviceRevoked or ErrRole, checked in this order.
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

// PermitDevice decides whether the actor's device may call: ErrDeviceNotFound, ErrDeviceRevoked. An
// actor without a device passes.
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

// Permit returns ErrDeviceRevoked for a revoked device.
func (d *Device) Permit() error {
	if d.Revoked {
		return ErrDeviceRevoked
	}
	return nil
}

// CheckOpen decides whether a commit that names keyGeneration may be saved now. ErrKeyGeneration:
// the workspace has another generation, or the key of its generation was not handed out to the
// actor yet. ErrBusy: the last items of a folder are moving to another workspace
// (Workspace.FrozenUntil).
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

// CheckUpload returns a *QuotaError for an upload of more bytes than the owner's whole quota: no
// deletion could make room for it. It ignores how much is used now, since the upload may be going
// to replace that.
func (a Access) CheckUpload(bytes int64) error {
	if limit := a.Owner.QuotaLimit; limit > 0 && bytes > limit {
		return &QuotaError{Owner: a.Owner.ID, Limit: limit, Used: a.Owner.QuotaUsed, Need: bytes}
	}
	return nil
}
