package member

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Add makes a member, whose devices show the workspace under a free name in the root of the
// member's default workspace. The caller has locked the user. home is the default workspace of the
// user who was invited: who has another one has come to the id since, and is not found
// (ErrUserNotFound).
func Add(ctx context.Context, w *session.Write, ws *stacksync.Workspace, m *stacksync.Member, home stacksync.WorkspaceID, name string) error {
	u, err := w.User(ctx, m.User)
	if err == nil && u.DefaultWorkspace != home { // it is another one by now
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

// Public returns what a user may see of a member: not another one's key, nor where that has the
// mount.
func Public(m *stacksync.Member, to stacksync.UserID) stacksync.Member {
	shown := *m
	shown.SealedKey = ""
	if m.User != to {
		shown.MountName, shown.MountParent = "", stacksync.ItemID{}
	}
	return shown
}
