package swift

import (
	"context"
	"crypto/md5" //nolint:gosec // Swift's own check of content
	"hash"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

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
		c.current = &body{content: c, closed: make(chan struct{}), over: make(chan struct{})}
		if c.seeker == nil {
			c.current.asked = &asked{agreed: make(chan struct{})}
		}
		return c.current, nil
	}
	if err := c.drain(); err != nil {
		return nil, err
	}
	return http.NoBody, nil
}

// trace tells the present body what becomes of its request.
func (c *content) trace(ctx context.Context) context.Context {
	if c.current == nil || c.current.asked == nil {
		return ctx
	}
	return c.current.asked.trace(ctx)
}

// wait is called when the request is over. It waits until nobody reads the content any more, and returns what it has failed with.
func (c *content) wait() error {
	if c.current == nil {
		return nil
	}
	close(c.current.over)
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
	asked *asked // nil where the content can be sent again

	mu     sync.Mutex
	begun  bool
	err    error
	ended  bool
	closed chan struct{}
	over   chan struct{} // closed when the request is
}

// wanted waits until it is clear whether the server wants the content, and reports it.
func (b *body) wanted() bool {
	b.mu.Lock()
	sure := b.asked == nil || b.begun || !b.asked.answered.Load()
	b.mu.Unlock()
	if sure {
		return true
	}
	select {
	case <-b.asked.agreed:
		return true
	case <-b.closed:
	case <-b.over:
	}
	return false
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if !b.wanted() {
		return 0, io.ErrClosedPipe
	}
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

// asked is what has come back of a request with Expect: 100-continue. Go's client reads the content not only when the server agrees
// or says nothing for long, but also after a final answer that leaves the connection open: so that it can be used again.
type asked struct {
	answered atomic.Bool   // something has come
	agreed   chan struct{} // closed when it is 100 (Continue)
}

func (a *asked) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { a.answered.Store(true) },
		Got100Continue:       sync.OnceFunc(func() { close(a.agreed) }),
	})
}
