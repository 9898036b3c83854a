package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// chunkPage is how many chunks one call of the storage looks for or copies.
const chunkPage = 1000

// bringChunks copies the chunks of some files, old versions included, to the new container, and
// notes them in the chunk table of the new workspace.
func (m *run) bringChunks(ctx context.Context, files []stacksync.ItemRow) error {
	if m.task.Storage == nil {
		return nil
	}
	needed := make(map[stacksync.Chunk]bool) // the chunks of present versions
	for i := range files {
		if files[i].Deleted {
			continue
		}
		for _, c := range files[i].Chunks {
			needed[c] = true
		}
	}
	if err := m.bring(ctx, files, needed); err != nil {
		return err
	}
	return m.history(ctx, files, func(rows []stacksync.ItemRow) error { return m.bring(ctx, rows, needed) })
}

// bring copies those chunks of rows that the new workspace's chunk table lacks.
func (m *run) bring(ctx context.Context, rows []stacksync.ItemRow, needed map[stacksync.Chunk]bool) error {
	seen := make(map[string]bool)
	var chunks []stacksync.Chunk
	for i := range rows {
		for _, c := range rows[i].Chunks {
			if !seen[c.Name] {
				seen[c.Name] = true
				chunks = append(chunks, c)
			}
		}
	}
	for some := range slices.Chunk(chunks, chunkPage) {
		if err := m.bringPage(ctx, some, needed); err != nil {
			return err
		}
	}
	return nil
}

func (m *run) bringPage(ctx context.Context, chunks []stacksync.Chunk, needed map[stacksync.Chunk]bool) error {
	var p stacksync.LoadParams
	for i := range chunks {
		p.Chunks = append(p.Chunks, stacksync.ChunkKey{Workspace: m.to.ID, Name: chunks[i].Name})
	}
	noted, err := m.task.Store.Load(ctx, p)
	if err != nil {
		return fmt.Errorf("look up chunks: %w", err)
	}
	sizes := make(map[string]int64, len(noted.Chunks))
	for i := range noted.Chunks {
		sizes[noted.Chunks[i].Name] = noted.Chunks[i].Size
	}
	if _, chunks, err = split(chunks, sizes, needed); err != nil || len(chunks) == 0 {
		return err
	}
	if sizes, err = m.stored(ctx, chunks); err != nil {
		return err
	}
	stored, lacking, err := split(chunks, sizes, needed)
	if err != nil {
		return err
	}
	if len(lacking) > 0 {
		_, err = m.task.Storage.CopyChunks(ctx, stacksync.CopyChunksParams{From: m.from.Container, To: m.to.Container, Names: chunkNames(lacking)})
		var missing *stacksync.ChunksMissingError
		isMissing := func(c stacksync.Chunk) bool { return slices.Contains(missing.Names, c.Name) }
		switch {
		case errors.As(err, &missing) && !slices.ContainsFunc(lacking, func(c stacksync.Chunk) bool { return needed[c] && isMissing(c) }):
			// The missing chunks are of old versions only: without them these versions have no
			// content.
			lacking = slices.DeleteFunc(lacking, isMissing)
		case err != nil:
			return fmt.Errorf("copy chunks: %w", err)
		}
	}
	return m.task.Change(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{m.to.ID}}, func(_ context.Context, w *session.Write) error {
		for _, c := range slices.Concat(stored, lacking) {
			w.Rows.Chunks = append(w.Rows.Chunks, stacksync.ChunkRow{Workspace: m.to.ID, Chunk: c})
		}
		return nil
	})
}

// stored returns the sizes, by name, of those chunks that the new container has.
func (m *run) stored(ctx context.Context, chunks []stacksync.Chunk) (map[string]int64, error) {
	there, err := m.task.Storage.StatChunks(ctx, stacksync.StatChunksParams{Container: m.to.Container, Names: chunkNames(chunks)})
	if err != nil {
		return nil, fmt.Errorf("stat chunks: %w", err)
	}
	sizes := make(map[string]int64, len(there.Chunks))
	for _, c := range there.Chunks {
		sizes[c.Name] = c.Size
	}
	return sizes, nil
}

// split divides chunks into those that are there with the right size, as sizes says by name, and
// those that are not there. A chunk that is there with another size is an ErrSize if a present
// version needs it; if only old versions do, it is in neither list, and they go without it.
func split(chunks []stacksync.Chunk, sizes map[string]int64, needed map[stacksync.Chunk]bool) (there, lacking []stacksync.Chunk, err error) {
	for _, c := range chunks {
		size, ok := sizes[c.Name]
		switch {
		case !ok:
			lacking = append(lacking, c)
		case size == c.Size:
			there = append(there, c)
		case needed[c]:
			return nil, nil, fmt.Errorf("chunk %q: %w: there is one of %d bytes already where one of %d bytes is to move", c.Name, stacksync.ErrSize, size, c.Size)
		}
	}
	return there, lacking, nil
}

func chunkNames(chunks []stacksync.Chunk) []string {
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Name
	}
	return names
}

// history calls each with the superseded versions of items, in pages of at most moveBatch versions.
func (m *run) history(ctx context.Context, items []stacksync.ItemRow, each func([]stacksync.ItemRow) error) error {
	var keys []stacksync.VersionKey
	chunks := 0 // about how many chunks the page has, judged by the present versions
	flush := func() error {
		if len(keys) == 0 {
			return nil
		}
		rows, err := m.task.Store.Load(ctx, stacksync.LoadParams{Versions: keys})
		if err != nil {
			return fmt.Errorf("read old versions: %w", err)
		}
		keys, chunks = keys[:0], 0
		return each(rows.Versions)
	}
	for i := range items {
		for v := int64(1); v < items[i].Version; v++ {
			keys, chunks = append(keys, stacksync.VersionKey{Workspace: m.from.ID, Item: items[i].ID, Version: v}), chunks+len(items[i].Chunks)
			if len(keys) == moveBatch || chunks >= m.task.Limits.PageChunks {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}
