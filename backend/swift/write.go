package swift

import (
	"context"
	"crypto/md5" //nolint:gosec // Swift's own check of content
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays as it is, and counts as stored now; content of another size
// than it has is a stacksync.ErrSize. A chunk larger than the cluster's objects may be, 5 GiB by default, is a stacksync.ErrLimit.
//
// Content that is no io.Seeker is read only when Swift has agreed to take it, which costs a round trip more: so most
// refusals, of a token or by an overloaded server, come before the content is spent. One that comes later is the caller's to deal with.
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
		size, ok, err := s.stat(ctx, s.container(p.Container), objectname.Of(p.Name))
		if err == nil && ok && size != p.Size {
			return fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, size, p.Size)
		}
		if err == nil && ok {
			ok, err = s.touch(ctx, s.container(p.Container), objectname.Of(p.Name))
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
		res, err := s.send(ctx, token, request{
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

// content is what a write sends, perhaps several times.
type content struct {
	ctx    context.Context //nolint:containedctx // that of the call which it is a part of
	from   io.Reader
	size   int64
	seeker io.Seeker // nil where it can't be sent again
	start  int64

	reader  io.Reader // checks the length
	sum     hash.Hash
	current *body // nil before the first
}

func newContent(ctx context.Context, p stacksync.WriteChunkParams) *content {
	c := &content{ctx: ctx, from: p.Content, size: p.Size}
	if seeker, ok := p.Content.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // else it only looks like one, as a pipe does
			c.seeker, c.start = seeker, start
		}
	}
	c.reset()
	return c
}

func (c *content) reset() {
	c.reader, c.sum, c.current = check.Content(c.ctx, c.from, c.size), md5.New(), nil //nolint:gosec // as above
}

// rewind makes the content ready to be sent again, and reports whether it could.
func (c *content) rewind() bool {
	if c.current == nil || !c.current.begun {
		c.current = nil
		return true
	}
	if c.seeker == nil {
		return false
	}
	if _, err := c.seeker.Seek(c.start, io.SeekStart); err != nil {
		return false
	}
	c.reset()
	return true
}

// body returns what to send. Of no bytes there is nothing to send, but the content may have some, or fail at its end.
func (c *content) body() (io.Reader, error) {
	if c.size > 0 {
		c.current = &body{content: c, closed: make(chan struct{})}
		return c.current, nil
	}
	if err := c.drain(); err != nil {
		return nil, err
	}
	return http.NoBody, nil
}

// wait waits until nobody reads the content any more, and returns what it has failed with.
func (c *content) wait() error {
	if c.current == nil {
		return nil
	}
	<-c.current.closed
	return c.current.err
}

// drain reads the rest.
func (c *content) drain() error {
	_, err := io.Copy(io.Discard, c.reader)
	return err
}

// body is the content once. HTTP's client may go on reading when the answer is there, until it closes it, and may close it while it
// reads: then Close waits.
type body struct {
	*content

	mu     sync.Mutex
	begun  bool
	err    error
	ended  bool
	closed chan struct{}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, io.ErrClosedPipe
	}
	b.begun = true
	n, err := b.reader.Read(p)
	b.sum.Write(p[:n])
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		close(b.closed)
	}
	return nil
}

// contentError is an error of the caller's content: nothing is tried again.
type contentError struct{ err error }

func (e *contentError) Error() string { return e.err.Error() }

// Unwrap returns the content's own error.
func (e *contentError) Unwrap() error { return e.err }
