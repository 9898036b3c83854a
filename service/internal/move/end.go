package move

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
)

// end ends the move if nothing is left to move, and reports whether it has.
func (v *Mover) end(ctx context.Context, m *run) (finished bool, err error) {
	if m.task.Op.Kind == stacksync.OperationShare {
		return v.endShare(ctx, m)
	}
	return m.endReturn(ctx)
}

// errLeft says that somebody has added an item, or changed a folder, since the pass.
var errLeft = errors.New("something is left to move")

// settled returns errLeft if a live item lies in the folder that moves, or if the source's log
// after the revision since shows that there is more to do.
func (tr *transit) settled(ctx context.Context, since int64) error {
	rows, err := tr.w.Children(ctx, stacksync.ChildrenParams{Workspace: tr.src.ID, Parent: tr.m.rootFrom, PageBound: stacksync.PageBound{Limit: 1}})
	if err != nil {
		return err
	}
	if len(rows.Items) > 0 {
		return errLeft
	}
	_, more, err := tr.m.strays(ctx, tr.w, since)
	if err == nil && more {
		err = errLeft
	}
	return err
}

// strays reads a page of the source's log. It returns errLeft if a folder that lives in the target
// was changed in the source since (deleted, say, or moved out of the folder), and in a return also
// if an item was deleted. Most changes are of items elsewhere in the source, and there may be many
// pages of them: so strays returns the revision that it has seen, and whether there is more.
func (m *run) strays(ctx context.Context, r stacksync.Reader, since int64) (seen int64, more bool, err error) {
	log, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: m.from.ID, After: since, PageBound: stacksync.PageBound{Limit: moveBatch}})
	if err != nil {
		return since, false, err
	}
	var p stacksync.LoadParams
	for i := range log.Items {
		row := &log.Items[i]
		since = row.Revision
		switch {
		case !row.MovedTo.IsZero():
		case row.Deleted && m.task.Op.Kind == stacksync.OperationReturn:
			return since, false, errLeft
		case row.Kind == stacksync.Folder:
			p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.to.ID, Item: row.ID})
		}
	}
	there, err := r.Load(ctx, p)
	if err == nil && slices.ContainsFunc(there.Items, func(row stacksync.ItemRow) bool { return !row.Deleted && row.ID != m.rootTo }) {
		err = errLeft
	}
	return since, len(log.Items) == moveBatch, err
}

// catchUp reads the source's log to its end without a lock, so that little of the log is left to
// read under a lock. It returns the revision that it has seen.
func (m *run) catchUp(ctx context.Context, since int64) (seen int64, err error) {
	for more := true; more && err == nil; {
		err = m.task.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) (err error) {
			seen, more, err = m.strays(ctx, r, since)
			return err
		})
		since = seen
	}
	return since, err
}

// endShare buries the folder itself and makes the members of the new workspace, in one transaction.
func (v *Mover) endShare(ctx context.Context, m *run) (finished bool, err error) {
	seen, err := m.dropEmptied(ctx)
	if err == nil {
		seen, err = m.catchUp(ctx, seen)
	}
	if errors.Is(err, errLeft) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var users []stacksync.UserID
	for i := range m.payload().Members {
		users = append(users, m.payload().Members[i].User)
	}
	err = m.transaction(ctx, users, []stacksync.ItemID{m.rootFrom}, func(ctx context.Context, tr *transit) error {
		if err := tr.settled(ctx, seen); err != nil {
			return err
		}
		folder := tr.from[m.rootFrom]
		if folder == nil {
			return stacksync.ErrItemNotFound
		}
		gone := folder.Deleted && folder.MovedTo.IsZero()
		// The folder was deleted before anything had moved: undo the share.
		if gone && tr.dst.Revision == 0 {
			m.task.Op.Step, m.task.Op.Error, m.payload().Gone = operation.UndoStep, errFolderGone.Error(), true
			return nil
		}
		if folder.MovedTo.IsZero() {
			tr.depart(folder)
		}
		tr.w.Workspace(tr.src).FrozenUntil = time.Time{}
		var there []stacksync.UserID
		for _, member := range m.payload().Members {
			name, parent := folder.Name, stacksync.ItemID{}
			if member.Role == stacksync.Owner && !gone {
				parent = folder.Parent
			}
			if err := v.mount(ctx, tr, &member, parent, name); errors.Is(err, stacksync.ErrUserNotFound) {
				continue // deleted meanwhile
			} else if err != nil {
				return err
			}
			there = append(there, member.User)
		}
		m.task.Next()
		return tr.w.Touch(ctx, there...)
	})
	if errors.Is(err, errLeft) {
		return false, nil
	}
	return err == nil, err
}

// dropEmptied deletes empty folders of the target which, after they had come over, were deleted in
// the source or moved out of the folder there. It returns the source's revision as it was before
// dropEmptied read.
func (m *run) dropEmptied(ctx context.Context) (seen int64, err error) {
	from, err := m.task.Engine.Workspace(ctx, m.from.ID)
	if err != nil {
		return 0, err
	}
	if from == nil {
		return 0, stacksync.ErrWorkspaceNotFound
	}
	arrived := &run{task: m.task, from: m.to, rootFrom: m.rootTo}
	levels, err := arrived.walk(ctx, func([]stacksync.ItemRow) error { return nil })
	if err != nil {
		return 0, err
	}
	for _, level := range slices.Backward(levels) {
		for ids := range slices.Chunk(level, moveBatch) {
			var p stacksync.LoadParams
			for _, id := range ids {
				p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.from.ID, Item: id})
			}
			rows, err := m.task.Store.Load(ctx, p)
			if err != nil {
				return 0, err
			}
			for i := range rows.Items {
				if row := &rows.Items[i]; row.MovedTo.IsZero() {
					if err := m.drop(ctx, row.ID); err != nil {
						return 0, err
					}
				}
			}
		}
	}
	return from.Revision, nil
}

// drop deletes an empty folder of the target, unless the folder is about to come over again.
func (m *run) drop(ctx context.Context, id stacksync.ItemID) error {
	return m.transaction(ctx, nil, []stacksync.ItemID{id}, func(ctx context.Context, tr *transit) error {
		if _, comes := tr.leaves(id); comes || tr.from[id] == nil || !tr.from[id].MovedTo.IsZero() {
			return nil
		}
		row := tr.to[id]
		below, err := tr.w.Children(ctx, stacksync.ChildrenParams{Workspace: tr.dst.ID, Parent: id, PageBound: stacksync.PageBound{Limit: 1}})
		if err != nil || len(below.Items) > 0 || row == nil || row.Deleted {
			return err
		}
		tr.came[id] = tr.from[id].Version // so moveDeleted need not bring it
		dst := tr.w.Grow(tr.dst)
		dst.Revision++
		tomb := *row
		tomb.Version++
		tomb.Revision, tomb.Deleted, tomb.Status = dst.Revision, true, stacksync.StatusDeleted
		from := tr.from[id] // as the folder was deleted or moved out in the source
		tomb.User, tomb.Device, tomb.CommittedAt = from.User, from.Device, from.CommittedAt
		tr.superseded = append(tr.superseded, *row)
		tr.to[id] = &tomb
		tr.changed[stacksync.VersionKey{Workspace: dst.ID, Item: id, Version: 0}] = true
		return nil
	})
}

// endReturn removes the members of the workspace that the folder comes back from. The next step
// removes the workspace.
func (m *run) endReturn(ctx context.Context) (finished bool, err error) {
	seen, err := m.dropEmptied(ctx)
	if err != nil {
		return false, err
	}
	if err := m.moveDeleted(ctx); err != nil {
		return false, err
	}
	if seen, err = m.catchUp(ctx, seen); errors.Is(err, errLeft) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = m.transaction(ctx, []stacksync.UserID{m.from.Owner}, nil, func(ctx context.Context, tr *transit) error {
		if err := tr.settled(ctx, seen); err != nil {
			return err
		}
		if err := tr.ensureRoot(ctx); err != nil {
			return err
		}
		members, err := tr.w.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{tr.src.ID}})
		if err != nil {
			return err
		}
		var gone stacksync.RemoveParams
		for i := range members.Members {
			gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: tr.src.ID, User: members.Members[i].User})
		}
		if _, err := tr.w.Remove(ctx, gone); err != nil {
			return err
		}
		m.task.Next()
		return tr.w.Touch(ctx, m.from.Owner)
	})
	if errors.Is(err, errLeft) {
		return false, nil
	}
	return err == nil, err
}

// ensureRoot makes sure that the folder which all items return to is live in the target. If it is
// not, ensureRoot puts it where the owner has mounted the workspace.
func (tr *transit) ensureRoot(ctx context.Context) error {
	if tr.m.rootTo.IsZero() {
		return nil
	}
	was := tr.to[tr.m.rootTo]
	if was != nil && !was.Deleted {
		return nil
	}
	members, err := tr.w.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{tr.src.ID}})
	if err != nil {
		return err
	}
	root := stacksync.ItemRow{Item: stacksync.Item{ID: tr.m.rootTo, Version: 1, Kind: stacksync.Folder, Name: "Shared", User: tr.m.task.Op.User, CommittedAt: tr.m.task.Now()}}
	if was != nil {
		root.Version, root.ModifiedAt, root.Attrs = was.Version, was.ModifiedAt, was.Attrs
	}
	parent := stacksync.ItemID{}
	for i := range members.Members {
		if m := &members.Members[i]; m.Role == stacksync.Owner {
			root.Name = m.MountName
			if parent, err = tr.liveFolder(ctx, m.MountParent); err != nil {
				return err
			}
		}
	}
	return tr.place(ctx, was, root, parent)
}

// liveFolder returns id if that is a live folder of the target and not the folder that returns, and
// otherwise the root.
func (tr *transit) liveFolder(ctx context.Context, id stacksync.ItemID) (stacksync.ItemID, error) {
	rows, err := tr.w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{{Workspace: tr.dst.ID, Item: id}}})
	if err != nil || len(rows.Items) == 0 || rows.Items[0].Deleted || rows.Items[0].Kind != stacksync.Folder || id == tr.m.rootTo {
		return stacksync.ItemID{}, err
	}
	return id, nil
}

// mount makes a member of the new workspace. The owner's mount is in parent, where that is live.
func (v *Mover) mount(ctx context.Context, tr *transit, m *stacksync.Member, parent stacksync.ItemID, name string) error {
	if m.Role != stacksync.Owner {
		return v.Join(ctx, tr.w, tr.dst, m, tr.m.payload().Homes[m.User], name)
	}
	m.Workspace, m.JoinedAt, m.MountName = tr.dst.ID, tr.m.task.Now(), name
	var err error
	if m.MountParent, err = tr.homeFolder(ctx, parent); err != nil {
		return err
	}
	tr.w.Rows.Members = append(tr.w.Rows.Members, *m)
	return nil
}

// homeFolder returns id if that is a live item of the source, and otherwise the root.
func (tr *transit) homeFolder(ctx context.Context, id stacksync.ItemID) (stacksync.ItemID, error) {
	rows, err := tr.w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{{Workspace: tr.src.ID, Item: id}}})
	if err != nil || len(rows.Items) == 0 || rows.Items[0].Deleted {
		return stacksync.ItemID{}, err
	}
	return id, nil
}
