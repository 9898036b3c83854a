package member

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Add makes m a member of ws. The member's devices show the workspace in the root of the member's
// default workspace, under name, or name with a number where that is taken. The caller has locked
// the user. home is the default workspace that the user had when invited. If the user has another
// one now, the id belongs to another user: ErrUserNotFound.
func Add(ctx context.Context, w *session.Write, ws *stacksync.Workspace, m *stacksync.Member, home stacksync.WorkspaceID, name string) error {
	u, err := w.User(ctx, m.User)
	if err == nil && u.DefaultWorkspace != home { // the id belongs to another user by now
		err = stacksync.ErrUserNotFound
	}
	if err != nil {
		return err
	}
	m.Workspace, m.JoinedAt = ws.ID, w.Kernel.Now()
	if m.MountName, err = freeName(ctx, w, m.User, ws.ID, name); err != nil {
		return err
	}
	w.Rows.Members = append(w.Rows.Members, *m)
	return nil
}

// Public returns the part of a member that the user to may see: no sealed key, and no mount of
// another user.
func Public(m *stacksync.Member, to stacksync.UserID) stacksync.Member {
	shown := *m
	shown.SealedKey = ""
	if m.User != to {
		shown.MountName, shown.MountParent = "", stacksync.ItemID{}
	}
	return shown
}
