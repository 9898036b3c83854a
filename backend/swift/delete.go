package swift

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// DeleteChunks implements stacksync.StorageProvisioner.
func (s *Storage) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	err := check.DeleteChunks(ctx, p)
	if err == nil {
		names := unique(p.Names)
		for i, name := range names {
			names[i] = objectname.Of(name)
		}
		err = s.deleteObjects(ctx, s.container(p.Container), names)
	}
	if err != nil {
		return stacksync.DeleteChunksResult{}, fmt.Errorf("delete chunks: %w", err)
	}
	return stacksync.DeleteChunksResult{}, nil
}

// deleteObjects deletes objects whatever their names; missing ones are deleted. Many go in bulk where the cluster can.
func (s *Storage) deleteObjects(ctx context.Context, container string, names []string) error {
	// Swift deletes what a request names two at a time or so, and goes on when the caller has given up. Hence several requests at a time, of
	// no more than some seconds each.
	const few, most = 32, 250
	if b := s.info.BulkDelete; b != nil && len(names) > few {
		size := min(max(few, (len(names)+s.cfg.Parallel-1)/s.cfg.Parallel), most)
		if b.MaxDeletes > 0 {
			size = min(size, b.MaxDeletes)
		}
		pieces := (len(names) + size - 1) / size
		return s.each(ctx, pieces, func(ctx context.Context, i int) error {
			return s.bulkDelete(ctx, container, names[i*size:min((i+1)*size, len(names))])
		})
	}
	return s.each(ctx, len(names), func(ctx context.Context, i int) error {
		_, err := s.do(ctx, request{
			method: http.MethodDelete, container: container, object: escape(names[i]), overtaken: true,
			ok: []int{http.StatusNoContent, http.StatusNotFound},
		})
		return err
	})
}

// escape keeps the slashes, as Swift's paths do. A chunk's object has nothing to escape; others may.
func escape(object string) string {
	return strings.ReplaceAll(url.PathEscape(object), "%2F", "/")
}

func (s *Storage) bulkDelete(ctx context.Context, container string, names []string) error {
	var list bytes.Buffer
	for _, name := range names {
		list.WriteString(container + "/" + url.PathEscape(name) + "\n")
	}
	return s.retry(ctx, nil, func(ctx context.Context, token string) error {
		var answer struct {
			Status string      `json:"Response Status"`
			Errors [][2]string `json:"Errors"`
		}
		_, err := s.send(ctx, token, request{
			method: http.MethodPost, query: "bulk-delete=true", body: bytes.NewReader(list.Bytes()), ok: []int{http.StatusOK}, into: &answer,
			header: map[string]string{"Content-Type": "text/plain", "Content-Length": strconv.Itoa(list.Len())},
		})
		if err != nil {
			return err
		}
		return bulkError(answer.Status, answer.Errors)
	})
}

// bulkError returns what a deletion in bulk failed with: its HTTP status is always 200. Of many errors the first that may pass counts,
// so that it is tried again.
func bulkError(status string, failed [][2]string) error {
	var first error
	for _, text := range append([]string{status}, statuses(failed)...) {
		code, rest, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(code)
		if err == nil && (n < http.StatusMultipleChoices || n == http.StatusNotFound || n == http.StatusBadRequest && len(failed) > 0) {
			continue // what was not there is deleted; 400 says that there are errors
		}
		e := &StatusError{Method: http.MethodPost, Status: n, Text: "delete in bulk: " + printable([]byte(rest)), overtaken: n == http.StatusConflict}
		if first == nil || temporary(e) || isStatus(e, http.StatusUnauthorized) {
			first = e
		}
	}
	return first
}

func statuses(failed [][2]string) []string {
	list := make([]string, len(failed))
	for i, f := range failed {
		list[i] = f[1]
	}
	return list
}
