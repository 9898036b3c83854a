package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// output writes a line for each step, and on a terminal a progress bar below.
type output struct {
	w   io.Writer
	bar bool

	mu    sync.Mutex
	shown time.Time // when the bar was drawn last
	drawn bool
}

func newOutput(f *os.File) *output {
	return &output{w: f, bar: term.IsTerminal(int(f.Fd()))}
}

// line says what a step did.
func (o *output) line(step, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.erase()
	o.printf("%-18s %s\n", step, fmt.Sprintf(format, args...))
}

// progress returns a function that draws how far a step is. total is the number of items, if that is known.
func (o *output) progress(step string, total int) func(device.Progress) {
	return func(p device.Progress) {
		if p.Total == 0 {
			p.Total = total
		}
		o.draw(step, p)
	}
}

func (o *output) draw(step string, p device.Progress) {
	const width, interval = 30, 50 * time.Millisecond
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.bar || time.Since(o.shown) < interval {
		return
	}
	o.shown, o.drawn = time.Now(), true
	full := 0
	if p.Total > 0 {
		full = min(width*p.Done/p.Total, width)
	}
	o.printf("\r\x1b[K%-18s [%s%s] %s items, %s", step, strings.Repeat("=", full), strings.Repeat(" ", width-full), story.Count(p.Done), story.Size(p.Bytes))
}

// printf ignores errors: where nobody can read what is written, the exit status still tells.
func (o *output) printf(format string, args ...any) { _, _ = fmt.Fprintf(o.w, format, args...) }

func (o *output) erase() {
	if o.drawn {
		o.printf("\r\x1b[K")
		o.drawn = false
	}
}

// via writes which way content went.
func via(v stacksync.Via) string {
	switch v {
	case stacksync.ViaSigned:
		return "past the service, by signed requests"
	case stacksync.ViaHost:
		return "through the service"
	}
	return string(v)
}
