package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"
)

// patient reads from a source that may block, and does not wait for it longer than until ctx ends, or than silence says.
//
// Each Read of the source has a goroutine, which ends with it. One that is given up keeps its buffer: what it brings when it
// returns at last touches nothing that is anybody else's. The source is not read again then, so there is never more than one
// Read of it at a time.
type patient struct {
	ctx     context.Context
	from    io.Reader
	silence time.Duration // 0 for no end
	since   time.Time     // when from was asked for what has not come yet; zero before

	buffer *[]byte
	done   chan read
	err    error // why a Read of from was given up; it stays
}

// read is how a Read has ended: it has returned, or else panicked or left its goroutine.
type read struct {
	n        int
	err      error
	returned bool
	fault    any // nil if it has left
}

// atHand tells whether content is in memory, so that reading it can't block.
func atHand(r io.Reader) bool {
	switch r.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 64<<10)
	return &b
}}

// Read implements io.Reader.
func (r *patient) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.buffer == nil {
		r.buffer = buffers.Get().(*[]byte)
	}
	if r.done == nil {
		r.done = make(chan read, 1)
	}
	buffer := (*r.buffer)[:min(len(p), len(*r.buffer))]
	go func() {
		var got read
		defer func() {
			if !got.returned {
				got.fault = recover() // it is for whoever reads here, not the end of the process
			}
			r.done <- got
		}()
		got.n, got.err = r.from.Read(buffer)
		got.returned = true
	}()
	late, stop := r.limit()
	defer stop()
	var got read
	select {
	case got = <-r.done:
	case <-r.ctx.Done():
		return r.giveUp(r.ctx.Err())
	case <-late:
		cut := true
		select {
		case got = <-r.done: // what has come counts, if this process was not running when it came
			cut = got.returned && got.n == 0 && got.err == nil
		default:
		}
		if cut {
			return r.giveUp(fmt.Errorf("the content was cut: it brought nothing for %v", r.silence))
		}
	}
	if !got.returned {
		r.err = io.ErrClosedPipe
		if got.fault == nil {
			runtime.Goexit()
		}
		panic(got.fault)
	}
	n := copy(p, buffer[:got.n])
	if n > 0 {
		r.since = time.Time{}
	}
	if got.err != nil {
		buffers.Put(r.buffer)
		r.buffer = nil
	}
	return n, got.err
}

func (r *patient) giveUp(err error) (int, error) {
	r.err, r.buffer = err, nil
	return 0, err
}

// limit returns what tells that the source has brought nothing for too long; nil where there is no such limit.
func (r *patient) limit() (late <-chan time.Time, stop func() bool) {
	if r.silence == 0 {
		return nil, func() bool { return false }
	}
	if r.since.IsZero() {
		r.since = time.Now()
	}
	timer := time.NewTimer(time.Until(r.since.Add(r.silence)))
	return timer.C, timer.Stop
}
