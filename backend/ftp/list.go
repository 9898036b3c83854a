package ftp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// object is a file in a shard.
type object struct {
	place string
	size  int64
	time  time.Time
}

func compareObject(o object, place string) int { return strings.Compare(o.place, place) }

// ListChunks implements stacksync.StorageProvisioner. The order is that of the shards, then of the objects' names. A page has at most
// 10,000 chunks; it lists the shards that it has chunks of, each whole. StoredAt has the precision of a second. A server that cuts lists short,
// as Pure-FTPd does at 10,000 entries, is an ErrCutList where a shard has more.
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
	if _, ok := chunkAt(p.After); p.After != "" && !ok { // the place of the page's last chunk
		return r, &stacksync.FieldError{Field: "After", Reason: "is not the Next of a page"}
	}
	ctx, done := s.join(ctx)
	defer done()
	shards, err := s.shardsFrom(ctx, p.Container, p.After)
	if err != nil {
		return r, err
	}
	limit := check.PageSize(p.Limit)
	var objects []object
	for len(shards) > 0 && len(objects) <= limit {
		batch := shards[:min(s.maxConns, len(shards))]
		shards = shards[len(batch):]
		listed := make([][]object, len(batch))
		err := s.each(ctx, len(batch), func(ctx context.Context, i int) (err error) {
			listed[i], err = s.objects(ctx, p.Container, batch[i])
			return err
		})
		if err != nil {
			return r, err
		}
		for _, list := range listed {
			after, ok := slices.BinarySearchFunc(list, p.After, compareObject)
			if ok {
				after++
			}
			objects = append(objects, list[after:]...)
		}
	}
	if len(objects) > limit {
		objects = objects[:limit]
		r.Next = objects[limit-1].place
	}
	for _, o := range objects {
		name, _ := chunkAt(o.place)
		r.Chunks = append(r.Chunks, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: o.size}, StoredAt: o.time.UTC()})
	}
	return r, nil
}

// shardsFrom returns the shards of a container that are there, sorted, from that of a place on.
func (s *Storage) shardsFrom(ctx context.Context, container, place string) ([]string, error) {
	entries, err := s.whole(ctx, s.containerPath(container))
	var shards []string
	for _, e := range entries {
		if e.kind == ftp.EntryTypeFolder && isShard(e.name) && (place == "" || e.name >= place[:2]) {
			shards = append(shards, e.name)
		}
	}
	slices.Sort(shards)
	return slices.Compact(shards), err
}

// objects lists the chunks of a shard, sorted by place. Other files are left out.
func (s *Storage) objects(ctx context.Context, container, shard string) (objects []object, err error) {
	err = s.with(ctx, func(c *conn) (err error) {
		objects, err = s.objectsBelow(c, container, shard, 1)
		return err
	})
	slices.SortFunc(objects, func(a, b object) int { return strings.Compare(a.place, b.place) })
	// A folder that changes may name a file twice.
	return slices.CompactFunc(objects, func(a, b object) bool { return a.place == b.place }), err
}

func (s *Storage) objectsBelow(c *conn, container, folder string, depth int) ([]object, error) {
	l, err := c.entries(s.path(container, folder))
	if err == nil && l.cut {
		err = sound(cutList(s.path(container, folder)))
	}
	var objects []object
	for _, e := range l.entries {
		place := folder + "/" + e.name
		switch {
		case e.kind == ftp.EntryTypeFile:
			if _, ok := chunkAt(place); ok {
				objects = append(objects, object{place: place, size: e.size, time: e.time})
			}
		case e.kind == ftp.EntryTypeFolder && depth < maxParts-1: // of long names
			below, err := s.objectsBelow(c, container, place, depth+1)
			if err != nil {
				return nil, err
			}
			objects = append(objects, below...)
		}
	}
	return objects, err
}
