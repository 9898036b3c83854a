package s3

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const mostPage = 1_000 // objects that S3 lists, and deletes, at once

// page lists the first objects of a place after a key, at most so many; fewer are the last.
func (s *Storage) page(ctx context.Context, at place, after string, most int) ([]minio.ObjectInfo, error) {
	var objects []minio.ObjectInfo
	noOwner := false
	err := s.try(ctx, "list objects", func(ctx context.Context) error {
		objects = objects[:0]
		for o := range s.client.ListObjectsIter(ctx, at.bucket, minio.ListObjectsOptions{
			Prefix: at.prefix, StartAfter: after, MaxKeys: most, Recursive: true, FetchOwner: &noOwner,
		}) {
			if o.Err != nil {
				return o.Err
			}
			if objects = append(objects, o); len(objects) == most {
				break
			}
		}
		return ctx.Err() // with which the listing ends as if it were complete
	})
	if err != nil {
		return nil, err
	}
	return objects, nil
}

// ListChunks implements stacksync.StorageProvisioner. The order is that of the objects' keys. A page has at most 1,000 chunks, and
// fewer where other objects lie between them. StoredAt is to the second.
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
	at := s.layout.place(p.Container)
	after := at.marker()
	if p.After != "" {
		if !goodCursor(p.After) {
			return r, &stacksync.FieldError{Field: "After", Reason: "is not the Next of a page"}
		}
		after = at.prefix + p.After
	}
	if present, err := s.present(ctx, p.Container); !present {
		return r, err
	}
	limit := min(check.PageSize(p.Limit), mostPage)
	objects, err := s.page(ctx, at, after, limit)
	if s.missing(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	for i := range objects {
		if name, ok := at.chunk(objects[i].Key); ok {
			chunk := stacksync.Chunk{Name: name, Size: objects[i].Size}
			r.Chunks = append(r.Chunks, stacksync.StoredChunk{Chunk: chunk, StoredAt: objects[i].LastModified})
		}
	}
	if len(objects) == limit {
		r.Next = strings.TrimPrefix(objects[limit-1].Key, at.prefix)
	}
	return r, nil
}

// goodCursor tells what can be an object in a container, a foreign one too.
func goodCursor(s string) bool {
	const most = 1024 // bytes of a key
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

// missing reports whether an error says that the container does not exist. A shared bucket has to.
func (s *Storage) missing(err error) bool { return s.layout.ownBucket() && is(err, minio.NoSuchBucket) }
