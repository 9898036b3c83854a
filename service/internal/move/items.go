package move

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// moveFiles moves files that have not changed since they were listed. Changed files are left to the
// next pass.
func (m *run) moveFiles(ctx context.Context, files []stacksync.ItemRow) error {
	if err := m.bringChunks(ctx, files); err != nil {
		return err
	}
	if err := m.copyHistory(ctx, files); err != nil {
		return err
	}
	ids := make([]stacksync.ItemID, len(files))
	for i := range files {
		ids[i] = files[i].ID
	}
	moved := 0
	err := m.transaction(ctx, nil, ids, func(ctx context.Context, tr *transit) error {
		if err := tr.ensureRoot(ctx); err != nil {
			return err
		}
		moved = 0
		for i := range files {
			row := tr.from[files[i].ID]
			line, ok := tr.leaves(files[i].ID)
			if !ok || row.Version != files[i].Version {
				continue
			}
			for _, folder := range line {
				if err := tr.arrive(ctx, folder); err != nil {
					return err
				}
			}
			if err := tr.arrive(ctx, row); err != nil {
				return err
			}
			tr.depart(row)
			moved++
		}
		return nil
	})
	m.task.Done.Add(int64(moved))
	return err
}

// copyHistory copies the superseded versions of items to the target. There may be many: so they go
// ahead of the items, in transactions of their own.
func (m *run) copyHistory(ctx context.Context, items []stacksync.ItemRow) error {
	err := m.history(ctx, items, func(rows []stacksync.ItemRow) error {
		return m.task.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{m.to.ID}}, func(ctx context.Context, w *session.Write) error {
			kinds := make(map[stacksync.ItemID]stacksync.Kind)
			for i := range rows {
				if p := rows[i].Parent; p != m.rootFrom && !p.IsZero() {
					kinds[p] = stacksync.Folder
				}
			}
			for i := range rows {
				kinds[rows[i].ID] = rows[i].Kind
			}
			as, _, err := m.renamed(ctx, w, kinds)
			if err != nil {
				return err
			}
			for _, row := range rows {
				row.Workspace, row.ID = m.to.ID, cmp.Or(as[row.ID], row.ID)
				if row.Parent == m.rootFrom {
					row.Parent = m.rootTo
				} else {
					row.Parent = cmp.Or(as[row.Parent], row.Parent)
				}
				w.Rows.Superseded = append(w.Rows.Superseded, row)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("copy old versions: %w", err)
	}
	return nil
}

// moveFolders moves those folders of one level that are empty by now.
func (m *run) moveFolders(ctx context.Context, ids []stacksync.ItemID) error {
	var p stacksync.LoadParams
	for _, id := range ids {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: m.from.ID, Item: id})
	}
	rows, err := m.task.Store.Load(ctx, p)
	if err != nil {
		return fmt.Errorf("read folders: %w", err)
	}
	if err := m.copyHistory(ctx, rows.Items); err != nil {
		return err
	}
	moved := 0
	err = m.transaction(ctx, nil, ids, func(ctx context.Context, tr *transit) error {
		if err := tr.ensureRoot(ctx); err != nil {
			return err
		}
		var p stacksync.LoadParams
		for _, id := range ids {
			p.Subtrees = append(p.Subtrees, stacksync.ItemKey{Workspace: m.from.ID, Item: id})
		}
		below, err := tr.w.Load(ctx, p)
		if err != nil {
			return err
		}
		full := make(map[stacksync.ItemID]bool)
		for i := range below.Items {
			full[below.Items[i].Parent] = true
		}
		moved = 0
		for _, id := range ids {
			line, ok := tr.leaves(id)
			if !ok || full[id] {
				continue
			}
			for _, folder := range append(line, tr.from[id]) {
				if err := tr.arrive(ctx, folder); err != nil {
					return err
				}
			}
			tr.depart(tr.from[id])
			moved++
		}
		return nil
	})
	m.task.Done.Add(int64(moved))
	return err
}
