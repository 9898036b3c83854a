package session

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// What calls ask of their actors.
var (
	ToRead     = stacksync.Needs{Role: stacksync.Viewer}
	ToDownload = stacksync.Needs{Role: stacksync.Viewer, Device: true}
	ToWrite    = stacksync.Needs{Role: stacksync.Editor, Device: true}
	ToManage   = stacksync.Needs{Role: stacksync.Owner} // to change the members of a workspace
)

// View runs f on a Reader if the actor has the rights n in workspace w. Errors are those of
// CheckActor and AccessRows.Permit, of f, and of the store. f may run again.
func (k *Kernel) View(ctx context.Context, actor stacksync.Actor, w stacksync.WorkspaceID, n stacksync.Needs, f func(ctx context.Context, r stacksync.Reader, acc stacksync.Access) error) error {
	if err := stacksync.CheckActor(actor, n); err != nil {
		return err
	}
	return k.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		acc, err := Permit(ctx, r, actor, w, n)
		if err != nil {
			return err
		}
		return f(ctx, r, acc)
	})
}

// Permit reads an actor's rights in a workspace, and returns an error if they are less than n: see
// AccessRows.Permit.
func Permit(ctx context.Context, r stacksync.Loader, actor stacksync.Actor, w stacksync.WorkspaceID, n stacksync.Needs) (stacksync.Access, error) {
	rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(actor, w)}})
	if err != nil {
		return stacksync.Access{}, err
	}
	return rows.Permit(actor, w, n)
}

// Devices reads a user and all devices of the user. ErrUserNotFound: there is no such user, or the
// user is being deleted. ErrDeviceNotFound, ErrDeviceRevoked: the actor's own device may not call;
// without a device the actor passes.
func Devices(ctx context.Context, r stacksync.Reader, actor stacksync.Actor) (stacksync.User, []stacksync.Device, error) {
	users, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{actor.User}})
	if err != nil {
		return stacksync.User{}, nil, err
	}
	if len(users.Users) == 0 || users.Users[0].Leaving() {
		return stacksync.User{}, nil, stacksync.ErrUserNotFound
	}
	res, err := r.Devices(ctx, stacksync.DevicesParams{User: actor.User})
	if err != nil {
		return stacksync.User{}, nil, err
	}
	rows := stacksync.AccessRows{Devices: res.Devices}
	return users.Users[0], res.Devices, rows.PermitDevice(actor)
}

// Workspace reads a workspace without regard to rights; nil if there is none.
func Workspace(ctx context.Context, r stacksync.Loader, id stacksync.WorkspaceID) (*stacksync.Workspace, error) {
	rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: id}}})
	if err != nil || len(rows.Workspaces) == 0 {
		return nil, err
	}
	return &rows.Workspaces[0], nil
}

// Workspace is the function Workspace in a View of its own.
func (k *Kernel) Workspace(ctx context.Context, id stacksync.WorkspaceID) (*stacksync.Workspace, error) {
	var ws *stacksync.Workspace
	err := k.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) (err error) {
		ws, err = Workspace(ctx, r, id)
		return err
	})
	return ws, err
}
