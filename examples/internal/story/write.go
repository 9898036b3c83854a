package story

import (
	"fmt"
	"io"
	"time"
)

// Writer writes a line for each thing that happens. It ignores errors: where nobody can read what is written, the exit status
// still tells.
type Writer struct {
	W io.Writer
	// Width is that of the first column, in bytes.
	Width int
}

// Line says what a step did.
func (w Writer) Line(step, format string, args ...any) {
	_, _ = fmt.Fprintf(w.W, "%-*s %s\n", w.Width, step, fmt.Sprintf(format, args...))
}

// Count writes a number with separators: 12,345.
func Count[N int | int64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Size writes a number of bytes.
func Size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Duration writes how long something took.
func Duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Took writes how long something took that began at a time.
func Took(since time.Time) string { return Duration(time.Since(since)) }
