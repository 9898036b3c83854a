package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// NewContainerName makes a name that nobody can guess (130 random bits), and that every storage
// accepts.
func NewContainerName() string { return "ws-" + strings.ToLower(rand.Text()) }

// Provisioned makes sure that the container of a workspace exists. It may be missing: the workspace
// was made while the service had no storage, or while the storage was down. ErrWorkspaceNotFound:
// the workspace was removed meanwhile.
func (k *Kernel) Provisioned(ctx context.Context, w *stacksync.Workspace) error {
	if w.Provisioned {
		return nil
	}
	return k.provision(ctx, w)
}

// provision makes the container of a workspace, and notes that it exists.
func (k *Kernel) provision(ctx context.Context, w *stacksync.Workspace) error {
	if _, err := k.Storage.CreateContainer(ctx, stacksync.CreateContainerParams{Container: w.Container}); err != nil {
		return fmt.Errorf("create container of workspace %v: %w", w.ID, err)
	}
	err := k.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w.ID}}); err != nil {
			return err
		}
		rows, err := tx.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ID, User: w.Owner}}})
		if err == nil && len(rows.Workspaces) == 0 {
			err = stacksync.ErrWorkspaceNotFound
		}
		if err != nil {
			return err
		}
		now := rows.Workspaces[0]
		now.Provisioned = true
		_, err = tx.Put(ctx, stacksync.PutParams{Workspaces: []stacksync.Workspace{now}})
		return err
	})
	// The workspace was removed meanwhile, perhaps before this call has made the container: nobody
	// else would delete it.
	if errors.Is(err, stacksync.ErrWorkspaceNotFound) {
		if _, gone := k.Storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: w.Container}); gone != nil {
			err = fmt.Errorf("%w; delete its container: %w", err, gone)
		}
	}
	return err
}
