package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// ReadChunk implements stacksync.ChunkReader. Content holds a connection until it is read to its end, or closed; it ends with ctx, and is
// cut if it is not read for as long as Config.Silence says. Where as many are open as Config.MaxConns lets, ReadChunk waits.
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
	content, err := s.openContent(ctx, s.path(p.Container, placeOf(p.Name)))
	if err != nil {
		done()
		return stacksync.ReadChunkResult{}, err
	}
	content.mu.Lock()
	defer content.mu.Unlock()
	content.done = done
	content.last, content.timer = time.Now(), time.AfterFunc(s.pool.server.silence, content.unread)
	return stacksync.ReadChunkResult{Size: content.left, Content: content}, nil
}

// openContent opens a file. The caller starts the clock.
func (s *Storage) openContent(ctx context.Context, file string) (*content, error) {
	if err := s.reading.Acquire(ctx, 1); err != nil {
		return nil, ended(ctx)
	}
	r := &content{storage: s, ctx: ctx}
	c, err := s.hold(ctx, func(c *conn) (err error) {
		var there bool
		if r.left, there, err = c.size(file); err != nil {
			return err
		}
		if !there {
			return sound(stacksync.ErrChunkNotFound)
		}
		if r.response, err = c.ftp.Retr(file); isMissing(err) { // deleted since
			return sound(stacksync.ErrChunkNotFound)
		}
		return err
	})
	if err != nil {
		s.reading.Release(1)
		return nil, err
	}
	r.c = c
	return r, nil
}

// content is what RETR brings. It is good only if it is as long as SIZE has said, and the server confirms its end.
type content struct {
	storage *Storage
	ctx     context.Context
	done    context.CancelFunc

	mu       sync.Mutex // Close may come while Read waits
	closed   bool
	response *ftp.Response
	left     int64
	err      error       // of the Read before; io.EOF once the server has confirmed the end
	last     time.Time   // when the Read before has ended
	timer    *time.Timer // of unread

	held sync.Mutex
	c    *conn // nil once it is given back
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
	r.timer.Stop() // the other side has a clock of its own: see link
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
	if r.err == nil {
		r.last = time.Now()
		r.timer.Reset(r.storage.pool.server.silence)
	} else {
		r.giveBack()
	}
	return n, r.err
}

// unread cuts content that nobody goes on to read: other readers wait for the connection.
func (r *content) unread() {
	r.mu.Lock()
	defer r.mu.Unlock()
	silence := r.storage.pool.server.silence
	if r.closed || r.err != nil || time.Since(r.last) < silence { // a Read came first
		return
	}
	r.err = fmt.Errorf("the content was cut: it was not read for %v", silence)
	r.storage.log.Info("cut a chunk that was not read on", "after", silence)
	r.giveBack()
}

// giveBack gives the connection to whoever is next, once. It is not used again if the content was not read to its end. The caller holds mu.
func (r *content) giveBack() {
	r.held.Lock()
	c := r.c
	r.c = nil
	r.held.Unlock()
	if c == nil {
		return
	}
	r.timer.Stop()
	if r.err == io.EOF { //nolint:errorlint // as above
		r.storage.release(c)
	} else {
		r.storage.abandon(c)
	}
	r.storage.reading.Release(1)
	r.done()
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

// Close implements io.Closer.
func (r *content) Close() error {
	// A Read that waits ends when its connection does.
	if !r.mu.TryLock() {
		r.held.Lock()
		if r.c != nil {
			r.c.cut()
		}
		r.held.Unlock()
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	r.closed = true
	r.giveBack()
	return nil
}
