package stacksync

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// needs says what a call asks of its actor.
type needs struct {
	role   Role
	device bool // a call that writes or touches content must name a device
}

var (
	toRead     = needs{role: Viewer}
	toDownload = needs{role: Viewer, device: true}
	toWrite    = needs{role: Editor, device: true}
)

// access is what an actor has in a workspace.
type access struct {
	workspace *Workspace
	owner     *User
	role      Role
	key       int64 // the generation of the key that the member has
}

// check validates the ids of an actor, before any I/O.
func (a Actor) check(n needs) error {
	if err := a.User.check("Actor.User"); err != nil {
		return err
	}
	if n.device && a.Device.IsZero() {
		return &FieldError{Field: "Actor.Device", Reason: "is required for this call"}
	}
	return nil
}

func (a Actor) key(w WorkspaceID) AccessKey {
	return AccessKey{Workspace: w, User: a.User, Device: a.Device}
}

func (u UserID) check(field string) error {
	switch {
	case u == "" || len(u) > maxShort:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d bytes long", maxShort)}
	case !utf8.ValidString(string(u)) || strings.ContainsFunc(string(u), isControl):
		return &FieldError{Field: field, Reason: "is not UTF-8 without control characters"}
	}
	return nil
}

// permit decides whether the actor may do something that needs n in a workspace, from rows that were loaded for
// actor.key(w). All that a stranger learns is that the workspace is not there for them.
func (r *AccessRows) permit(actor Actor, w WorkspaceID, n needs) (access, error) {
	var acc access
	for i := range r.Members {
		if m := &r.Members[i]; m.Workspace == w && m.User == actor.User && !m.Pending {
			acc.role, acc.key = m.Role, m.KeyGeneration
		}
	}
	for i := range r.Workspaces {
		if r.Workspaces[i].ID == w {
			acc.workspace = &r.Workspaces[i]
		}
	}
	if acc.role == 0 || acc.workspace == nil {
		return access{}, ErrWorkspaceNotFound
	}
	for i := range r.Owners {
		if r.Owners[i].ID == acc.workspace.Owner {
			acc.owner = &r.Owners[i]
		}
	}
	if acc.owner == nil {
		return access{}, fmt.Errorf("store has no owner of workspace %v", w)
	}
	if err := r.permitDevice(actor); err != nil {
		return access{}, err
	}
	if acc.role < n.role {
		return access{}, fmt.Errorf("%w: %v, %v needed", ErrRole, acc.role, n.role)
	}
	return acc, nil
}

func (r *AccessRows) permitDevice(actor Actor) error {
	if actor.Device.IsZero() {
		return nil
	}
	for i := range r.Devices {
		if d := &r.Devices[i]; d.ID == actor.Device && d.User == actor.User {
			return d.permit()
		}
	}
	return ErrDeviceNotFound
}

func (d *Device) permit() error {
	if d.Revoked {
		return ErrDeviceRevoked
	}
	return nil
}

// view runs f on a reader for which the actor has what n asks.
func (s *Service) view(ctx context.Context, actor Actor, w WorkspaceID, n needs, f func(ctx context.Context, r Reader, acc access) error) error {
	if err := actor.check(n); err != nil {
		return err
	}
	return s.store.View(ctx, func(ctx context.Context, r Reader) error {
		rows, err := r.Load(ctx, LoadParams{Access: []AccessKey{actor.key(w)}})
		if err != nil {
			return err
		}
		acc, err := rows.permit(actor, w, n)
		if err != nil {
			return err
		}
		return f(ctx, r, acc)
	})
}
