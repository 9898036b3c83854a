package check

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/stacksync/stacksync-go"
)

// Content returns a reader of the content of a chunk of the given size. It ends with io.EOF after exactly size bytes, and
// fails with a *stacksync.FieldError that wraps stacksync.ErrSize where r has fewer or more, with r's own error where r
// fails, and with that of ctx once it has ended, also while r blocks: see patient.
//
// The last bytes are handed out only when r has come to its end: a back-end that sends size bytes on and stops has seen
// the error of content that is too long, or of a reader that checks a hash at its end, before the chunk was complete.
func Content(ctx context.Context, r io.Reader, size int64) io.Reader {
	return ContentWithin(ctx, r, size, 0)
}

// ContentWithin is Content that fails, too, where it is read and r brings nothing for as long as silence says; 0 means that
// r may take its time.
func ContentWithin(ctx context.Context, r io.Reader, size int64, silence time.Duration) io.Reader {
	if !atHand(r) && (silence > 0 || ctx.Done() != nil) {
		r = &patient{ctx: ctx, from: r, silence: silence}
	}
	return &content{ctx: ctx, r: r, size: size, left: size}
}

type content struct {
	ctx        context.Context
	r          io.Reader
	size, left int64
	err        error // of the Read before; it stays
}

func (c *content) Read(p []byte) (n int, err error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, c.err = c.read(p)
	return n, c.err
}

func (c *content) read(p []byte) (n int, err error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.left > 0 {
		n, err = c.r.Read(p[:min(int64(len(p)), c.left)])
		c.left -= int64(n)
		if c.left > 0 && err == io.EOF { //nolint:errorlint // a reader ends with io.EOF itself: one that is wrapped is a failure
			return n, c.sizeError("fewer")
		}
		if c.left > 0 {
			return n, err
		}
	}
	if err == nil {
		err = c.end()
	}
	if err != io.EOF { //nolint:errorlint // as above
		n = 0
	}
	return n, err
}

// end returns io.EOF if r has come to its end.
func (c *content) end() error {
	const patience = 100 // reads that bring neither a byte nor an error
	var b [1]byte
	for range patience {
		n, err := c.r.Read(b[:])
		if n > 0 {
			return c.sizeError("more")
		}
		if err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (c *content) sizeError(has string) error {
	return &stacksync.FieldError{
		Field: "Content", Reason: fmt.Sprintf("has %s than the %d bytes of Size", has, c.size), Err: stacksync.ErrSize,
	}
}
