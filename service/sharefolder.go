package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// maxMoving bounds how many folders of one default workspace are shared, or return, at once.
const maxMoving = 100

// ShareFolder implements Sharing.
func (s *Service) ShareFolder(ctx context.Context, r stacksync.ShareFolderRequest) (stacksync.ShareFolderResult, error) {
	return call(ctx, s, "ShareFolder", func(ctx context.Context) (stacksync.ShareFolderResult, int, error) {
		res, err := s.shareFolder(ctx, r)
		return res, len(r.Invite), err
	})
}

func (s *Service) shareFolder(ctx context.Context, r stacksync.ShareFolderRequest) (stacksync.ShareFolderResult, error) {
	var res stacksync.ShareFolderResult
	if r.Folder.IsZero() {
		return res, &stacksync.FieldError{Field: "Folder", Reason: "is zero, which is the root"}
	}
	if err := stacksync.CheckText("SealedKey", r.SealedKey, member.MaxSealedKey); err != nil {
		return res, err
	}
	if err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToManage, func(context.Context, stacksync.Reader, stacksync.Access) error { return nil }); err != nil {
		return res, err
	}
	g, err := s.inviter().Find(ctx, r.Actor, "Invite", r.Invite)
	if err != nil {
		return res, err
	}
	id, err := s.kernel.NewID()
	if err != nil {
		return res, err
	}
	epoch, err := newEpoch()
	if err != nil {
		return res, err
	}
	container := session.NewContainerName()
	lock := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{r.Workspace}, Users: []stacksync.UserID{r.User}}
	err = s.kernel.Write(ctx, lock, func(ctx context.Context, w *session.Write) error {
		folder, acc, err := s.shareable(ctx, w, r)
		if err != nil {
			return err
		}
		ws := stacksync.Workspace{
			ID: stacksync.WorkspaceID{UUID: id}, Owner: r.User, Container: container, Epoch: epoch, FoldCase: acc.Workspace.FoldCase,
			Folder: r.Folder, CreatedAt: s.kernel.Now(), Encrypted: r.Encrypted,
		}
		owner := stacksync.Member{Workspace: ws.ID, User: r.User, Role: stacksync.Owner, SealedKey: r.SealedKey, MountName: folder.Name, MountParent: folder.Parent}
		if ws.Encrypted {
			ws.KeyGeneration = 1
		}
		members := append([]stacksync.Member{owner}, g.Members...)
		if most := s.cfg.Limits.Members; len(members) > most {
			return &stacksync.FieldError{Field: "Invite", Reason: fmt.Sprintf("would make more than %d members, the owner included", most), Err: stacksync.ErrLimit}
		}
		for i := range members {
			if err := member.CheckKey(&ws, &members[i]); err != nil {
				return err
			}
		}
		w.Rows.Workspaces = append(w.Rows.Workspaces, ws)
		res.Workspace, res.Unknown = ws, g.Unknown
		res.Operation, err = s.engine.Record(w, stacksync.OperationShare, r.User, ws.ID, r.Workspace, &move.Payload{Folder: r.Folder, Members: members, Homes: g.Homes})
		return err
	})
	if err != nil {
		return res, err
	}
	t := s.engine.Start(res.Operation)
	if err := t.Await(ctx); err != nil {
		return res, err
	}
	res.Operation = t.Op
	ws, err := s.kernel.Workspace(ctx, res.Workspace.ID)
	switch {
	case err != nil: // the folder is shared all the same
		s.cfg.Logger.Warn("a shared workspace could not be read again for the answer", "workspace", res.Workspace.ID, "error", err)
	case ws != nil: // else it was unshared at once
		res.Workspace = *ws
	}
	return res, nil
}

// shareable returns the folder that is to be shared, or the error that says why it can't be.
func (s *Service) shareable(ctx context.Context, w *session.Write, r stacksync.ShareFolderRequest) (*stacksync.ItemRow, stacksync.Access, error) {
	key := stacksync.ItemKey{Workspace: r.Workspace, Item: r.Folder}
	rows, err := w.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(r.Actor, r.Workspace)}, Items: []stacksync.ItemKey{key}, Ancestors: []stacksync.ItemKey{key}})
	if err != nil {
		return nil, stacksync.Access{}, err
	}
	acc, err := rows.Permit(r.Actor, r.Workspace, session.ToManage)
	if err != nil {
		return nil, stacksync.Access{}, err
	}
	if err := s.rules.CheckFolding(acc.Workspace); err != nil {
		return nil, stacksync.Access{}, err
	}
	if acc.Workspace.ID != acc.Owner.DefaultWorkspace {
		return nil, stacksync.Access{}, fmt.Errorf("%w: it is not the actor's default workspace", stacksync.ErrNested)
	}
	var folder *stacksync.ItemRow
	above := make(map[stacksync.ItemID]bool)
	for i := range rows.Items {
		if row := &rows.Items[i]; row.ID == r.Folder {
			folder = row
		} else {
			above[row.ID] = true
		}
	}
	switch {
	case folder == nil:
		return nil, stacksync.Access{}, stacksync.ErrItemNotFound
	case folder.Moved() != nil:
		return nil, stacksync.Access{}, folder.Moved()
	case folder.Deleted || folder.Kind != stacksync.Folder:
		return nil, stacksync.Access{}, stacksync.ErrItemNotFound
	}
	if err := s.checkNesting(ctx, w, r, above); err != nil {
		return nil, stacksync.Access{}, err
	}
	return folder, acc, nil
}

// checkNesting refuses to share a folder if a shared folder is mounted in it (ErrNested), or if an
// operation moves that folder, a folder above it or a folder in it (ErrBusy).
func (s *Service) checkNesting(ctx context.Context, w *session.Write, r stacksync.ShareFolderRequest, above map[stacksync.ItemID]bool) error {
	var below []stacksync.ItemID // folders that must not lie below the folder
	mounts, err := w.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
	if err != nil {
		return err
	}
	for i := range mounts.Members {
		if at := mounts.Members[i].MountParent; !at.IsZero() {
			below = append(below, at)
		}
	}
	moving, err := move.Folders(ctx, w, r.Workspace)
	if err != nil {
		return err
	}
	if op, ok := moving[r.Folder]; ok { // the call may be repeated, since its answer was lost
		return move.Busy(op)
	}
	if len(moving) >= maxMoving {
		return fmt.Errorf("%w: %d operations move folders", stacksync.ErrBusy, len(moving))
	}
	for folder, op := range moving {
		if above[folder] {
			return move.Busy(op)
		}
		below = append(below, folder)
	}
	for _, id := range below {
		if id == r.Folder {
			return fmt.Errorf("%w: one is mounted in it", stacksync.ErrNested)
		}
		rows, err := w.Load(ctx, stacksync.LoadParams{Ancestors: []stacksync.ItemKey{{Workspace: r.Workspace, Item: id}}})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows.Items, func(row stacksync.ItemRow) bool { return row.ID == r.Folder }) {
			continue
		}
		if op, ok := moving[id]; ok {
			return move.Busy(op)
		}
		return fmt.Errorf("%w: one is mounted in folder %v", stacksync.ErrNested, id)
	}
	return nil
}
