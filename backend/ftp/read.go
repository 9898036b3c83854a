package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// ReadChunk implements stacksync.ChunkReader. Content holds a connection until it is closed; it ends with ctx.
func (s *Storage) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	err := check.ReadChunk(ctx, p)
	var r stacksync.ReadChunkResult
	if err == nil {
		r, err = s.readChunk(ctx, p)
	}
	if err != nil {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %.255q: %w", p.Name, err)
	}
	return r, nil
}

func (s *Storage) readChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	ctx, done := s.join(ctx)
	file := s.path(p.Container, placeOf(p.Name))
	content := &content{storage: s, ctx: ctx, done: done}
	c, err := s.hold(ctx, func(c *conn) (err error) {
		if content.left, err = c.ftp.FileSize(file); err != nil {
			return err
		}
		content.response, err = c.ftp.Retr(file)
		return err
	})
	if isMissing(err) {
		err = stacksync.ErrChunkNotFound
	}
	if err != nil {
		done()
		return stacksync.ReadChunkResult{}, err
	}
	content.c = c
	return stacksync.ReadChunkResult{Size: content.left, Content: content}, nil
}

// content is what RETR brings. It is good only if it is as long as SIZE has said, and the server confirms its end.
type content struct {
	storage *Storage
	ctx     context.Context
	done    context.CancelFunc

	mu       sync.Mutex // Close may come while Read waits
	closed   bool
	c        *conn
	response *ftp.Response
	left     int64
	err      error // of the Read before; io.EOF once the server has confirmed the end
}

// Read implements io.Reader.
func (r *content) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errors.New("read of a chunk that was closed")
	}
	if r.err != nil || len(p) == 0 && r.left > 0 {
		return 0, r.err
	}
	if r.left > 0 {
		n, err = r.response.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
	}
	switch {
	case r.left == 0:
		r.err = r.finish()
	case err == io.EOF: //nolint:errorlint // a connection ends with io.EOF itself
		r.err = io.ErrUnexpectedEOF
	case err != nil:
		r.err = err
	}
	if r.err != nil && r.err != io.EOF { //nolint:errorlint // as above
		if why := ended(r.ctx); why != nil {
			r.err = why
		}
		r.err = fmt.Errorf("the content was cut: %w", r.err)
	}
	return n, r.err
}

// finish reads the end, and returns io.EOF if all is well.
func (r *content) finish() error {
	var more [1]byte
	for {
		n, err := r.response.Read(more[:])
		if n > 0 {
			return errors.New("it is longer than the server has said")
		}
		if err != nil {
			break // a server that ends TLS without a word has sent all; its reply says whether it is content, too
		}
	}
	if err := r.response.Close(); err != nil {
		return err
	}
	return io.EOF
}

// Close implements io.Closer. A connection whose content was not read to its end is not used again.
func (r *content) Close() error {
	// A Read that waits ends when its connection does.
	if !r.mu.TryLock() {
		r.c.cut()
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	defer r.done()
	if r.err == io.EOF { //nolint:errorlint // as above
		r.storage.release(r.c)
	} else {
		r.storage.abandon(r.c)
	}
	return nil
}
