package move

import (
	"context"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// The names of the steps. They are stored.
const (
	containerStep = "container"
	copyStep      = "copy"
	moveStep      = "move" // the one in which items move
	purgeStep     = "purge"
)

// dropTimeout bounds what the storage takes to delete the container of a share that was cancelled.
const dropTimeout = time.Minute

// Payload is what an operation that moves a folder keeps: OperationShare and OperationReturn.
type Payload struct {
	Folder  stacksync.ItemID   `json:"folder,omitzero"`   // the one that is shared, or returns
	Members []stacksync.Member `json:"members,omitempty"` // whom to invite; the owner is the first
	// Homes are the default workspaces of those: who has one of their ids later is somebody else.
	Homes  map[stacksync.UserID]stacksync.WorkspaceID `json:"homes,omitempty"`
	Moving bool                                       `json:"moving,omitempty"` // items may have moved: there is no way back
	Items  int64                                      `json:"items,omitempty"`  // how many there were to move
	Secret []byte                                     `json:"secret,omitempty"` // see run.otherID
	// Gone says that the operation was undone since the folder was deleted before anything had
	// moved.
	Gone bool `json:"gone,omitempty"`
}

// errFolderGone is why a share is undone whose folder was deleted.
var errFolderGone = fmt.Errorf("the folder was deleted: %w", stacksync.ErrItemNotFound)

// Mover makes the plans of the operations that move a folder.
type Mover struct {
	// Join makes a user who was invited a member of a workspace, under a free name that begins as
	// name does. home is the default workspace that the user had when invited; ErrUserNotFound for
	// a user who has another one by now.
	Join func(ctx context.Context, w *session.Write, ws *stacksync.Workspace, m *stacksync.Member, home stacksync.WorkspaceID, name string) error
	// Access makes the step that tells the storage who reaches some workspaces; ending says that
	// they are deleted in the end.
	Access func(of func(t *operation.Task) []stacksync.WorkspaceID, ending bool) operation.Step
}

// Share returns the plan of OperationShare: a container, the chunks, the items with the members,
// and then their access.
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

// Return returns the plan of OperationReturn: those who have left lose their access first, and the
// workspace ends last.
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
		Forget: func(payload any) { // the members come with sealed keys, which need not be kept twice
			p := payload.(*Payload)
			p.Members, p.Homes = nil, nil
		},
	}
}

func target(t *operation.Task) []stacksync.WorkspaceID {
	return []stacksync.WorkspaceID{t.Op.Workspace}
}
func source(t *operation.Task) []stacksync.WorkspaceID { return []stacksync.WorkspaceID{t.Op.Source} }

// payload returns what the task's operation keeps. It is another one after each transaction that
// has failed.
func payload(t *operation.Task) *Payload { return t.Payload.(*Payload) }

func read(o *stacksync.Operation) (data Payload, err error) {
	err = operation.Decode(o, &data)
	return data, err
}

// Folders returns the folders that leave a workspace, or return to it, and what operations move
// them.
func Folders(ctx context.Context, r stacksync.JournalReader, id stacksync.WorkspaceID) (map[stacksync.ItemID]stacksync.OperationID, error) {
	unfinished, err := operation.Unfinished(ctx, r, id)
	if err != nil {
		return nil, err
	}
	folders := make(map[stacksync.ItemID]stacksync.OperationID)
	for i := range unfinished {
		data, err := read(&unfinished[i])
		if err != nil {
			return nil, err
		}
		if !data.Folder.IsZero() {
			folders[data.Folder] = unfinished[i].ID
		}
	}
	return folders, nil
}

// CheckCancel reports whether an operation can still be cancelled by whoever asked for it: a share
// of which no item has moved.
func CheckCancel(o *stacksync.Operation) (ok bool, err error) {
	if o.Kind != stacksync.OperationShare {
		return false, nil
	}
	data, err := read(o)
	return err == nil && !data.Moving, err
}

// TurnBack makes a share one that takes itself back: before items have moved by undoing it,
// afterwards by bringing the items home, for which it becomes an OperationReturn. ErrConflict where
// there is no way back.
func TurnBack(e *operation.Engine, o *stacksync.Operation) error {
	if o.Kind != stacksync.OperationShare {
		return fmt.Errorf("%w: operations of kind %q only go forward", stacksync.ErrConflict, o.Kind)
	}
	data, err := read(o)
	switch {
	case err != nil:
		return err
	case !data.Moving:
		o.Step = operation.UndoStep
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
	o.Step = e.FirstStep(o.Kind)
	return nil
}

// makeContainer makes the container that items move to.
func makeContainer(ctx context.Context, t *operation.Task) error {
	ws, err := t.Workspace(ctx, t.Op.Workspace)
	if err != nil || ws == nil || t.Storage == nil {
		return err
	}
	return t.Provisioned(ctx, ws)
}

// dropping wraps a step that makes something at the storage. If the operation was cancelled
// meanwhile, it deletes the container again: the cancellation may have deleted the container before
// the step made it, or put a chunk into it. It does so after an error of the step too, since the
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

// undo takes back what a share has made, before any item has moved.
func undo(ctx context.Context, t *operation.Task) error {
	if err := removeWorkspace(ctx, t, t.Op.Workspace); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
		t.Undo()
		return nil
	})
}

// purgePage is how many rows a transaction deletes.
const purgePage = 2000

// PurgeStep returns the step that removes workspaces which nobody is a member of any more, with all
// they had.
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
