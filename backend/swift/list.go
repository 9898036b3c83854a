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
// if the cluster says so. It costs one request, and one more for each chunk, Config.Parallel at a time, of a container in which an account
// may write or could write once: a listing does not tell which objects are plain. Objects that are not, and those whose names no chunk
// has, are left out. See the package for how true a listing is.
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
	container := s.container(p.Container)
	page, err := s.list(ctx, container, span{after: p.After, limit: limit})
	if err != nil {
		return r, err
	}
	chunks := make([]stacksync.StoredChunk, 0, len(page.objects))
	for _, o := range page.objects {
		if name, ok := objectname.Chunk(o.Name); ok && !o.linked() {
			chunks = append(chunks, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: o.Bytes}, StoredAt: o.Modified.Time})
		}
	}
	if page.shared {
		if chunks, err = s.plainOf(ctx, container, chunks); err != nil {
			return r, err
		}
	}
	r.Chunks = chunks
	if len(page.objects) == limit {
		r.Next = page.objects[limit-1].Name
	}
	return r, nil
}

// plainOf asks for each chunk of a listing whether it is one, and how large.
func (s *Storage) plainOf(ctx context.Context, container string, listed []stacksync.StoredChunk) ([]stacksync.StoredChunk, error) {
	plain := make([]bool, len(listed))
	err := s.each(ctx, len(listed), func(ctx context.Context, i int) error {
		f, err := s.look(ctx, container, objectname.Of(listed[i].Name))
		plain[i] = f.plain
		if f.plain {
			listed[i].Size = f.size
		}
		return err
	})
	chunks := listed[:0]
	for i, ok := range plain {
		if ok {
			chunks = append(chunks, listed[i])
		}
	}
	return chunks, err
}

// page is what a listing has of a container.
type page struct {
	objects []listed
	// shared says that an account may write there, or could write once, so that objects may not be plain.
	shared bool
	kept   bool // versions of its objects are
}

// listed is an object as Swift lists it.
type listed struct {
	Name     string   `json:"name"`
	Bytes    int64    `json:"bytes"`
	Modified modified `json:"last_modified"`
	Link     string   `json:"symlink_path"`
	SLO      string   `json:"slo_etag"`
}

// linked reports whether the listing itself tells that an object is not plain. It does not of a dynamic large object.
func (o *listed) linked() bool { return o.Link != "" || o.SLO != "" }

// span is a part of a listing: names greater than after and smaller than before, where these are not empty.
type span struct {
	after, before string
	limit         int
}

// list reads one page; that of a missing container is empty.
func (s *Storage) list(ctx context.Context, container string, in span) (page, error) {
	q := url.Values{"format": {"json"}, "limit": {strconv.Itoa(in.limit)}}
	if in.after != "" {
		q.Set("marker", in.after)
	}
	if in.before != "" {
		q.Set("end_marker", in.before)
	}
	var p page
	err := s.retry(ctx, nil, func(ctx context.Context, token string) error {
		p = page{}
		res, err := s.send(ctx, token, request{
			method: http.MethodGet, container: container, query: q.Encode(), ok: []int{http.StatusOK, http.StatusNoContent}, into: &p.objects,
		})
		p.shared = res.header.Get(writeHeader) != "" || res.header.Get(sharedHeader) != ""
		p.kept = kept(res.header)
		return err
	})
	if isStatus(err, http.StatusNotFound) {
		return page{}, nil
	}
	return p, err
}
