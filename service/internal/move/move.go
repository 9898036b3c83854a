package move

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

const (
	// moveBatch bounds the items of a transaction that moves them: others wait for the workspace
	// meanwhile.
	moveBatch = 500
	// movePasses is after how many passes over a folder that others keep adding to commits are held
	// off.
	movePasses = 3
	// freezeTime is for how long. It ends with the last pass, or by itself.
	freezeTime = 10 * time.Second
)

// run moves the items of a folder to another workspace. Everything in both workspaces obeys the
// rules at every moment, and is open to commits: a folder comes to the target before what lies in
// it, files move one by one, and a folder leaves the source when it is empty. So it can break off
// anywhere, and begin again from what it finds.
type run struct {
	task     *operation.Task
	from, to *stacksync.Workspace
	// The items in rootFrom come to lie in rootTo. One of them is the root of its workspace.
	rootFrom, rootTo stacksync.ItemID
	// arrived are the versions of the source's folders and tombstones that this worker has brought.
	arrived map[stacksync.ItemID]int64
}

func (m *run) payload() *Payload { return payload(m.task) }

// newRun reads the workspaces anew: names of containers do not change, but whether they are there.
func newRun(ctx context.Context, t *operation.Task) (*run, error) {
	m := &run{task: t, arrived: make(map[stacksync.ItemID]int64)}
	var err error
	if m.from, err = t.Workspace(ctx, t.Op.Source); err != nil {
		return nil, err
	}
	if m.to, err = t.Workspace(ctx, t.Op.Workspace); err != nil {
		return nil, err
	}
	if m.from == nil || m.to == nil {
		return nil, fmt.Errorf("%w: it was deleted", stacksync.ErrWorkspaceNotFound)
	}
	if t.Op.Kind == stacksync.OperationShare {
		m.rootFrom = payload(t).Folder
	} else {
		m.rootTo = payload(t).Folder
	}
	return m, nil
}

// copyChunks brings most chunks to the new container, while nothing has moved yet: it may take
// hours.
func copyChunks(ctx context.Context, t *operation.Task) error {
	m, err := newRun(ctx, t)
	if err != nil {
		return err
	}
	t.Done.Store(0)
	folders, err := m.walk(ctx, func(files []stacksync.ItemRow) error {
		err := m.bringChunks(ctx, files)
		t.Done.Add(int64(len(files)))
		return err
	})
	for i := range folders {
		t.Done.Add(int64(len(folders[i])))
	}
	if err != nil {
		return err
	}
	return t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
		payload(t).Items = t.Done.Load()
		t.Next()
		return nil
	})
}

// moveItems moves pass by pass, until nothing is left.
func (v *Mover) moveItems(ctx context.Context, t *operation.Task) error {
	if !payload(t).Moving {
		err := t.Change(ctx, stacksync.LockParams{}, func(context.Context, *session.Write) error {
			payload(t).Moving = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	t.Total.Store(payload(t).Items)
	m, err := newRun(ctx, t)
	if err != nil {
		return err
	}
	for pass := 1; ; pass++ {
		if pass > movePasses {
			if err := m.freeze(ctx); err != nil {
				return err
			}
		}
		levels, err := m.walk(ctx, func(files []stacksync.ItemRow) error { return m.moveFiles(ctx, files) })
		if err != nil {
			return err
		}
		for _, level := range slices.Backward(levels) {
			for ids := range slices.Chunk(level, moveBatch) {
				if err := m.moveFolders(ctx, ids); err != nil {
					return err
				}
			}
		}
		finished, err := v.end(ctx, m)
		if err != nil || finished {
			return err
		}
	}
}

// freeze holds off commits to the source for a while.
func (m *run) freeze(ctx context.Context) error {
	return m.task.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{m.from.ID}}, func(ctx context.Context, w *session.Write) error {
		ws, err := session.Workspace(ctx, w, m.from.ID)
		if err == nil && ws != nil {
			w.Workspace(ws).FrozenUntil = m.task.Now().Add(freezeTime)
		}
		return err
	})
}

// walk goes through the folder, hands its files over in batches, and returns the folders in it by
// level. It holds no lock: what is added behind its back is for the next pass.
func (m *run) walk(ctx context.Context, files func([]stacksync.ItemRow) error) (levels [][]stacksync.ItemID, err error) {
	batch := batcher{most: m.task.Limits.PageChunks, take: files}
	seen := make(map[stacksync.ItemID]bool) // a folder that moves while we look may show twice
	for level := []stacksync.ItemID{m.rootFrom}; len(level) > 0; {
		var below []stacksync.ItemID
		for _, folder := range level {
			err := m.children(ctx, folder, func(row stacksync.ItemRow) error {
				if row.Kind == stacksync.File {
					return batch.add(row)
				}
				if !seen[row.ID] {
					seen[row.ID] = true
					below = append(below, row.ID)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		if len(below) > 0 {
			levels = append(levels, below)
		}
		level = below
	}
	return levels, batch.flush()
}

// batcher hands items over, moveBatch at a time, or fewer that have many chunks.
type batcher struct {
	most, chunks int
	items        []stacksync.ItemRow
	take         func([]stacksync.ItemRow) error
}

func (b *batcher) add(row stacksync.ItemRow) error {
	b.items, b.chunks = append(b.items, row), b.chunks+len(row.Chunks)
	if len(b.items) < moveBatch && b.chunks < b.most {
		return nil
	}
	return b.flush()
}

func (b *batcher) flush() error {
	full := b.items
	b.items, b.chunks = nil, 0
	if len(full) == 0 {
		return nil
	}
	return b.take(full)
}

// children calls each with the items of a folder.
func (m *run) children(ctx context.Context, folder stacksync.ItemID, each func(stacksync.ItemRow) error) error {
	bound := stacksync.PageBound{Limit: moveBatch, Chunks: m.task.Limits.PageChunks}
	for after := ""; ; {
		var rows []stacksync.ItemRow
		err := m.task.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
			res, err := r.Children(ctx, stacksync.ChildrenParams{Workspace: m.from.ID, Parent: folder, After: after, PageBound: bound})
			rows = res.Items
			return err
		})
		if err != nil {
			return fmt.Errorf("list folder %v: %w", folder, err)
		}
		for i := range rows {
			if err := each(rows[i]); err != nil {
				return err
			}
		}
		if !bound.Reached(rows) {
			return nil
		}
		after = rows[len(rows)-1].NameKey
	}
}
