package member

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// ErrStale says that others have joined or left between a look at a roster and its lock: look
// again.
var ErrStale = errors.New("members have changed")

// Roster is a workspace with its members, under the lock of all of them.
type Roster struct {
	Workspace *stacksync.Workspace
	Owner     *stacksync.User
	Members   map[stacksync.UserID]*stacksync.Member
}

// Others returns the members but the owner, by id.
func (ro *Roster) Others() []stacksync.UserID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ro.Members)), func(u stacksync.UserID) bool { return u == ro.Workspace.Owner })
}

// Read reads the roster of a workspace. The workspace and all its members must be in lock: ErrStale
// otherwise.
func Read(ctx context.Context, w *session.Write, ws *stacksync.Workspace, lock stacksync.LockParams) (*Roster, error) {
	if !slices.Contains(lock.Workspaces, ws.ID) {
		return nil, ErrStale
	}
	owner, err := w.User(ctx, ws.Owner)
	if err != nil {
		return nil, err
	}
	ro := &Roster{Workspace: ws, Owner: owner, Members: make(map[stacksync.UserID]*stacksync.Member)}
	res, err := w.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{ws.ID}})
	if err != nil {
		return nil, err
	}
	for i := range res.Members {
		m := res.Members[i]
		ro.Members[m.User] = &m
	}
	for u := range maps.Keys(ro.Members) {
		if !slices.Contains(lock.Users, u) {
			return nil, ErrStale
		}
	}
	return ro, nil
}

// Touch tells the devices of all members, as the roster was read and changed.
func (ro *Roster) Touch(ctx context.Context, w *session.Write) error {
	return w.Touch(ctx, slices.Sorted(maps.Keys(ro.Members))...)
}

// CheckShared refuses a default workspace: ErrNotShared.
func (ro *Roster) CheckShared() error {
	if ro.Workspace.Folder.IsZero() {
		return stacksync.ErrNotShared
	}
	return nil
}

// CheckStays refuses to change the owner of a workspace while items leave it or come to it:
// ErrBusy. A share that only tells the storage yet who reaches the container is no such operation.
func (ro *Roster) CheckStays(ctx context.Context, w *session.Write) error {
	unfinished, err := operation.Unfinished(ctx, w, ro.Workspace.ID)
	if err != nil {
		return err
	}
	for i := range unfinished {
		op := &unfinished[i]
		if moved := op.Kind == stacksync.OperationShare && op.Step == operation.AccessStep; op.Kind != stacksync.OperationAccess && !moved {
			return fmt.Errorf("%w: operation %v is not done", stacksync.ErrBusy, op.ID)
		}
	}
	return nil
}

// ReturnsTo says what the folder is called where it returns to: as before if it has left from
// there. Elsewhere nobody may choose it: an owner who has come to it later may have an item with
// the id that the first one gave it.
func (ro *Roster) ReturnsTo(ctx context.Context, w *session.Write) (stacksync.ItemID, error) {
	home, folder := ro.Owner.DefaultWorkspace, ro.Workspace.Folder
	rows, err := w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{{Workspace: home, Item: folder}}})
	if err != nil {
		return stacksync.ItemID{}, err
	}
	if len(rows.Items) > 0 && rows.Items[0].MovedTo == ro.Workspace.ID {
		return folder, nil
	}
	id, err := w.Kernel.NewID()
	if err != nil {
		return stacksync.ItemID{}, err
	}
	return stacksync.ItemID{UUID: id}, nil
}
