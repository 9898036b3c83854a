package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// ListChunks implements stacksync.StorageProvisioner. The order is that of the shards, then of the files' names. A page
// has at most 10,000 chunks, and takes memory for twice as many names, however large the container is. Damaged chunks are
// left out, and logged.
func (s *Storage) ListChunks(ctx context.Context, p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
	err := check.ListChunks(ctx, p)
	var r stacksync.ListChunksResult
	if err == nil {
		r, err = s.listChunks(ctx, p)
	}
	if err != nil {
		return stacksync.ListChunksResult{}, fmt.Errorf("list chunks of container %.63q: %w", p.Container, err)
	}
	return r, nil
}

func (s *Storage) listChunks(ctx context.Context, p stacksync.ListChunksParams) (r stacksync.ListChunksResult, err error) {
	var after place
	if p.After != "" { // the file's name: it tells the place also when the chunk is gone
		var ok bool
		if after, ok = placeOfFile(p.After); !ok {
			return r, &stacksync.FieldError{Field: "After", Reason: "is not the Next of a page"}
		}
	}
	c, err := s.openContainer(p.Container)
	if c == nil {
		return r, err
	}
	defer c.Close()
	limit := check.PageSize(p.Limit)
	places, err := placesAfter(ctx, c, after, limit+1)
	if err != nil {
		return r, err
	}
	if len(places) > limit {
		places = places[:limit]
		r.Next = places[limit-1].file
	}
	for _, at := range places {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		chunk, ok, err := s.statPlace(c, at)
		if err != nil {
			return r, err
		}
		if ok {
			r.Chunks = append(r.Chunks, chunk)
		}
	}
	return r, nil
}

// placesAfter returns the first places of a container after the given one, at most so many.
func placesAfter(ctx context.Context, c *os.Root, after place, most int) ([]place, error) {
	var shards []string
	err := eachName(c, ".", func(name string) error {
		if len(name) == 2 && strings.Trim(name, hexDigits) == "" && name >= after.shard {
			shards = append(shards, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(shards)
	var places []place
	for _, shard := range shards {
		if shard != after.shard {
			after.file = ""
		}
		files, err := filesAfter(ctx, c, shard, after.file, most-len(places))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			places = append(places, place{shard: shard, file: file})
		}
		if len(places) == most {
			break
		}
	}
	return places, nil
}

// filesAfter returns the first names of a shard's files after the given one, sorted, at most so many.
func filesAfter(ctx context.Context, c *os.Root, shard, after string, most int) ([]string, error) {
	var files []string
	cut := func() {
		slices.Sort(files)
		files = slices.Compact(files) // a folder that changes may name a file twice
		files = files[:min(len(files), most)]
	}
	err := eachName(c, shard, func(name string) error {
		if at, ok := placeOfFile(name); !ok || at.shard != shard || name <= after {
			return nil // not ours, or listed already
		}
		files = append(files, name)
		if len(files) >= 2*most {
			cut()
		}
		return ctx.Err()
	})
	cut()
	return files, err
}

// statPlace is stat for a chunk whose name is not known.
func (s *Storage) statPlace(c *os.Root, at place) (stacksync.StoredChunk, bool, error) {
	name, err := nameAt(c, at)
	if errors.Is(err, errDamaged) {
		s.log.Warn("damaged chunk", "container", c.Name(), "file", at.path())
		return stacksync.StoredChunk{}, false, nil
	}
	if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
		return stacksync.StoredChunk{}, false, nil
	}
	if err != nil {
		return stacksync.StoredChunk{}, false, err
	}
	return s.stat(c, name)
}
