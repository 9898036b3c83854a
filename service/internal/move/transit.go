package move

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// transit is one transaction of a run.
type transit struct {
	m        *run
	w        *session.Write
	src, dst *stacksync.Workspace
	// from and to are rows of the source and of the target, as loaded and then as changed, by their
	// id in that workspace.
	from, to map[stacksync.ItemID]*stacksync.ItemRow
	as       map[stacksync.ItemID]stacksync.ItemID // see run.renamed
	// named has the target's item that has a name which an arrival may want; zero: none.
	named map[slot]stacksync.ItemID
	// came has the folders and tombstones that arrive, by their id in the source, with their
	// versions there.
	came       map[stacksync.ItemID]int64
	superseded []stacksync.ItemRow
	// changed has the keys of rows that are put, with version 0.
	changed map[stacksync.VersionKey]bool
}

// slot is a name in a folder of the target.
type slot struct {
	parent stacksync.ItemID
	key    string // an ItemRow.NameKey
}

// transaction runs f in a transaction that holds both workspaces locked, and users. It has loaded the
// items ids of the source with all folders above them, and the target's rows of the same items.
// Rows that f marks in changed are saved.
func (m *run) transaction(ctx context.Context, users []stacksync.UserID, ids []stacksync.ItemID, f func(ctx context.Context, tr *transit) error) error {
	lock := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{m.from.ID, m.to.ID}, Users: users}
	var came map[stacksync.ItemID]int64
	err := m.task.Change(ctx, lock, func(ctx context.Context, w *session.Write) error {
		tr := &transit{m: m, w: w, named: make(map[slot]stacksync.ItemID), came: make(map[stacksync.ItemID]int64)}
		if err := tr.load(ctx, ids); err != nil {
			return err
		}
		if err := f(ctx, tr); err != nil {
			return err
		}
		for _, rows := range []map[stacksync.ItemID]*stacksync.ItemRow{tr.from, tr.to} {
			for _, id := range slices.SortedFunc(maps.Keys(rows), func(a, b stacksync.ItemID) int { return slices.Compare(a.UUID[:], b.UUID[:]) }) {
				if row := rows[id]; tr.changed[stacksync.VersionKey{Workspace: row.Workspace, Item: id, Version: 0}] {
					w.Rows.Items = append(w.Rows.Items, *row)
				}
			}
		}
		w.Rows.Superseded = append(w.Rows.Superseded, tr.superseded...)
		came = tr.came
		return nil
	})
	if err == nil {
		maps.Copy(m.arrived, came)
	}
	return err
}

func (tr *transit) load(ctx context.Context, ids []stacksync.ItemID) error {
	src, err := session.Workspace(ctx, tr.w, tr.m.from.ID)
	if err != nil {
		return err
	}
	dst, err := session.Workspace(ctx, tr.w, tr.m.to.ID)
	if err != nil {
		return err
	}
	if src == nil || dst == nil {
		return stacksync.ErrWorkspaceNotFound
	}
	tr.src, tr.dst = src, dst
	tr.changed = make(map[stacksync.VersionKey]bool)
	var p stacksync.LoadParams
	for _, id := range ids {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: src.ID, Item: id})
		p.Ancestors = append(p.Ancestors, stacksync.ItemKey{Workspace: src.ID, Item: id})
	}
	rows, err := tr.w.Load(ctx, p)
	if err != nil {
		return err
	}
	tr.from = byID(rows.Items)
	kinds := make(map[stacksync.ItemID]stacksync.Kind, len(tr.from))
	for id, row := range tr.from {
		kinds[id] = row.Kind
	}
	if tr.as, tr.to, err = tr.m.renamed(ctx, tr.w, kinds); err != nil {
		return err
	}
	p = stacksync.LoadParams{}
	for _, row := range tr.from {
		parent := tr.parent(row)
		tr.named[slot{parent, row.NameKey}] = stacksync.ItemID{}
		p.Names = append(p.Names, stacksync.NameKey{Workspace: dst.ID, Parent: parent, Key: row.NameKey})
	}
	if !tr.m.rootTo.IsZero() {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: dst.ID, Item: tr.m.rootTo})
	}
	if rows, err = tr.w.Load(ctx, p); err != nil {
		return err
	}
	for i := range rows.Items {
		row := &rows.Items[i]
		tr.to[row.ID] = row
		if !row.Deleted {
			tr.named[slot{row.Parent, row.NameKey}] = row.ID
		}
	}
	for _, row := range tr.to {
		if !row.Deleted {
			tr.named[slot{row.Parent, row.NameKey}] = row.ID
		}
	}
	return nil
}

func byID(rows []stacksync.ItemRow) map[stacksync.ItemID]*stacksync.ItemRow {
	m := make(map[stacksync.ItemID]*stacksync.ItemRow, len(rows))
	for i := range rows {
		m[rows[i].ID] = &rows[i]
	}
	return m
}

// parent returns the id of the folder in the target that an item of the source comes to lie in.
func (tr *transit) parent(row *stacksync.ItemRow) stacksync.ItemID {
	if row.Parent == tr.m.rootFrom {
		return tr.m.rootTo
	}
	return tr.target(row.Parent)
}

// leaves reports whether an item is live and lies in the folder that moves, and returns the folders
// between the two, topmost first.
func (tr *transit) leaves(id stacksync.ItemID) (line []*stacksync.ItemRow, ok bool) {
	row := tr.from[id]
	if row == nil || row.Deleted {
		return nil, false
	}
	for at := row.Parent; at != tr.m.rootFrom; at = tr.from[at].Parent {
		if tr.from[at] == nil || tr.from[at].Deleted || len(line) > len(tr.from) {
			return nil, false
		}
		line = append(line, tr.from[at])
	}
	slices.Reverse(line)
	return line, true
}

// arrive makes an item of the source live in the target, unless it is there already. The item keeps
// its version where that is free.
func (tr *transit) arrive(ctx context.Context, row *stacksync.ItemRow) error {
	there := *row
	there.ID = tr.target(row.ID)
	was := tr.to[there.ID]
	if row.Kind == stacksync.Folder {
		if was != nil && !was.Deleted && tr.isAsIn(row, was) {
			return nil
		}
		tr.came[row.ID] = row.Version
		if was != nil && !was.Deleted {
			if above, err := tr.above(ctx, there.ID, tr.parent(row)); above || err != nil {
				// A member has moved the folder's new parent into the folder, in the target. So the
				// folder stays where it is.
				return err
			}
		}
	}
	return tr.place(ctx, was, there, tr.parent(row))
}

// above reports whether item id of the target is folder, or lies above it.
func (tr *transit) above(ctx context.Context, id, folder stacksync.ItemID) (bool, error) {
	line := make(map[stacksync.ItemID]*stacksync.ItemRow) // rows as they were before this transaction
	for at, n := folder, 0; !at.IsZero(); n++ {
		if at == id {
			return true, nil
		}
		row := tr.to[at]
		if row == nil {
			row = line[at]
		}
		if row == nil {
			key := stacksync.ItemKey{Workspace: tr.dst.ID, Item: at}
			rows, err := tr.w.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{key}, Ancestors: []stacksync.ItemKey{key}})
			if err != nil {
				return false, err
			}
			maps.Copy(line, byID(rows.Items))
			if row = line[at]; row == nil {
				return false, nil
			}
		}
		if n > len(line)+len(tr.to) {
			return false, fmt.Errorf("%w: folders in circles above %v", stacksync.ErrInvalid, folder)
		}
		at = row.Parent
	}
	return false, nil
}

// isAsIn reports whether a folder that lives in both workspaces has arrived in the version that the
// source has now. Then changes that users have made to it in the target since stay.
func (tr *transit) isAsIn(row, was *stacksync.ItemRow) bool {
	if v, ok := tr.came[row.ID]; ok {
		return v >= row.Version
	}
	if v, ok := tr.m.arrived[row.ID]; ok {
		return v >= row.Version
	}
	// Nobody else writes to the target of a share, so its folders have the versions of the source.
	if tr.m.task.Op.Kind == stacksync.OperationShare {
		return was.Version >= row.Version
	}
	// Another worker has brought the folder, before a crash. If it was changed in both workspaces
	// since, the later change stays.
	return !row.CommittedAt.After(was.CommittedAt)
}

// place makes row live below parent in the target. was is the target's current row of that item,
// nil for none; if was has the version of row or a later one, row gets the version after that of
// was. If row's name is taken there, it gets a number.
func (tr *transit) place(ctx context.Context, was *stacksync.ItemRow, row stacksync.ItemRow, parent stacksync.ItemID) error {
	version := row.Version
	if was != nil && was.Version >= version {
		version = was.Version + 1
		tr.superseded = append(tr.superseded, *was)
	}
	name, err := stacksync.NumberedName(row.Name, func(name string) (bool, error) {
		return tr.free(ctx, row.ID, parent, stacksync.FoldName(name, tr.dst.FoldCase))
	})
	if err != nil {
		return err
	}
	dst := tr.w.Grow(tr.dst)
	dst.Revision++
	if was != nil && !was.Deleted {
		dst.Size -= was.Size
	}
	dst.Size += row.Size
	row.Workspace, row.Version, row.Revision, row.Status = dst.ID, version, dst.Revision, stacksync.StatusNew
	row.Deleted, row.MovedTo = false, stacksync.WorkspaceID{}
	row.Parent, row.Name, row.NameKey = parent, name, stacksync.FoldName(name, dst.FoldCase)
	tr.to[row.ID] = &row
	tr.named[slot{row.Parent, row.NameKey}] = row.ID
	tr.changed[stacksync.VersionKey{Workspace: dst.ID, Item: row.ID, Version: 0}] = true
	return nil
}

// free reports whether an arrival may have a name in the target.
func (tr *transit) free(ctx context.Context, id, parent stacksync.ItemID, key string) (bool, error) {
	at := slot{parent, key}
	holder, known := tr.named[at]
	if !known {
		rows, err := tr.w.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{{Workspace: tr.dst.ID, Parent: parent, Key: key}}})
		if err != nil {
			return false, err
		}
		for i := range rows.Items {
			if row := &rows.Items[i]; tr.to[row.ID] == nil {
				tr.to[row.ID], holder = row, row.ID
			}
		}
		tr.named[at] = holder
	}
	row := tr.to[holder]
	return holder == id || row == nil || row.Deleted || row.Parent != parent || row.NameKey != key, nil
}

// depart turns an item of the source into a tombstone with MovedTo.
func (tr *transit) depart(row *stacksync.ItemRow) {
	src := tr.w.Grow(tr.src)
	src.Revision++
	tomb := *row
	tomb.Version++
	tomb.Revision, tomb.Deleted, tomb.Status, tomb.MovedTo = src.Revision, true, stacksync.StatusDeleted, tr.dst.ID
	tomb.User, tomb.Device, tomb.CommittedAt = tr.m.task.Op.User, stacksync.DeviceID{}, tr.m.task.Now()
	src.Size -= row.LiveSize()
	tr.superseded = append(tr.superseded, *row)
	tr.from[row.ID] = &tomb
	tr.changed[stacksync.VersionKey{Workspace: src.ID, Item: row.ID, Version: 0}] = true
}
