package service

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
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
	err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
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
	err = s.write(ctx, lock, func(ctx context.Context, w *write) error {
		rows, err := w.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(r.Actor, r.Workspace)}, Items: []stacksync.ItemKey{{Workspace: home, Item: r.Parent}}})
		if err != nil {
			return err
		}
		acc, err := rows.Permit(r.Actor, r.Workspace, toRead)
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
		if err := w.checkMoving(ctx, home, r.Parent); err != nil {
			return err
		}
		free, err := w.taken(ctx, r.User, r.Parent, r.Workspace)
		if err != nil {
			return err
		}
		if free, err := free(ctx, r.Name); err != nil {
			return err
		} else if !free {
			return fmt.Errorf("%w: %q", stacksync.ErrNameTaken, r.Name)
		}
		m.MountName, m.MountParent = r.Name, r.Parent
		w.put.Members = append(w.put.Members, m)
		res.Member = m
		return w.touch(ctx, r.User)
	})
	return res, err
}

// checkMoving refuses a folder that is being shared, or lies in one that is.
func (w *write) checkMoving(ctx context.Context, home stacksync.WorkspaceID, folder stacksync.ItemID) error {
	if folder.IsZero() {
		return nil
	}
	moving, err := w.moving(ctx, home)
	if err != nil || len(moving) == 0 {
		return err
	}
	key := stacksync.ItemKey{Workspace: home, Item: folder}
	rows, err := w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{key}, Ancestors: []stacksync.ItemKey{key}})
	if err != nil {
		return err
	}
	for i := range rows.Items {
		if op, ok := moving[rows.Items[i].ID]; ok {
			return fmt.Errorf("%w: operation %v moves it", stacksync.ErrBusy, op)
		}
	}
	return nil
}

// taken returns a function that tells whether a name is free in a folder of a user's default workspace, of items and mounts but one.
func (w *write) taken(ctx context.Context, user stacksync.UserID, parent stacksync.ItemID, but stacksync.WorkspaceID) (func(ctx context.Context, name string) (free bool, err error), error) {
	u, err := w.user(ctx, user)
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
	fold := w.service.cfg.FoldCase
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

// freeName returns name, with a number where an item in the root of the user's default workspace, or a mount of another workspace there, has it.
func (w *write) freeName(ctx context.Context, user stacksync.UserID, but stacksync.WorkspaceID, name string) (string, error) {
	free, err := w.taken(ctx, user, stacksync.ItemID{}, but)
	if err != nil {
		return "", err
	}
	return stacksync.NumberedName(name, func(name string) (bool, error) { return free(ctx, name) })
}
