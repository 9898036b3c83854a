package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// unique returns each name once, in order.
func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	var list []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}

// StatChunks implements stacksync.StorageProvisioner. It costs one request a name, Config.Parallel at a time; with MayLag or
// Config.Listings, many names cost fewer.
func (s *Storage) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	err := check.StatChunks(ctx, p)
	var chunks []stacksync.Chunk
	if err == nil {
		chunks, err = s.statChunks(ctx, s.container(p.Container), unique(p.Names), p.MayLag || s.cfg.Listings)
	}
	if err != nil {
		return stacksync.StatChunksResult{}, fmt.Errorf("stat chunks: %w", err)
	}
	return stacksync.StatChunksResult{Chunks: chunks}, nil
}

func (s *Storage) statChunks(ctx context.Context, container string, names []string, listings bool) ([]stacksync.Chunk, error) {
	var chunks []stacksync.Chunk
	if listings {
		var err error
		if chunks, names, err = s.statByListing(ctx, container, names); err != nil {
			return nil, err
		}
	}
	var mu sync.Mutex
	err := s.each(ctx, len(names), func(ctx context.Context, i int) error {
		f, err := s.stat(ctx, container, objectname.Of(names[i]))
		if f.plain {
			mu.Lock()
			chunks = append(chunks, stacksync.Chunk{Name: names[i], Size: f.size})
			mu.Unlock()
		}
		return err
	})
	return chunks, err
}

// perPage is how many objects can be asked for one by one, several at a time, while a full page of a listing is read. Both were measured
// on a cluster of one node; where requests take longer, more of them are under way at a time.
const perPage = 200

// statByListing reads pages as long as each tells of more than perPage names, and returns the names that are left: those of later pages,
// and those that are listed where an account may write, since a listing does not tell which objects are plain.
func (s *Storage) statByListing(ctx context.Context, container string, names []string) ([]stacksync.Chunk, []string, error) {
	if len(names) <= perPage {
		return nil, names, nil
	}
	type asked struct{ name, object string }
	left := make([]asked, len(names))
	for i, name := range names {
		left[i] = asked{name, objectname.Of(name)}
	}
	slices.SortFunc(left, func(a, b asked) int { return compare(a.object, b.object) })
	var chunks []stacksync.Chunk
	var doubtful []string // which the listing has, and may be no chunks
	for len(left) > perPage {
		first, last := left[0].object, left[len(left)-1].object
		limit := s.info.Swift.ListingLimit
		page, err := s.list(ctx, container, span{after: justBefore(first), before: last + "~", limit: limit})
		if err != nil {
			return nil, nil, err
		}
		before := len(left)
		for _, o := range page.objects {
			for len(left) > 0 && left[0].object < o.Name { // it would have come before
				left = left[1:]
			}
			if len(left) > 0 && left[0].object == o.Name {
				switch {
				case o.linked():
				case page.shared:
					doubtful = append(doubtful, left[0].name)
				default:
					chunks = append(chunks, stacksync.Chunk{Name: left[0].name, Size: o.Bytes})
				}
				left = left[1:]
			}
		}
		if len(page.objects) < limit { // the end
			return chunks, doubtful, nil
		}
		if before-len(left) < perPage {
			break
		}
	}
	for _, a := range left {
		doubtful = append(doubtful, a.name)
	}
	return chunks, doubtful, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// justBefore returns a text that sorts before an object's name, with few names between.
func justBefore(object string) string {
	last := len(object) - 1
	return object[:last] + string(object[last]-1) + "~"
}

// touch makes a chunk count as stored now, and reports whether it is there. It takes X-Delete-At away, as it names none. Of a link Swift
// answers 307, which is not followed.
func (s *Storage) touch(ctx context.Context, container, object string) (bool, error) {
	_, err := s.do(ctx, request{
		method: http.MethodPost, container: container, object: object, ok: []int{http.StatusAccepted, http.StatusNoContent, http.StatusOK},
	})
	if isStatus(err, http.StatusNotFound, http.StatusTemporaryRedirect) {
		return false, nil
	}
	if isStatus(err, http.StatusConflict) { // written or touched a moment later
		return true, nil
	}
	return err == nil, err
}

// ReadChunk implements stacksync.ChunkReader. Reading Content fails where the connection breaks before the end, and when ctx ends.
func (s *Storage) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	err := check.ReadChunk(ctx, p)
	var res answer
	if err == nil {
		res, err = s.get(ctx, s.container(p.Container), objectname.Of(p.Name))
	}
	if err != nil {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %.255q: %w", p.Name, err)
	}
	return stacksync.ReadChunkResult{Size: res.size, Content: res.body}, nil
}

// get opens a chunk. Whoever has brought it may have given it a Content-Encoding, by which Go's client would change the content,
// unless the request has an Accept-Encoding.
func (s *Storage) get(ctx context.Context, container, object string) (answer, error) {
	res, err := s.do(ctx, request{
		method: http.MethodGet, container: container, object: object, query: ownQuery, ok: []int{http.StatusOK}, stream: true,
		header: map[string]string{"Accept-Encoding": "identity"},
	})
	if isStatus(err, http.StatusNotFound) {
		return answer{}, stacksync.ErrChunkNotFound
	}
	if err != nil {
		return answer{}, err
	}
	plain, err := isPlain(res.header)
	switch {
	case err == nil && !plain:
		err = stacksync.ErrChunkNotFound
	case err == nil && res.size < 0:
		err = errNoSize
	}
	if err != nil {
		return answer{}, errors.Join(err, res.body.Close())
	}
	return res, nil
}
