package service

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// UpdateMount implements Sharing.
func (s *Service) UpdateMount(ctx context.Context, r stacksync.UpdateMountRequest) (stacksync.UpdateMountResult, error) {
	return call(ctx, s, "UpdateMount", func(ctx context.Context) (stacksync.UpdateMountResult, int, error) {
		res, err := s.updateMount(ctx, r)
		return res, 1, err
	})
}

func (s *Service) updateMount(ctx context.Context, r stacksync.UpdateMountRequest) (stacksync.UpdateMountResult, error) {
	var res stacksync.UpdateMountResult
	if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
		return res, err
	}
	if err := stacksync.CheckName("Name", r.Name); err != nil {
		return res, err
	}
	var home stacksync.WorkspaceID
	err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
		users, err := rd.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{r.User}})
		if err == nil && len(users.Users) > 0 {
			home = users.Users[0].DefaultWorkspace
		}
		return err
	})
	if err != nil {
		return res, err
	}
	lock := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{home, r.Workspace}, Users: []stacksync.UserID{r.User}}
	err = s.kernel.Write(ctx, lock, func(ctx context.Context, w *session.Write) error {
		rows, err := w.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(r.Actor, r.Workspace)}, Items: []stacksync.ItemKey{{Workspace: home, Item: r.Parent}}})
		if err != nil {
			return err
		}
		acc, err := rows.Permit(r.Actor, r.Workspace, session.ToRead)
		if err != nil {
			return err
		}
		if acc.Workspace.Folder.IsZero() {
			return stacksync.ErrNotShared
		}
		m := rows.Members[0]
		if m.MountName == r.Name && m.MountParent == r.Parent {
			res.Member = m
			return nil
		}
		if !r.Parent.IsZero() {
			var parent *stacksync.ItemRow
			if len(rows.Items) > 0 {
				parent = &rows.Items[0]
			}
			if err := stacksync.CheckParent(r.Parent, parent); err != nil {
				return err
			}
		}
		if err := move.CheckMoving(ctx, w, stacksync.ItemKey{Workspace: home, Item: r.Parent}); err != nil {
			return err
		}
		free, err := member.Taken(ctx, w, r.User, r.Parent, r.Workspace)
		if err != nil {
			return err
		}
		if free, err := free(ctx, r.Name); err != nil {
			return err
		} else if !free {
			return fmt.Errorf("%w: %q", stacksync.ErrNameTaken, r.Name)
		}
		m.MountName, m.MountParent = r.Name, r.Parent
		w.Rows.Members = append(w.Rows.Members, m)
		res.Member = m
		return w.Touch(ctx, r.User)
	})
	return res, err
}
