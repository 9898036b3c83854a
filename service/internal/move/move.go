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
	// moveBatch bounds the items that one transaction moves, since others wait for the workspace
	// meanwhile.
	moveBatch = 500
	// movePasses is the number of passes after which commits to the source are held off, because
	// others keep adding items to the folder.
	movePasses = 3
	// freezeTime is how long commits are held off. The last pass ends that, or it ends by itself.
	freezeTime = 10 * time.Second
)

// run moves the items of a folder to another workspace. At every moment both workspaces obey the
// rules and are open to commits: a folder arrives in the target before the items in it, files move
// one by one, and a folder leaves the source when it is empty. So a run can break off anywhere, and
// another run goes on from the rows that it finds.
type run struct {
	task     *operation.Task
	from, to *stacksync.Workspace
	// The items in rootFrom come to lie in rootTo. One of the two is the root of its workspace.
	rootFrom, rootTo stacksync.ItemID
	// arrived has those of the source's folders and tombstones that this worker has brought, with
	// their versions in the source.
	arrived map[stacksync.ItemID]int64
}

func (m *run) payload() *Payload { return payload(m.task) }

// newRun makes a run, and reads the workspaces: names of containers never change, but whether
// containers are provisioned does.
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

// copyChunks brings most chunks to the new container before any item moves: that may take hours.
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

// moveItems moves items pass by pass, until nothing is left.
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

// freeze holds off commits to the source for freezeTime.
func (m *run) freeze(ctx context.Context) error {
	return m.task.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{m.from.ID}}, func(ctx context.Context, w *session.Write) error {
		ws, err := session.Workspace(ctx, w, m.from.ID)
		if err == nil && ws != nil {
			w.Workspace(ws).FrozenUntil = m.task.Now().Add(freezeTime)
		}
		return err
	})
}

// walk goes through the folder that moves. It calls files with the files in it, in batches, and
// returns the folders in it by level, the topmost first. It holds no lock: items that are added
// meanwhile are left to the next pass.
func (m *run) walk(ctx context.Context, files func([]stacksync.ItemRow) error) (levels [][]stacksync.ItemID, err error) {
	batch := batcher{most: m.task.Limits.PageChunks, take: files}
	seen := make(map[stacksync.ItemID]bool) // a folder that moves meanwhile may show twice
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

// batcher calls take with items, moveBatch at a time, or fewer if they have most chunks or more.
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

// children calls each with the live items of a folder of the source.
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
