package service

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
)

// The steps of operations that are about storage and rows, not about items. Each may run again.

// workspace reads one of the operation's workspaces; nil if it is gone.
func (t *task) workspace(ctx context.Context, id stacksync.WorkspaceID) (*stacksync.Workspace, error) {
	var ws *stacksync.Workspace
	err := t.service.store.View(ctx, func(ctx context.Context, r stacksync.Reader) (err error) {
		ws, err = readWorkspace(ctx, r, id)
		return err
	})
	return ws, err
}

func readWorkspace(ctx context.Context, r stacksync.Loader, id stacksync.WorkspaceID) (*stacksync.Workspace, error) {
	rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: id}}})
	if err != nil || len(rows.Workspaces) == 0 {
		return nil, err
	}
	return &rows.Workspaces[0], nil
}

// makeContainer makes the container that items move to.
func (t *task) makeContainer(ctx context.Context) error {
	ws, err := t.workspace(ctx, t.Workspace)
	if err != nil || ws == nil || t.service.storage == nil {
		return err
	}
	return t.service.provisioned(ctx, ws)
}

// dropping runs a step that makes something at the storage, and deletes it if the operation was cancelled meanwhile: that may have deleted the
// container before it was made, or a chunk came into it. The step may seem to have failed, and the storage do it still.
func dropping(run func(t *task, ctx context.Context) error) func(t *task, ctx context.Context) error {
	return func(t *task, ctx context.Context) error {
		ws, err := t.workspace(ctx, t.Workspace)
		if err != nil {
			return err
		}
		err = run(t, ctx)
		if ws == nil || t.service.storage == nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTimeout)
		defer cancel()
		if dropErr := t.dropCancelled(ctx, ws); err == nil {
			err = dropErr
		}
		return err
	}
}

// dropCancelled deletes a container if the operation was cancelled.
func (t *task) dropCancelled(ctx context.Context, ws *stacksync.Workspace) error {
	var cancelled bool
	err := t.service.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{t.ID}, Limit: 1})
		cancelled = len(res.Operations) > 0 && res.Operations[0].Step == undoStep
		return err
	})
	if err != nil || !cancelled {
		return err
	}
	_, err = t.service.storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: ws.Container})
	return err
}

// setAccess tells the storage who reaches the container, until nobody has come or gone meanwhile: the last to be told is what is so.
func (t *task) setAccess(ctx context.Context) error {
	if t.service.accounts == nil {
		return nil
	}
	for _, id := range t.accessTo() {
		ws, err := t.workspace(ctx, id)
		if err != nil {
			return err
		}
		if ws == nil {
			continue
		}
		_, err = t.service.grant(ctx, ws)
		if t.Kind == stacksync.OperationReturn && final(err) { // the container is deleted in the end, which shuts everybody out
			t.service.log.Error("the storage refuses to shut out those who have left a workspace, until that is deleted", "workspace", ws.ID, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// accessTo are the workspaces whose members have changed.
func (t *task) accessTo() []stacksync.WorkspaceID {
	switch t.Kind {
	case stacksync.OperationReturn:
		return []stacksync.WorkspaceID{t.Source}
	case stacksync.OperationDelete:
		return t.data.Left
	}
	return []stacksync.WorkspaceID{t.Workspace}
}

// purgePage is how many rows a transaction deletes.
const purgePage = 2000

// purge removes workspaces that nobody is a member of any more, with all they had.
func (t *task) purge(ctx context.Context) error {
	ids := t.data.Spaces
	if t.Kind == stacksync.OperationReturn {
		ids = []stacksync.WorkspaceID{t.Source}
	}
	for _, id := range ids {
		if err := t.removeWorkspace(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) removeWorkspace(ctx context.Context, id stacksync.WorkspaceID) error {
	ws, err := t.workspace(ctx, id)
	if err != nil || ws == nil {
		return err
	}
	for more := true; more; {
		err := t.change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}}, func(ctx context.Context, w *write) error {
			res, err := w.Purge(ctx, stacksync.PurgeParams{Workspace: id, Limit: purgePage})
			more = res.Rows > 0
			return err
		})
		if err != nil {
			return fmt.Errorf("purge workspace %v: %w", id, err)
		}
	}
	if t.service.storage != nil {
		if _, err := t.service.storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: ws.Container}); err != nil {
			return fmt.Errorf("delete container of workspace %v: %w", id, err)
		}
	}
	return t.change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}}, func(ctx context.Context, w *write) error {
		_, err := w.Remove(ctx, stacksync.RemoveParams{Workspaces: []stacksync.WorkspaceID{id}})
		return err
	})
}

// undo takes back what a ShareFolder has made, before any item has moved.
func (t *task) undo(ctx context.Context) error {
	if err := t.removeWorkspace(ctx, t.Workspace); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return t.change(ctx, stacksync.LockParams{}, func(context.Context, *write) error {
		t.State, t.data.Members, t.data.Homes = stacksync.OperationUndone, nil, nil
		return nil
	})
}

// deleteAccount deletes the storage account of a user who is to be deleted.
func (t *task) deleteAccount(ctx context.Context) error {
	if t.service.accounts == nil {
		return nil
	}
	_, err := t.service.accounts.DeleteAccount(ctx, stacksync.DeleteAccountParams{Account: accountOf(t.User)})
	return err
}

// removeUser removes the last row of a user, once nothing refers to it. A call that had begun before the deletion may have made the
// account again.
func (t *task) removeUser(ctx context.Context) error {
	if err := t.deleteAccount(ctx); err != nil {
		return err
	}
	return t.change(ctx, stacksync.LockParams{Users: []stacksync.UserID{t.User}}, func(ctx context.Context, w *write) error {
		_, err := w.Remove(ctx, stacksync.RemoveParams{Users: []stacksync.UserID{t.User}})
		if err == nil {
			t.next()
		}
		return err
	})
}

var errFolderGone = fmt.Errorf("the folder was deleted: %w", stacksync.ErrItemNotFound)
