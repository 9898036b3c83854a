package stacksync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// moveBatch bounds the items of a transaction that moves them: others wait for the workspace meanwhile.
	moveBatch = 500
	// movePasses is after how many passes over a folder that others keep adding to commits are held off.
	movePasses = 3
	// freezeTime is for how long. It ends with the last pass, or by itself.
	freezeTime = 10 * time.Second
)

// mover moves the items of a folder to another workspace. Everything in both workspaces obeys the rules at every moment, and is open to
// commits: a folder comes to the target before what lies in it, files move one by one, and a folder leaves the source when it is empty. So
// it can break off anywhere, and begin again from what it finds.
type mover struct {
	*task
	from, to *Workspace
	// The items in rootFrom come to lie in rootTo. One of them is the root of its workspace.
	rootFrom, rootTo ItemID
}

// newMover reads the workspaces anew: names of containers do not change, but whether they are there.
func (t *task) newMover(ctx context.Context) (*mover, error) {
	m := &mover{task: t}
	var err error
	if m.from, err = t.workspace(ctx, t.Source); err != nil {
		return nil, err
	}
	if m.to, err = t.workspace(ctx, t.Workspace); err != nil {
		return nil, err
	}
	if m.from == nil || m.to == nil {
		return nil, fmt.Errorf("%w: it was deleted", ErrWorkspaceNotFound)
	}
	if t.Kind == OperationShare {
		m.rootFrom = t.data.Folder
	} else {
		m.rootTo = t.data.Folder
	}
	return m, nil
}

// copyChunks brings most chunks to the new container, while nothing has moved yet: it may take hours.
func (t *task) copyChunks(ctx context.Context) error {
	if t.service.storage == nil {
		return nil
	}
	m, err := t.newMover(ctx)
	if err != nil {
		return err
	}
	_, err = m.walk(ctx, func(files []ItemRow) error {
		_, err := m.bringChunks(ctx, files)
		t.done.Add(int64(len(files)))
		return err
	})
	return err
}

// moveItems moves pass by pass, until nothing is left.
func (t *task) moveItems(ctx context.Context) error {
	if !t.data.Moving {
		err := t.change(ctx, LockParams{}, func(context.Context, *write) error {
			t.data.Moving = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	m, err := t.newMover(ctx)
	if err != nil {
		return err
	}
	for pass := 1; ; pass++ {
		if pass > movePasses {
			if err := m.freeze(ctx); err != nil {
				return err
			}
		}
		levels, err := m.walk(ctx, func(files []ItemRow) error { return m.moveFiles(ctx, files) })
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
		finished, err := m.end(ctx)
		if err != nil || finished {
			return err
		}
	}
}

// freeze holds off commits to the source for a while.
func (m *mover) freeze(ctx context.Context) error {
	return m.change(ctx, LockParams{Workspaces: []WorkspaceID{m.from.ID}}, func(ctx context.Context, w *write) error {
		ws, err := readWorkspace(ctx, w, m.from.ID)
		if err == nil && ws != nil {
			w.space(ws).FrozenUntil = m.service.now().Add(freezeTime)
		}
		return err
	})
}

// walk goes through the folder, hands its files over in batches, and returns the folders in it by level. It holds no lock: what is
// added behind its back is for the next pass.
func (m *mover) walk(ctx context.Context, files func([]ItemRow) error) (levels [][]ItemID, err error) {
	var batch []ItemRow
	seen := make(map[ItemID]bool) // a folder that moves while we look may show twice
	for level := []ItemID{m.rootFrom}; len(level) > 0; {
		var below []ItemID
		for _, folder := range level {
			err := m.children(ctx, folder, func(row ItemRow) error {
				if row.Kind == Folder {
					if !seen[row.ID] {
						seen[row.ID] = true
						below = append(below, row.ID)
					}
					return nil
				}
				batch = append(batch, row)
				if len(batch) < moveBatch {
					return nil
				}
				full := batch
				batch = nil
				return files(full)
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
	if len(batch) > 0 {
		err = files(batch)
	}
	return levels, err
}

// children calls each with the items of a folder.
func (m *mover) children(ctx context.Context, folder ItemID, each func(ItemRow) error) error {
	bound := PageBound{Limit: moveBatch, Chunks: m.service.cfg.Limits.PageChunks}
	for after := ""; ; {
		var rows []ItemRow
		err := m.service.store.View(ctx, func(ctx context.Context, r Reader) error {
			res, err := r.Children(ctx, ChildrenParams{Workspace: m.from.ID, Parent: folder, After: after, PageBound: bound})
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
		if !bound.reached(rows) {
			return nil
		}
		after = rows[len(rows)-1].NameKey
	}
}

// bringChunks has the chunks of some files, old versions too, in the new container. It returns all of them.
func (m *mover) bringChunks(ctx context.Context, files []ItemRow) ([]Chunk, error) {
	current := make(map[string]bool)
	sizes := make(map[string]int64)
	var chunks []Chunk
	add := func(row *ItemRow) {
		for _, c := range row.Chunks {
			if _, ok := sizes[c.Name]; !ok {
				sizes[c.Name] = c.Size
				chunks = append(chunks, c)
			}
		}
	}
	for i := range files {
		add(&files[i])
		for _, c := range files[i].Chunks {
			current[c.Name] = true
		}
	}
	err := m.history(ctx, files, func(rows []ItemRow) error {
		for i := range rows {
			add(&rows[i])
		}
		return nil
	})
	if err != nil || m.service.storage == nil {
		return chunks, err
	}
	for some := range slices.Chunk(chunks, copyPage) {
		if err := m.bring(ctx, some, current); err != nil {
			return nil, err
		}
	}
	return chunks, nil
}

func (m *mover) bring(ctx context.Context, chunks []Chunk, current map[string]bool) error {
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Name
	}
	there, err := m.service.storage.StatChunks(ctx, StatChunksParams{Container: m.to.Container, Names: names})
	if err != nil {
		return fmt.Errorf("stat chunks: %w", err)
	}
	stored := make(map[string]bool, len(there.Chunks))
	for _, c := range there.Chunks {
		stored[c.Name] = true
	}
	names = slices.DeleteFunc(names, func(name string) bool { return stored[name] })
	if len(names) == 0 {
		return nil
	}
	_, err = m.service.storage.CopyChunks(ctx, CopyChunksParams{From: m.from.Container, To: m.to.Container, Names: names})
	var missing *ChunksMissingError
	if errors.As(err, &missing) && !slices.ContainsFunc(missing.Names, func(name string) bool { return current[name] }) {
		return nil // of an old version: there is nothing that could move
	}
	if err != nil {
		return fmt.Errorf("copy chunks: %w", err)
	}
	return nil
}

// history calls each with the superseded versions of files, in pages.
func (m *mover) history(ctx context.Context, files []ItemRow, each func([]ItemRow) error) error {
	var keys []VersionKey
	flush := func() error {
		if len(keys) == 0 {
			return nil
		}
		rows, err := m.service.store.Load(ctx, LoadParams{Versions: keys})
		if err != nil {
			return fmt.Errorf("read old versions: %w", err)
		}
		keys = keys[:0]
		return each(rows.Versions)
	}
	for i := range files {
		for v := int64(1); v < files[i].Version; v++ {
			keys = append(keys, VersionKey{m.from.ID, files[i].ID, v})
			if len(keys) == moveBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}
