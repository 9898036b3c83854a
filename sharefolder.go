package stacksync

import (
	"context"
	"fmt"
	"slices"
)

// maxOperations is how many operations of a workspace are looked at: more never run at once.
const maxOperations = 1000

// maxMoving bounds how many folders are shared, or return, at once.
const maxMoving = 100

// ShareFolder implements Sharing.
func (s *Service) ShareFolder(ctx context.Context, r ShareFolderRequest) (ShareFolderResult, error) {
	return call(ctx, s, "ShareFolder", func(ctx context.Context) (ShareFolderResult, int, error) {
		res, err := s.shareFolder(ctx, r)
		return res, len(r.Invite), err
	})
}

func (s *Service) shareFolder(ctx context.Context, r ShareFolderRequest) (ShareFolderResult, error) {
	var res ShareFolderResult
	if r.Folder.IsZero() {
		return res, &FieldError{Field: "Folder", Reason: "is zero, which is the root"}
	}
	if err := checkText("SealedKey", r.SealedKey, maxSealedKey); err != nil {
		return res, err
	}
	if err := s.view(ctx, r.Actor, r.Workspace, toManage, func(context.Context, Reader, access) error { return nil }); err != nil {
		return res, err
	}
	g, err := s.find(ctx, r.Actor, "Invite", r.Invite)
	if err != nil {
		return res, err
	}
	id, err := s.cfg.NewID()
	if err != nil {
		return res, fmt.Errorf("make an id: %w", err)
	}
	epoch, err := newEpoch()
	if err != nil {
		return res, err
	}
	container := newContainerName()
	lock := LockParams{Workspaces: []WorkspaceID{r.Workspace}, Users: []UserID{r.User}}
	err = s.write(ctx, lock, func(ctx context.Context, w *write) error {
		folder, acc, err := w.shareable(ctx, r)
		if err != nil {
			return err
		}
		ws := Workspace{
			ID: WorkspaceID{id}, Owner: r.User, Container: container, Epoch: epoch, FoldCase: acc.workspace.FoldCase,
			Folder: r.Folder, CreatedAt: s.now(), Encrypted: r.Encrypted,
		}
		owner := Member{Workspace: ws.ID, User: r.User, Role: Owner, SealedKey: r.SealedKey, MountName: folder.Name, MountParent: folder.Parent}
		if ws.Encrypted {
			ws.KeyGeneration = 1
		}
		ro := roster{access: access{workspace: &ws}}
		members := append([]Member{owner}, g.members...)
		if most := s.cfg.Limits.Members; len(members) > most {
			return &FieldError{Field: "Invite", Reason: fmt.Sprintf("would make more than %d members, the owner included", most), Err: ErrLimit}
		}
		for i := range members {
			if err := ro.checkKey(&members[i]); err != nil {
				return err
			}
		}
		w.put.Workspaces = append(w.put.Workspaces, ws)
		res.Workspace, res.Unknown = ws, g.unknown
		res.Operation, err = w.record(OperationShare, r.User, ws.ID, r.Workspace, operationData{Folder: r.Folder, Members: members, Homes: g.homes})
		return err
	})
	if err != nil {
		return res, err
	}
	t := s.start(res.Operation)
	if err := t.await(ctx); err != nil {
		return res, err
	}
	res.Operation = t.Operation
	return res, nil
}

// shareable returns the folder that is to be shared, if it can be.
func (w *write) shareable(ctx context.Context, r ShareFolderRequest) (*ItemRow, access, error) {
	key := ItemKey{r.Workspace, r.Folder}
	rows, err := w.Load(ctx, LoadParams{Access: []AccessKey{r.key(r.Workspace)}, Items: []ItemKey{key}, Ancestors: []ItemKey{key}})
	if err != nil {
		return nil, access{}, err
	}
	acc, err := rows.permit(r.Actor, r.Workspace, toManage)
	if err != nil {
		return nil, access{}, err
	}
	if err := w.service.checkFolding(acc.workspace); err != nil {
		return nil, access{}, err
	}
	if acc.workspace.ID != acc.owner.DefaultWorkspace {
		return nil, access{}, fmt.Errorf("%w: it is not the actor's default workspace", ErrNested)
	}
	var folder *ItemRow
	above := make(map[ItemID]bool)
	for i := range rows.Items {
		if row := &rows.Items[i]; row.ID == r.Folder {
			folder = row
		} else {
			above[row.ID] = true
		}
	}
	switch {
	case folder == nil:
		return nil, access{}, ErrItemNotFound
	case folder.elsewhere(nil) != nil:
		return nil, access{}, folder.elsewhere(nil)
	case folder.Deleted || folder.Kind != Folder:
		return nil, access{}, ErrItemNotFound
	}
	if err := w.checkNesting(ctx, r, above); err != nil {
		return nil, access{}, err
	}
	return folder, acc, nil
}

// checkNesting refuses to share a folder that has another one in it, or that another one is about to leave, or that lies in one that is.
func (w *write) checkNesting(ctx context.Context, r ShareFolderRequest, above map[ItemID]bool) error {
	var below []ItemID // what must not lie below the folder
	mounts, err := w.Memberships(ctx, MembershipsParams{User: r.User})
	if err != nil {
		return err
	}
	for i := range mounts.Members {
		if at := mounts.Members[i].MountParent; !at.IsZero() {
			below = append(below, at)
		}
	}
	moving, err := w.moving(ctx, r.Workspace)
	if err != nil {
		return err
	}
	if len(moving) >= maxMoving {
		return fmt.Errorf("%w: %d operations move folders", ErrBusy, len(moving))
	}
	for folder, op := range moving {
		if folder == r.Folder || above[folder] {
			return fmt.Errorf("%w: operation %v moves it", ErrBusy, op)
		}
		below = append(below, folder)
	}
	for _, id := range below {
		if id == r.Folder {
			return fmt.Errorf("%w: one is mounted in it", ErrNested)
		}
		rows, err := w.Load(ctx, LoadParams{Ancestors: []ItemKey{{r.Workspace, id}}})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows.Items, func(row ItemRow) bool { return row.ID == r.Folder }) {
			continue
		}
		if _, ok := moving[id]; ok {
			return fmt.Errorf("%w: folder %v in it is being moved", ErrBusy, id)
		}
		return fmt.Errorf("%w: one is mounted in folder %v", ErrNested, id)
	}
	return nil
}

// moving returns the folders that leave a workspace, or return to it, and what operations do so.
func (w *write) moving(ctx context.Context, id WorkspaceID) (map[ItemID]OperationID, error) {
	unfinished, err := w.unfinished(ctx, id)
	if err != nil {
		return nil, err
	}
	folders := make(map[ItemID]OperationID)
	for i := range unfinished {
		data, err := unfinished[i].decode()
		if err != nil {
			return nil, err
		}
		if !data.Folder.IsZero() {
			folders[data.Folder] = unfinished[i].ID
		}
	}
	return folders, nil
}
