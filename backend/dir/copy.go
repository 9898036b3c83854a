package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CopyChunks implements stacksync.StorageProvisioner. The copies take no space where the file system has hard links.
// Copying to a missing container is a stacksync.ErrNotFound, onto a chunk of another size a stacksync.ErrSize.
func (s *Storage) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	err := check.CopyChunks(ctx, p)
	if err == nil {
		err = s.copyChunks(ctx, p)
	}
	if err != nil {
		return stacksync.CopyChunksResult{}, fmt.Errorf("copy chunks: %w", err)
	}
	return stacksync.CopyChunksResult{}, nil
}

func (s *Storage) copyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	to, err := s.openContainer(p.To)
	if err != nil {
		return err
	}
	if to == nil {
		return missingContainer(p.To)
	}
	defer to.Close()
	from, err := s.openContainer(p.From)
	if err != nil {
		return err
	}
	if from == nil {
		if len(p.Names) == 0 {
			return nil
		}
		return &stacksync.ChunksMissingError{Names: slices.Collect(unique(p.Names))}
	}
	defer from.Close()

	var missing []string
	shards := map[string]bool{} // each is synced once, however many chunks come into it
	for name := range unique(p.Names) {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := s.copyChunk(ctx, p, from, to, name)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if !ok {
			missing = append(missing, name)
			continue
		}
		shards[placeOf(name).shard] = true
	}
	for shard := range shards {
		if err := s.syncShard(p.To, shard); err != nil {
			return err
		}
	}
	if missing != nil {
		return &stacksync.ChunksMissingError{Names: missing}
	}
	return nil
}

// copyChunk reports whether there was a chunk to copy.
func (s *Storage) copyChunk(ctx context.Context, p stacksync.CopyChunksParams, from, to *os.Root, name string) (bool, error) {
	chunk, ok, err := s.stat(from, name)
	if !ok {
		return false, err
	}
	if ok, err := s.touchSame(to, chunk.Chunk); ok || err != nil {
		return ok, err
	}
	// The copy is going to have the time of the original, and must not look old: garbage collection spares what is new.
	if ok, err := s.touch(from, name); !ok {
		return false, err
	}
	source := containerPath(p.From) + "/" + placeOf(name).path()
	err = s.put(p.To, placeOf(name), func(target string) error { return s.link(source, target) })
	if err == nil || errors.Is(err, stacksync.ErrNotFound) {
		return err == nil, err
	}
	if errors.Is(err, fs.ErrExist) { // written meanwhile, or damaged
		if ok, err := s.touchSame(to, chunk.Chunk); ok || err != nil {
			return ok, err
		}
	}
	// The original is gone, or there are no hard links, or too many of this file already.
	return s.copyFile(ctx, from, to, p.To, chunk.Chunk)
}

func (s *Storage) copyFile(ctx context.Context, from, to *os.Root, container string, chunk stacksync.Chunk) (bool, error) {
	source, err := from.Open(placeOf(chunk.Name).path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer source.Close()
	err = s.store(to, container, chunk, func(f *os.File) error {
		const step = 64 << 20 // after which ctx is looked at; Linux copies each inside the kernel
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := io.CopyN(f, source, step); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	return err == nil, err
}
