package member

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Taken returns a function that reports whether a name is free in a folder of a user's default
// workspace: no live item and no mount there has it. It ignores the user's mount of workspace but.
// ErrUserNotFound: the user is being deleted, or does not exist.
func Taken(ctx context.Context, w *session.Write, user stacksync.UserID, parent stacksync.ItemID, but stacksync.WorkspaceID) (func(ctx context.Context, name string) (free bool, err error), error) {
	u, err := w.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if u.Leaving() {
		return nil, stacksync.ErrUserNotFound
	}
	res, err := w.Memberships(ctx, stacksync.MembershipsParams{User: user})
	if err != nil {
		return nil, err
	}
	mounts := make(map[string]bool)
	fold := w.Kernel.FoldCase
	for i := range res.Members {
		if m := &res.Members[i]; m.MountParent == parent && m.Workspace != but && m.MountName != "" {
			mounts[stacksync.FoldName(m.MountName, fold)] = true
		}
	}
	return func(ctx context.Context, name string) (bool, error) {
		key := stacksync.FoldName(name, fold)
		if mounts[key] {
			return false, nil
		}
		rows, err := w.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{{Workspace: u.DefaultWorkspace, Parent: parent, Key: key}}})
		return len(rows.Items) == 0, err
	}, nil
}

// freeName returns name, or name with a number if an item in the root of the user's default
// workspace, or a mount of another workspace there, has that name.
func freeName(ctx context.Context, w *session.Write, user stacksync.UserID, but stacksync.WorkspaceID, name string) (string, error) {
	free, err := Taken(ctx, w, user, stacksync.ItemID{}, but)
	if err != nil {
		return "", err
	}
	return stacksync.NumberedName(name, func(name string) (bool, error) { return free(ctx, name) })
}
