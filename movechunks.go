package stacksync

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// bringChunks has the chunks of some files, old versions too, in the new container, and noted in the new workspace.
func (m *mover) bringChunks(ctx context.Context, files []ItemRow) error {
	if m.service.storage == nil {
		return nil
	}
	needed := make(map[string]bool) // of present versions
	for i := range files {
		if files[i].Deleted {
			continue
		}
		for _, c := range files[i].Chunks {
			needed[c.Name] = true
		}
	}
	if err := m.bring(ctx, files, needed); err != nil {
		return err
	}
	return m.history(ctx, files, func(rows []ItemRow) error { return m.bring(ctx, rows, needed) })
}

// bring copies what is not noted yet.
func (m *mover) bring(ctx context.Context, rows []ItemRow, needed map[string]bool) error {
	seen := make(map[string]bool)
	var chunks []Chunk
	for i := range rows {
		for _, c := range rows[i].Chunks {
			if !seen[c.Name] {
				seen[c.Name] = true
				chunks = append(chunks, c)
			}
		}
	}
	for some := range slices.Chunk(chunks, copyPage) {
		if err := m.bringPage(ctx, some, needed); err != nil {
			return err
		}
	}
	return nil
}

func (m *mover) bringPage(ctx context.Context, chunks []Chunk, needed map[string]bool) error {
	var p LoadParams
	for i := range chunks {
		p.Chunks = append(p.Chunks, ChunkKey{m.to.ID, chunks[i].Name})
	}
	noted, err := m.service.store.Load(ctx, p)
	if err != nil {
		return fmt.Errorf("look up chunks: %w", err)
	}
	there := make(map[string]bool, len(noted.Chunks))
	for i := range noted.Chunks {
		there[noted.Chunks[i].Name] = true
	}
	chunks = slices.DeleteFunc(slices.Clone(chunks), func(c Chunk) bool { return there[c.Name] })
	if len(chunks) == 0 {
		return nil
	}
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Name
	}
	if names, err = m.absent(ctx, names); err != nil {
		return err
	}
	if len(names) > 0 {
		_, err = m.service.storage.CopyChunks(ctx, CopyChunksParams{From: m.from.Container, To: m.to.Container, Names: names})
		var missing *ChunksMissingError
		switch {
		case errors.As(err, &missing) && !slices.ContainsFunc(missing.Names, func(name string) bool { return needed[name] }):
			// Of an old version: there is nothing that could move.
			chunks = slices.DeleteFunc(chunks, func(c Chunk) bool { return slices.Contains(missing.Names, c.Name) })
		case err != nil:
			return fmt.Errorf("copy chunks: %w", err)
		}
	}
	return m.change(ctx, LockParams{Workspaces: []WorkspaceID{m.to.ID}}, func(_ context.Context, w *write) error {
		for _, c := range chunks {
			w.put.Chunks = append(w.put.Chunks, ChunkRow{Workspace: m.to.ID, Chunk: c})
		}
		return nil
	})
}

// absent leaves the names of what the new container lacks.
func (m *mover) absent(ctx context.Context, names []string) ([]string, error) {
	there, err := m.service.storage.StatChunks(ctx, StatChunksParams{Container: m.to.Container, Names: names})
	if err != nil {
		return nil, fmt.Errorf("stat chunks: %w", err)
	}
	stored := make(map[string]bool, len(there.Chunks))
	for _, c := range there.Chunks {
		stored[c.Name] = true
	}
	return slices.DeleteFunc(names, func(name string) bool { return stored[name] }), nil
}

// history calls each with the superseded versions of items, in pages.
func (m *mover) history(ctx context.Context, items []ItemRow, each func([]ItemRow) error) error {
	var keys []VersionKey
	chunks := 0 // about how many they have, to go by the present versions
	flush := func() error {
		if len(keys) == 0 {
			return nil
		}
		rows, err := m.service.store.Load(ctx, LoadParams{Versions: keys})
		if err != nil {
			return fmt.Errorf("read old versions: %w", err)
		}
		keys, chunks = keys[:0], 0
		return each(rows.Versions)
	}
	for i := range items {
		for v := int64(1); v < items[i].Version; v++ {
			keys, chunks = append(keys, VersionKey{m.from.ID, items[i].ID, v}), chunks+len(items[i].Chunks)
			if len(keys) == moveBatch || chunks >= m.service.cfg.Limits.PageChunks {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}
