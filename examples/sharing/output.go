package main

import (
	"fmt"
	"io"
	"time"
)

// output writes a line for each thing that happened.
type output struct{ w io.Writer }

// line ignores errors: where nobody can read what is written, the exit status still tells.
func (o *output) line(step, format string, args ...any) {
	_, _ = fmt.Fprintf(o.w, "%-14s %s\n", step, fmt.Sprintf(format, args...))
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// took writes how long something took.
func took(since time.Time) string {
	if d := time.Since(since); d < time.Second {
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", time.Since(since).Seconds())
}
