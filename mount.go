package stacksync

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// UpdateMount implements Sharing.
func (s *Service) UpdateMount(ctx context.Context, r UpdateMountRequest) (UpdateMountResult, error) {
	return call(ctx, s, "UpdateMount", func(ctx context.Context) (UpdateMountResult, int, error) {
		res, err := s.updateMount(ctx, r)
		return res, 1, err
	})
}

func (s *Service) updateMount(ctx context.Context, r UpdateMountRequest) (UpdateMountResult, error) {
	var res UpdateMountResult
	if err := r.check(needs{}); err != nil {
		return res, err
	}
	if err := checkName("Name", r.Name); err != nil {
		return res, err
	}
	var home WorkspaceID
	err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, _ access) error {
		users, err := rd.Users(ctx, UsersParams{IDs: []UserID{r.User}})
		if err == nil && len(users.Users) > 0 {
			home = users.Users[0].DefaultWorkspace
		}
		return err
	})
	if err != nil {
		return res, err
	}
	lock := LockParams{Workspaces: []WorkspaceID{home, r.Workspace}, Users: []UserID{r.User}}
	err = s.write(ctx, lock, func(ctx context.Context, w *write) error {
		rows, err := w.Load(ctx, LoadParams{Access: []AccessKey{r.key(r.Workspace)}, Items: []ItemKey{{home, r.Parent}}})
		if err != nil {
			return err
		}
		acc, err := rows.permit(r.Actor, r.Workspace, toRead)
		if err != nil {
			return err
		}
		if acc.workspace.Folder.IsZero() {
			return ErrNotShared
		}
		m := rows.Members[0]
		if m.MountName == r.Name && m.MountParent == r.Parent {
			res.Member = m
			return nil
		}
		sp := newSpace(&Workspace{ID: home}, acc.owner)
		for i := range rows.Items {
			sp.load(&rows.Items[i])
		}
		if err := sp.checkParent(&Proposal{Kind: File, Parent: r.Parent}, 0); err != nil {
			return err
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
			return fmt.Errorf("%w: %q", ErrNameTaken, r.Name)
		}
		m.MountName, m.MountParent = r.Name, r.Parent
		w.put.Members = append(w.put.Members, m)
		res.Member = m
		return w.touch(ctx, r.User)
	})
	return res, err
}

// checkMoving refuses a folder that is being shared, or lies in one that is.
func (w *write) checkMoving(ctx context.Context, home WorkspaceID, folder ItemID) error {
	if folder.IsZero() {
		return nil
	}
	moving, err := w.moving(ctx, home)
	if err != nil || len(moving) == 0 {
		return err
	}
	key := ItemKey{home, folder}
	rows, err := w.Load(ctx, LoadParams{Items: []ItemKey{key}, Ancestors: []ItemKey{key}})
	if err != nil {
		return err
	}
	for i := range rows.Items {
		if op, ok := moving[rows.Items[i].ID]; ok {
			return fmt.Errorf("%w: operation %v moves it", ErrBusy, op)
		}
	}
	return nil
}

// taken returns a function that tells whether a name is free in a folder of a user's default workspace, of items and mounts but one.
func (w *write) taken(ctx context.Context, user UserID, parent ItemID, but WorkspaceID) (func(ctx context.Context, name string) (free bool, err error), error) {
	u, err := w.user(ctx, user)
	if err != nil {
		return nil, err
	}
	if u.leaving() {
		return nil, ErrUserNotFound
	}
	res, err := w.Memberships(ctx, MembershipsParams{User: user})
	if err != nil {
		return nil, err
	}
	mounts := make(map[string]bool)
	fold := w.service.cfg.FoldCase
	for i := range res.Members {
		if m := &res.Members[i]; m.MountParent == parent && m.Workspace != but && m.MountName != "" {
			mounts[nameKey(m.MountName, fold)] = true
		}
	}
	return func(ctx context.Context, name string) (bool, error) {
		key := nameKey(name, fold)
		if mounts[key] {
			return false, nil
		}
		rows, err := w.Load(ctx, LoadParams{Names: []NameKey{{u.DefaultWorkspace, parent, key}}})
		return len(rows.Items) == 0, err
	}, nil
}

// freeName returns name, with a number where an item in the root of the user's default workspace, or a mount of another workspace there, has it.
func (w *write) freeName(ctx context.Context, user UserID, but WorkspaceID, name string) (string, error) {
	free, err := w.taken(ctx, user, ItemID{}, but)
	if err != nil {
		return "", err
	}
	return numbered(name, func(name string) (bool, error) { return free(ctx, name) })
}

// numbered returns the first of "name.txt", "name (2).txt", "name (3).txt" … that is free.
func numbered(name string, free func(name string) (bool, error)) (string, error) {
	const most = 10_000
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" || len(ext) > 16 {
		stem, ext = name, ""
	}
	for n := 1; n < most; n++ {
		try := name
		if n > 1 {
			mark := fmt.Sprintf(" (%d)", n)
			try = strings.ToValidUTF8(stem[:min(len(stem), maxShort-len(mark)-len(ext))], "") + mark + ext
		}
		ok, err := free(try)
		if err != nil || ok {
			return try, err
		}
	}
	return "", fmt.Errorf("%w: %q and %d more", ErrNameTaken, name, most-2)
}
