package ftp

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// listAbove is how many names in one shard are looked up by listing the shard: that takes about as many round trips.
const listAbove = 7

// StatChunks implements stacksync.StorageProvisioner. It asks for each chunk alone, or lists the shards in which many are asked for, with
// as many connections as there are.
func (s *Storage) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	err := check.StatChunks(ctx, p)
	var chunks []stacksync.Chunk
	if err == nil {
		chunks, err = s.statChunks(ctx, p)
	}
	if err != nil {
		return stacksync.StatChunksResult{}, fmt.Errorf("stat chunks: %w", err)
	}
	return stacksync.StatChunksResult{Chunks: chunks}, nil
}

func (s *Storage) statChunks(ctx context.Context, p stacksync.StatChunksParams) ([]stacksync.Chunk, error) {
	ctx, done := s.join(ctx)
	defer done()
	shards := map[string][]string{}
	for _, name := range unique(p.Names) {
		shard := path.Dir(placeOf(name))[:2]
		shards[shard] = append(shards[shard], name)
	}
	var (
		mu     sync.Mutex
		chunks []stacksync.Chunk
		asks   []func(ctx context.Context) ([]stacksync.Chunk, error)
	)
	for shard, names := range shards {
		if len(names) > listAbove {
			asks = append(asks, func(ctx context.Context) ([]stacksync.Chunk, error) {
				return s.statShard(ctx, p.Container, shard, names)
			})
			continue
		}
		for _, name := range names {
			asks = append(asks, func(ctx context.Context) ([]stacksync.Chunk, error) { return s.statChunk(ctx, p.Container, name) })
		}
	}
	err := s.each(ctx, len(asks), func(ctx context.Context, i int) error {
		found, err := asks[i](ctx)
		mu.Lock()
		chunks = append(chunks, found...)
		mu.Unlock()
		return err
	})
	if err != nil {
		return nil, err
	}
	return chunks, nil
}

func (s *Storage) statChunk(ctx context.Context, container, name string) (found []stacksync.Chunk, err error) {
	err = s.with(ctx, func(c *conn) error {
		size, ok, err := c.size(s.path(container, placeOf(name)))
		if ok {
			found = []stacksync.Chunk{{Name: name, Size: size}}
		}
		return err
	})
	return found, err
}

func (s *Storage) statShard(ctx context.Context, container, shard string, names []string) (found []stacksync.Chunk, err error) {
	objects, err := s.objects(ctx, container, shard)
	if errors.Is(err, ErrCutList) { // then one by one
		for _, name := range names {
			one, err := s.statChunk(ctx, container, name)
			if err != nil {
				return nil, err
			}
			found = append(found, one...)
		}
		return found, nil
	}
	for _, name := range names {
		if i, ok := slices.BinarySearchFunc(objects, placeOf(name), compareObject); ok {
			found = append(found, stacksync.Chunk{Name: name, Size: objects[i].size})
		}
	}
	return found, err
}

// size tells how large a file is, and whether it is there.
func (c *conn) size(file string) (size int64, there bool, err error) {
	missing, err := c.ask(file, func() (err error) {
		size, err = c.ftp.FileSize(file)
		return err
	})
	switch {
	case err != nil:
		return 0, false, c.orTaken(file, ftp.EntryTypeFile, err)
	case missing:
		return 0, false, nil
	}
	return size, true, nil
}

// DeleteChunks implements stacksync.StorageProvisioner.
func (s *Storage) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	err := check.DeleteChunks(ctx, p)
	if err == nil {
		err = s.deleteChunks(ctx, p)
	}
	if err != nil {
		return stacksync.DeleteChunksResult{}, fmt.Errorf("delete chunks: %w", err)
	}
	return stacksync.DeleteChunksResult{}, nil
}

func (s *Storage) deleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) error {
	ctx, done := s.join(ctx)
	defer done()
	names := unique(p.Names)
	return s.each(ctx, len(names), func(ctx context.Context, i int) error {
		return s.with(ctx, func(c *conn) error { return c.remove(s.path(p.Container, placeOf(names[i]))) })
	})
}
