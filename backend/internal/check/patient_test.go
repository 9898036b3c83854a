package check_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// stuck is content that blocks: after its text it calls reached, waits, and fills whatever it was given.
type stuck struct {
	text     *strings.Reader
	reached  func()
	released chan struct{}
	returned chan struct{}
	reads    int // that have begun to block
}

func newStuck(text string, reached func()) *stuck {
	return &stuck{text: strings.NewReader(text), reached: reached, released: make(chan struct{}), returned: make(chan struct{})}
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.text.Len() > 0 {
		return s.text.Read(p)
	}
	s.reads++
	s.reached()
	<-s.released
	defer close(s.returned)
	return copy(p, bytes.Repeat([]byte("late"), len(p))), nil
}

// TestContentThatBlocks: a Read ends with ctx, and what comes later goes nowhere.
func TestContentThatBlocks(t *testing.T) {
	for _, size := range []int64{3, 100} { // it blocks before its end is known, and in its middle
		before := goleak.IgnoreCurrent()
		ctx, cancel := context.WithCancel(t.Context())
		s := newStuck("con", cancel)
		r := check.Content(ctx, s, size)
		p := make([]byte, 10)
		n, err := r.Read(p)
		if size > 3 {
			require.NoError(t, err)
			require.Equal(t, "con", string(p[:n]))
			clear(p)
			n, err = r.Read(p)
		}
		for range 3 {
			require.Zero(t, n)
			require.ErrorIs(t, err, context.Canceled)
			n, err = r.Read(p)
		}
		clear(p)
		close(s.released)
		<-s.returned
		require.Equal(t, make([]byte, 10), p, "it is the caller's again")
		require.Equal(t, 1, s.reads)
		goleak.VerifyNone(t, before)
	}
}

// TestContentThatIsSilent: nothing for too long is an error, in one Read or in many; what comes in time is read, however long in all.
func TestContentThatIsSilent(t *testing.T) {
	const silence = 20 * time.Millisecond
	synctest.Test(t, func(t *testing.T) { // where a machine that is busy does not make the source late
		s := newStuck("con", func() {})
		r := check.ContentWithin(context.Background(), s, 100, silence)
		got, err := io.ReadAll(r)
		require.Equal(t, "con", string(got))
		require.ErrorContains(t, err, "the content was cut: it brought nothing for 20ms")
		close(s.released)
		<-s.returned
	})

	_, err := io.Copy(io.Discard, check.ContentWithin(context.Background(), idle{}, 100, silence))
	require.ErrorContains(t, err, "it brought nothing for 20ms")

	waited := make(chan time.Time)
	go func() {
		defer close(waited)
		for range 3 {
			waited <- <-time.After(silence)
		}
	}()
	slow := step(func(p []byte) (int, error) { // never longer than an hour, always longer than nothing
		if _, ok := <-waited; !ok {
			return 0, io.EOF
		}
		return copy(p, "x"), nil
	})
	got, err := io.ReadAll(check.ContentWithin(t.Context(), slow, 3, time.Hour))
	require.NoError(t, err)
	require.Equal(t, "xxx", string(got))
}

type step func(p []byte) (int, error)

func (s step) Read(p []byte) (int, error) { return s(p) }

// TestContentIsReadOnceAtATime: also where reads are given up, and with buffers of any size.
func TestContentIsReadOnceAtATime(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 50_000)
	source, busy := bytes.NewReader(content), make(chan struct{}, 1)
	errTwice := errors.New("two at a time")
	once := step(func(p []byte) (int, error) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
			return source.Read(p)
		default:
			return 0, errTwice
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got bytes.Buffer
	_, err := io.CopyBuffer(struct{ io.Writer }{&got}, check.Content(ctx, once, int64(len(content))), make([]byte, 300<<10))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got.Bytes()))
}

// fatal is content whose Read does not return.
type fatal func()

func (f fatal) Read([]byte) (int, error) {
	f()
	return 0, nil
}

// TestContentThatPanics: the end of a Read that does not return is that of its caller, and not of the process.
func TestContentThatPanics(t *testing.T) {
	r := check.Content(t.Context(), fatal(func() { panic("broken") }), 10)
	require.PanicsWithValue(t, "broken", func() { _, _ = r.Read(make([]byte, 1)) })
	_, err := r.Read(make([]byte, 1))
	require.Error(t, err)

	left := make(chan bool)
	go func() {
		returned := false
		defer func() { left <- !returned }()
		_, _ = check.Content(t.Context(), fatal(runtime.Goexit), 10).Read(make([]byte, 1))
		returned = true
	}()
	require.True(t, <-left)
}
