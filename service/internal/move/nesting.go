package move

import (
	"context"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// maxMoving bounds how many folders of one default workspace are shared, or return, at once.
const maxMoving = 100

// foldersOf returns the folders of a workspace that are on their way out of it, or back to it, each
// with the operation that moves it.
func foldersOf(ctx context.Context, r stacksync.JournalReader, id stacksync.WorkspaceID) (map[stacksync.ItemID]stacksync.Operation, error) {
	unfinished, err := operation.Unfinished(ctx, r, id)
	if err != nil {
		return nil, err
	}
	folders := make(map[stacksync.ItemID]stacksync.Operation)
	for i := range unfinished {
		data, err := read(&unfinished[i])
		if err != nil {
			return nil, err
		}
		if !data.Folder.IsZero() {
			folders[data.Folder] = unfinished[i]
		}
	}
	return folders, nil
}

// busy returns the error for a call about a folder that an operation moves: an ErrBusy that names
// the operation.
func busy(o stacksync.Operation) error {
	return &stacksync.OperationError{Operation: o, Err: fmt.Errorf("%w: it moves the folder", stacksync.ErrBusy)}
}

// CheckNesting refuses to share a folder of a user's default workspace, below some folders, if a
// shared folder is mounted in it (ErrNested), or if an operation moves that folder, a folder above
// it or a folder in it (ErrBusy).
func CheckNesting(ctx context.Context, w *session.Write, user stacksync.UserID, of stacksync.ItemKey, above map[stacksync.ItemID]bool) error {
	var below []stacksync.ItemID // folders that must not lie below the folder
	mounts, err := w.Memberships(ctx, stacksync.MembershipsParams{User: user})
	if err != nil {
		return err
	}
	for i := range mounts.Members {
		if at := mounts.Members[i].MountParent; !at.IsZero() {
			below = append(below, at)
		}
	}
	moving, err := foldersOf(ctx, w, of.Workspace)
	if err != nil {
		return err
	}
	if op, ok := moving[of.Item]; ok { // the call may be repeated, since its answer was lost
		return busy(op)
	}
	if len(moving) >= maxMoving {
		return fmt.Errorf("%w: %d operations move folders", stacksync.ErrBusy, len(moving))
	}
	for folder, op := range moving {
		if above[folder] {
			return busy(op)
		}
		below = append(below, folder)
	}
	for _, id := range below {
		if id == of.Item {
			return fmt.Errorf("%w: one is mounted in it", stacksync.ErrNested)
		}
		rows, err := w.Load(ctx, stacksync.LoadParams{Ancestors: []stacksync.ItemKey{{Workspace: of.Workspace, Item: id}}})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows.Items, func(row stacksync.ItemRow) bool { return row.ID == of.Item }) {
			continue
		}
		if op, ok := moving[id]; ok {
			return busy(op)
		}
		return fmt.Errorf("%w: one is mounted in folder %v", stacksync.ErrNested, id)
	}
	return nil
}

// CheckMoving returns ErrBusy if an operation moves the folder, or a folder above it.
func CheckMoving(ctx context.Context, w *session.Write, of stacksync.ItemKey) error {
	if of.Item.IsZero() {
		return nil
	}
	moving, err := foldersOf(ctx, w, of.Workspace)
	if err != nil || len(moving) == 0 {
		return err
	}
	rows, err := w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{of}, Ancestors: []stacksync.ItemKey{of}})
	if err != nil {
		return err
	}
	for i := range rows.Items {
		if op, ok := moving[rows.Items[i].ID]; ok {
			return busy(op)
		}
	}
	return nil
}
