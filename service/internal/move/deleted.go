package move

import (
	"context"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// moveDeleted brings the tombstones of items that were deleted in a folder that returns, with their
// histories, to the target. Otherwise these items could not be restored, since their workspace
// ends.
func (m *run) moveDeleted(ctx context.Context) error {
	batch := batcher{most: m.task.Limits.PageChunks, take: func(rows []stacksync.ItemRow) error { return m.bury(ctx, rows) }}
	bound := stacksync.PageBound{Limit: moveBatch, Chunks: m.task.Limits.PageChunks}
	for after := int64(0); ; {
		page, err := m.task.Store.Changes(ctx, stacksync.ChangesParams{Workspace: m.from.ID, After: after, PageBound: bound})
		if err != nil {
			return err
		}
		for i := range page.Items {
			row := &page.Items[i]
			after = row.Revision
			if v, ok := m.arrived[row.ID]; !row.Deleted || !row.MovedTo.IsZero() || ok && v >= row.Version {
				continue
			}
			if err := batch.add(*row); err != nil {
				return err
			}
		}
		if !bound.Reached(page.Items) {
			return batch.flush()
		}
	}
}

// unburied drops the tombstones that another worker has brought to the target before a crash:
// otherwise bury would take their ids for ids of other items.
func (m *run) unburied(ctx context.Context, rows []stacksync.ItemRow) ([]stacksync.ItemRow, error) {
	var p stacksync.LoadParams
	for i := range rows {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.to.ID, Item: rows[i].ID})
	}
	res, err := m.task.Store.Load(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("look for tombstones: %w", err)
	}
	there := byID(res.Items)
	return slices.DeleteFunc(rows, func(row stacksync.ItemRow) bool {
		is := there[row.ID]
		return is != nil && is.Deleted && is.MovedTo.IsZero() && is.CommittedAt.Equal(row.CommittedAt) && is.User == row.User && is.Device == row.Device
	}), nil
}

// bury puts the tombstones of items into the target, unless they are there already.
func (m *run) bury(ctx context.Context, rows []stacksync.ItemRow) error {
	rows, err := m.unburied(ctx, rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	if err := m.bringChunks(ctx, rows); err != nil {
		return err
	}
	if err := m.copyHistory(ctx, rows); err != nil {
		return err
	}
	ids := make([]stacksync.ItemID, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return m.transaction(ctx, nil, ids, func(_ context.Context, tr *transit) error {
		for _, id := range ids {
			row := tr.from[id]
			if row == nil || !row.Deleted || !row.MovedTo.IsZero() {
				continue // a user has restored the item
			}
			was := tr.to[tr.target(id)]
			if was != nil && (!was.Deleted || was.MovedTo.IsZero()) {
				continue // the item is there, or a folder of that id lives on there
			}
			tomb := *row
			tomb.ID, tomb.Workspace, tomb.Parent = tr.target(id), tr.dst.ID, tr.parent(row)
			if was != nil && was.Version >= tomb.Version {
				tomb.Version = was.Version + 1
				tr.superseded = append(tr.superseded, *was)
			}
			tr.came[id] = row.Version
			dst := tr.w.Grow(tr.dst)
			dst.Revision++
			tomb.Revision = dst.Revision
			tr.to[tomb.ID] = &tomb
			tr.changed[stacksync.VersionKey{Workspace: dst.ID, Item: tomb.ID, Version: 0}] = true
		}
		return nil
	})
}
