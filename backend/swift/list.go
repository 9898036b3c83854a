package swift

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// mostObjectName is how long names of objects may be, also those that no chunk has.
const mostObjectName = 1024

// ListChunks implements stacksync.StorageProvisioner. The order is that of the objects' names. A page has at most 10,000 chunks, or fewer
// if the cluster says so, and costs one request. Objects whose names no chunk has are left out. See the package for how true a listing is.
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
	if len(p.After) > mostObjectName {
		return r, &stacksync.FieldError{Field: "After", Reason: "is not the Next of a page"}
	}
	limit := min(check.PageSize(p.Limit), s.info.Swift.ListingLimit)
	page, err := s.list(ctx, s.container(p.Container), span{after: p.After, limit: limit})
	if err != nil {
		return r, err
	}
	r.Chunks = make([]stacksync.StoredChunk, 0, len(page))
	for _, o := range page {
		if name, ok := objectname.Chunk(o.Name); ok {
			r.Chunks = append(r.Chunks, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: o.Bytes}, StoredAt: o.Modified.Time})
		}
	}
	if len(page) == limit {
		r.Next = page[limit-1].Name
	}
	return r, nil
}

// listed is an object as Swift lists it.
type listed struct {
	Name     string   `json:"name"`
	Bytes    int64    `json:"bytes"`
	Modified modified `json:"last_modified"`
}

// span is a part of a listing: names greater than after and smaller than before, where these are not empty.
type span struct {
	after, before string
	limit         int
}

// list reads one page; that of a missing container is empty.
func (s *Storage) list(ctx context.Context, container string, in span) ([]listed, error) {
	q := url.Values{"format": {"json"}, "limit": {strconv.Itoa(in.limit)}}
	if in.after != "" {
		q.Set("marker", in.after)
	}
	if in.before != "" {
		q.Set("end_marker", in.before)
	}
	var page []listed
	err := s.retry(ctx, nil, func(ctx context.Context, token string) error {
		page = nil
		_, err := s.send(ctx, token, request{
			method: http.MethodGet, container: container, query: q.Encode(), ok: []int{http.StatusOK, http.StatusNoContent}, into: &page,
		})
		return err
	})
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return page, err
}
