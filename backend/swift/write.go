package swift

import (
	"context"
	"crypto/md5" //nolint:gosec // Swift's own check of content
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays as it is, and counts as stored now; content of another size
// than it has is a stacksync.ErrSize. What is no plain object is no chunk, and is replaced. A chunk larger than the cluster's objects may be, 5 GiB by default, is a stacksync.ErrLimit.
//
// Content that is no io.Seeker is read only when Swift has agreed to take it, which costs a round trip more: so a refusal, of a token
// say, comes before the content is spent, and the write is tried again like any other. What fails once the content is being read (the
// connection, or an overloaded server) is returned, as is the refusal by a server that does not speak of agreeing within
// ExpectContinueTimeout of Config.Transport: the caller has to bring the content again.
func (s *Storage) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	err := check.WriteChunk(ctx, p)
	if limit := s.info.Swift.MaxFileSize; err == nil && p.Size > limit {
		err = &stacksync.FieldError{Field: "Size", Reason: fmt.Sprintf("is more than the %d bytes that Swift takes", limit), Err: stacksync.ErrLimit}
	}
	if err == nil {
		err = s.writeChunk(ctx, p)
	}
	if err != nil {
		return stacksync.WriteChunkResult{}, fmt.Errorf("write chunk %.255q: %w", p.Name, err)
	}
	return stacksync.WriteChunkResult{}, nil
}

func (s *Storage) writeChunk(ctx context.Context, p stacksync.WriteChunkParams) error {
	c := newContent(ctx, p)
	const rounds = 3 // a chunk that is stored may be deleted before it is looked at
	for round := 1; ; round++ {
		stored, err := s.put(ctx, p, c)
		if !stored || err != nil {
			return err
		}
		f, err := s.stat(ctx, s.container(p.Container), objectname.Of(p.Name))
		if err == nil && f.plain && f.size != p.Size {
			return fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, f.size, p.Size)
		}
		ok := false
		switch {
		case err == nil && f.plain:
			ok, err = s.touch(ctx, s.container(p.Container), objectname.Of(p.Name))
		case err == nil && f.there:
			err = s.makeRoom(ctx, s.container(p.Container), objectname.Of(p.Name))
		}
		if err != nil {
			return err
		}
		if ok {
			return c.drain()
		}
		if round == rounds || !c.rewind() {
			return &StatusError{Method: http.MethodPut, Status: http.StatusPreconditionFailed, Text: "the chunk is stored, and not there"}
		}
	}
}

// put writes the object, unless there is one: then stored is true.
func (s *Storage) put(ctx context.Context, p stacksync.WriteChunkParams, c *content) (stored bool, err error) {
	header := map[string]string{
		"If-None-Match": "*", "Content-Type": "application/octet-stream", "Content-Length": strconv.FormatInt(p.Size, 10),
	}
	if c.seeker == nil {
		header["Expect"] = "100-continue"
	}
	err = s.retry(ctx, c.rewind, func(ctx context.Context, token string) error {
		body, err := c.body()
		if err != nil {
			return &contentError{err}
		}
		res, err := s.send(c.trace(ctx), token, request{
			method: http.MethodPut, container: s.container(p.Container), object: objectname.Of(p.Name),
			header: header, body: body, ok: []int{http.StatusCreated},
		})
		if e := c.wait(); e != nil {
			return &contentError{e}
		}
		if err == nil && p.Size > 0 {
			return s.checkSum(ctx, p, c, res.header.Get("Etag"))
		}
		return err
	})
	switch {
	case isStatus(err, http.StatusPreconditionFailed, http.StatusConflict): // or written by somebody else a moment later
		return true, nil
	case isStatus(err, http.StatusNotFound):
		return false, missingContainer(p.Container)
	case isStatus(err, http.StatusRequestEntityTooLarge):
		return false, &stacksync.FieldError{Field: "Size", Reason: "is more than Swift takes", Err: stacksync.ErrLimit}
	}
	return false, err
}

// checkSum compares what Swift has got with what was sent, and takes back what differs.
func (s *Storage) checkSum(ctx context.Context, p stacksync.WriteChunkParams, c *content, etag string) error {
	etag = strings.Trim(etag, `"`)
	if len(etag) != hex.EncodedLen(md5.Size) || etag == hex.EncodeToString(c.sum.Sum(nil)) { // one that is no MD5 tells nothing
		return nil
	}
	err := errors.New("what Swift has got is not what was sent")
	return errors.Join(err, s.deleteObjects(ctx, s.container(p.Container), []string{objectname.Of(p.Name)}))
}

// contentError is an error of the caller's content: nothing is tried again.
type contentError struct{ err error }

func (e *contentError) Error() string { return e.err.Error() }

// Unwrap returns the content's own error.
func (e *contentError) Unwrap() error { return e.err }
