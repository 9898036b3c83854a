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

// ErrStale says that members have joined or left between a read of the roster and its lock: the
// caller must read and lock again.
var ErrStale = errors.New("members have changed")

// Roster is a workspace with its members, under the lock of all of them. Changing Members changes
// no saved row.
type Roster struct {
	Workspace *stacksync.Workspace
	Owner     *stacksync.User
	Members   map[stacksync.UserID]*stacksync.Member
}

// Others returns all members except the owner, by id, pending members too.
func (ro *Roster) Others() []stacksync.UserID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ro.Members)), func(u stacksync.UserID) bool { return u == ro.Workspace.Owner })
}

// Read reads the roster of a workspace. The caller has locked lock, which must name the workspace
// and all its members: ErrStale otherwise.
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

// Touch counts up the revisions of all members, so that their devices are told.
func (ro *Roster) Touch(ctx context.Context, w *session.Write) error {
	return w.Touch(ctx, slices.Sorted(maps.Keys(ro.Members))...)
}

// CheckShared returns ErrNotShared for a default workspace.
func (ro *Roster) CheckShared() error {
	if ro.Workspace.Folder.IsZero() {
		return stacksync.ErrNotShared
	}
	return nil
}

// CheckStays returns ErrBusy while items leave the workspace or come to it: then its owner must not
// change. A share whose items have moved, and which only tells the storage who reaches the
// container, does not count.
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

// Transfer makes another member the owner. ErrBusy: items are moving. *QuotaError: the workspace
// does not fit the new owner's quota.
func (ro *Roster) Transfer(ctx context.Context, w *session.Write, to stacksync.UserID) error {
	if err := ro.CheckStays(ctx, w); err != nil {
		return err
	}
	bytes := ro.Workspace.Size
	was, err := w.User(ctx, ro.Workspace.Owner)
	if err != nil {
		return err
	}
	is, err := w.User(ctx, to)
	if err != nil {
		return err
	}
	if err := is.CheckQuota(bytes); err != nil {
		return err
	}
	was.QuotaUsed -= bytes
	is.QuotaUsed += bytes
	old, next := ro.Members[was.ID], ro.Members[is.ID]
	old.Role, next.Role = stacksync.Editor, stacksync.Owner
	w.Rows.Members = append(w.Rows.Members, *old, *next)
	w.Workspace(ro.Workspace).Owner = is.ID
	return ro.Touch(ctx, w)
}

// ReturnsTo returns the id that the folder gets when it returns to the owner's default workspace.
// If it has left from there, that is the id it had. Otherwise the owner has changed since, and may
// have an item of that id, which the first owner chose: then it is a new id, which nobody could
// choose.
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
