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

// page is a part of a listing.
type page struct {
	objects []minio.ObjectInfo
	garbled []string // the keys of more objects between these, which the server may not list as they are: see isGarbled
	next    string   // the key after which the next page begins; empty after the last page
}

// page lists the first objects of a place after a key, at most so many; fewer are the last.
func (s *Storage) page(ctx context.Context, at place, after string, most int) (p page, err error) {
	size := most
	for {
		batch, err := s.batch(ctx, at, after, size)
		if err != nil {
			return p, err
		}
		last := len(batch) < size
		// The server's own way to go on is of no use either: it has the garbled key. So it is never left to go on.
		good := len(batch)
		for !last && good > 0 && isGarbled(batch[good-1].Key) {
			good--
		}
		if good == 0 && !last {
			if size == mostPage {
				return p, fmt.Errorf("list objects: after %q are %d whose keys the server does not list as they are", after, size)
			}
			size = mostPage
			continue
		}
		for i := range batch[:good] {
			after = batch[i].Key
			if isGarbled(after) {
				p.garbled = append(p.garbled, after)
			} else if p.objects = append(p.objects, batch[i]); len(p.objects) == most {
				p.next = after
				return p, nil
			}
		}
		if last {
			return p, nil
		}
	}
}

// batch lists objects after a key, at most so many, with those that are garbled.
func (s *Storage) batch(ctx context.Context, at place, after string, most int) ([]minio.ObjectInfo, error) {
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

// isGarbled tells a key that may be another one: XML has no spelling for some characters, in whose place it has U+FFFD where a server does
// not escape keys, though it was asked to (encoding-type=url). No chunk has such a key.
func isGarbled(key string) bool { return strings.ContainsRune(key, utf8.RuneError) }

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
	page, err := s.page(ctx, at, after, limit)
	if s.missing(err) {
		return r, nil
	}
	if err != nil {
		return r, s.named(err)
	}
	for i := range page.objects {
		o := &page.objects[i]
		if name, ok := at.chunk(o.Key); ok {
			r.Chunks = append(r.Chunks, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: o.Size}, StoredAt: o.LastModified})
		}
	}
	r.Next = strings.TrimPrefix(page.next, at.prefix)
	return r, nil
}

// goodCursor tells what can be an object in a container: a foreign one too, whose key may have any characters.
func goodCursor(s string) bool {
	const most = 1024 // bytes of a key
	return len(s) <= most
}

// missing reports whether an error says that the container does not exist. A shared bucket has to.
func (s *Storage) missing(err error) bool { return s.layout.ownBucket() && is(err, minio.NoSuchBucket) }
