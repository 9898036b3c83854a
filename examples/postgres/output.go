package main

import (
	"fmt"
	"io"
	"time"
)

// output writes a line for each step.
type output struct{ w io.Writer }

// line says what a step did. It ignores errors: where nobody can read what is written, the exit status still tells.
func (o output) line(step, format string, args ...any) {
	_, _ = fmt.Fprintf(o.w, "%-16s %s\n", step, fmt.Sprintf(format, args...))
}

// duration writes how long something took.
func duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
