package move

import (
	"context"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// The names of the steps of a plan. They are stored: never rename one.
const (
	containerStep = "container"
	copyStep      = "copy"
	moveStep      = "move" // the step in which items move
	purgeStep     = "purge"
)

// dropTimeout bounds how long the storage may take to delete the container of a share that was
// cancelled.
const dropTimeout = time.Minute

// Payload is the payload of an operation that moves a folder: OperationShare or OperationReturn.
type Payload struct {
	// Folder is the folder that is shared, or its id where it returns to.
	Folder stacksync.ItemID `json:"folder,omitzero"`
	// Members are the members to make; the owner is the first.
	Members []stacksync.Member `json:"members,omitempty"`
	// Homes are the default workspaces of the members, by user. If a user has another one later,
	// the id belongs to another user by then.
	Homes map[stacksync.UserID]stacksync.WorkspaceID `json:"homes,omitempty"`
	// Moving says that items may have moved. Then the share can't be cancelled, and TurnBack makes
	// a return of it.
	Moving bool `json:"moving,omitempty"`
	// Items is how many items there were to move.
	Items int64 `json:"items,omitempty"`
	// Secret is what run.otherID derives ids from.
	Secret []byte `json:"secret,omitempty"`
	// Gone says that the share was undone because the folder was deleted before anything had moved.
	Gone bool `json:"gone,omitempty"`
}

// errFolderGone is the reason why a share is undone whose folder was deleted.
var errFolderGone = fmt.Errorf("the folder was deleted: %w", stacksync.ErrItemNotFound)

// Mover makes the plans of the operations that move a folder.
type Mover struct {
	// Join makes an invited user a member of workspace ws, with name, or name with a number, as the
	// name of the mount. home is the default workspace that the user had when invited;
	// ErrUserNotFound for a user who has another one by now.
	Join func(ctx context.Context, w *session.Write, ws *stacksync.Workspace, m *stacksync.Member, home stacksync.WorkspaceID, name string) error
	// Access makes the step that tells the storage which accounts reach some workspaces. ending
	// says that these workspaces will be deleted.
	Access func(of func(t *operation.Task) []stacksync.WorkspaceID, ending bool) operation.Step
}

// Share returns the plan of OperationShare: make the container, copy chunks, move items and make
// the members, give the members' accounts access.
func (v *Mover) Share() operation.Plan {
	p := v.plan(
		operation.Step{Name: containerStep, Run: dropping(makeContainer)},
		operation.Step{Name: copyStep, Run: dropping(copyChunks)},
		operation.Step{Name: moveStep, Run: v.moveItems},
		v.Access(target, false),
	)
	p.Undo = undo
	p.Undone = func(o *stacksync.Operation) error {
		if data, err := read(o); err == nil && data.Gone {
			return errFolderGone
		}
		return nil
	}
	return p
}

// Return returns the plan of OperationReturn: take access from the accounts of members who have
// left, make the container, copy chunks, move items, remove the workspace.
func (v *Mover) Return() operation.Plan {
	return v.plan(
		v.Access(source, true),
		operation.Step{Name: containerStep, Run: makeContainer},
		operation.Step{Name: copyStep, Run: copyChunks},
		operation.Step{Name: moveStep, Run: v.moveItems},
		PurgeStep(source),
	)
}

func (v *Mover) plan(steps ...operation.Step) operation.Plan {
	return operation.Plan{
		Steps:   steps,
		Payload: func() any { return new(Payload) },
		// The members come with sealed keys, which the member rows have too.
		Forget: func(payload any) {
			p := payload.(*Payload)
			p.Members, p.Homes = nil, nil
		},
	}
}

// target returns the workspace that items move to.
func target(t *operation.Task) []stacksync.WorkspaceID {
	return []stacksync.WorkspaceID{t.Op.Workspace}
}
func source(t *operation.Task) []stacksync.WorkspaceID { return []stacksync.WorkspaceID{t.Op.Source} }

// payload returns the payload of the task's operation. After a transaction that has failed it is
// another value, so callers must not keep it.
func payload(t *operation.Task) *Payload { return t.Payload.(*Payload) }

func read(o *stacksync.Operation) (data Payload, err error) {
	err = operation.Decode(o, &data)
	return data, err
}

// Folders returns the folders of a workspace that are on their way out of it, or back to it, each
// with the operation that moves it.
func Folders(ctx context.Context, r stacksync.JournalReader, id stacksync.WorkspaceID) (map[stacksync.ItemID]stacksync.Operation, error) {
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

// Busy returns the error for a call about a folder that an operation moves: an ErrBusy that names
// the operation.
func Busy(o stacksync.Operation) error {
	return &stacksync.OperationError{Operation: o, Err: fmt.Errorf("%w: it moves the folder", stacksync.ErrBusy)}
}

// CheckCancel reports whether an operation can still be cancelled: it is a share, and no item has
// moved.
func CheckCancel(o *stacksync.Operation) (ok bool, err error) {
	if o.Kind != stacksync.OperationShare {
		return false, nil
	}
	data, err := read(o)
	return err == nil && !data.Moving, err
}

// TurnBack changes a share so that its worker takes it back. Before items have moved, its step
// becomes UndoStep. While items move, it becomes an OperationReturn, which brings them home.
// ErrConflict: the members are made, or the operation is of another kind. Progress begins anew: the
// engine takes Done over from the row, and the step that comes has none.
func TurnBack(e *operation.Engine, o *stacksync.Operation) error {
	if o.Kind != stacksync.OperationShare {
		return fmt.Errorf("%w: operations of kind %q only go forward", stacksync.ErrConflict, o.Kind)
	}
	data, err := read(o)
	switch {
	case err != nil:
		return err
	case !data.Moving:
		o.Step, o.Done, o.Total = operation.UndoStep, 0, 0
		return nil
	case o.Step != moveStep:
		return fmt.Errorf("%w: the folder is shared; Unshare takes that back", stacksync.ErrConflict)
	}
	if data.Secret, err = NewSecret(); err != nil {
		return err
	}
	if o.Data, err = operation.Encode(data); err != nil {
		return err
	}
	o.Kind, o.Workspace, o.Source = stacksync.OperationReturn, o.Source, o.Workspace
	o.Step, o.Done, o.Total = e.FirstStep(o.Kind), 0, 0
	return nil
}

// makeContainer is the step that makes the container which chunks are copied to.
func makeContainer(ctx context.Context, t *operation.Task) error {
	ws, err := t.Workspace(ctx, t.Op.Workspace)
	if err != nil || ws == nil || t.Storage == nil {
		return err
	}
	return t.Provisioned(ctx, ws)
}

// dropping wraps a step that makes something at the storage. If the operation was cancelled
// meanwhile, it deletes the container: the cancellation may have deleted the container before the
// step made it again, or put a chunk into it. It does so after an error of the step too, since the
// storage may still do what seems to have failed.
func dropping(step func(context.Context, *operation.Task) error) func(context.Context, *operation.Task) error {
	return func(ctx context.Context, t *operation.Task) error {
		ws, err := t.Workspace(ctx, t.Op.Workspace)
		if err != nil {
			return err
		}
		err = step(ctx, t)
		if ws == nil || t.Storage == nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		if dropErr := dropCancelled(ctx, t, ws); err == nil {
			err = dropErr
		}
		return err
	}
}

// dropCancelled deletes a container if the operation was cancelled.
func dropCancelled(ctx context.Context, t *operation.Task, ws *stacksync.Workspace) error {
	var cancelled bool
	err := t.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{t.Op.ID}, Limit: 1})
		cancelled = len(res.Operations) > 0 && res.Operations[0].Step == operation.UndoStep
		return err
	})
	if err != nil || !cancelled {
		return err
	}
	_, err = t.Storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: ws.Container})
	return err
}

// undo takes back the workspace and the container that a share has made, before any item has moved.
func undo(ctx context.Context, t *operation.Task) error {
	if err := removeWorkspace(ctx, t, t.Op.Workspace); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
		t.Undo()
		return nil
	})
}

// purgePage is how many rows one transaction deletes.
const purgePage = 2000

// PurgeStep returns the step that removes workspaces without members, with their items, chunks and
// containers.
func PurgeStep(of func(t *operation.Task) []stacksync.WorkspaceID) operation.Step {
	return operation.Step{Name: purgeStep, Run: func(ctx context.Context, t *operation.Task) error {
		for _, id := range of(t) {
			if err := removeWorkspace(ctx, t, id); err != nil {
				return err
			}
		}
		return nil
	}}
}

// removeWorkspace removes a workspace, its rows first, then its container, then the workspace's own
// row. So after a crash the row still names the container.
func removeWorkspace(ctx context.Context, t *operation.Task, id stacksync.WorkspaceID) error {
	ws, err := t.Workspace(ctx, id)
	if err != nil || ws == nil {
		return err
	}
	for more := true; more; {
		err := t.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}}, func(ctx context.Context, w *session.Write) error {
			res, err := w.Purge(ctx, stacksync.PurgeParams{Workspace: id, Limit: purgePage})
			more = res.Rows > 0
			return err
		})
		if err != nil {
			return fmt.Errorf("purge workspace %v: %w", id, err)
		}
	}
	if t.Storage != nil {
		if _, err := t.Storage.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: ws.Container}); err != nil {
			return fmt.Errorf("delete container of workspace %v: %w", id, err)
		}
	}
	return t.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}}, func(ctx context.Context, w *session.Write) error {
		_, err := w.Remove(ctx, stacksync.RemoveParams{Workspaces: []stacksync.WorkspaceID{id}})
		return err
	})
}
