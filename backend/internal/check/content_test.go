package check_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

func TestContent(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		content func() io.Reader
		size    int64
		want    error
	}{
		"good":               {func() io.Reader { return strings.NewReader("content") }, 7, nil},
		"empty":              {func() io.Reader { return strings.NewReader("") }, 0, nil},
		"a byte at a time":   {func() io.Reader { return iotest.OneByteReader(strings.NewReader("content")) }, 7, nil},
		"end with the last":  {func() io.Reader { return iotest.DataErrReader(strings.NewReader("content")) }, 7, nil},
		"short":              {func() io.Reader { return strings.NewReader("conten") }, 7, stacksync.ErrSize},
		"short with the end": {func() io.Reader { return iotest.DataErrReader(strings.NewReader("conten")) }, 7, stacksync.ErrSize},
		"nothing":            {func() io.Reader { return strings.NewReader("") }, 7, stacksync.ErrSize},
		"long":               {func() io.Reader { return strings.NewReader("contents") }, 7, stacksync.ErrSize},
		"long for nothing":   {func() io.Reader { return strings.NewReader("c") }, 0, stacksync.ErrSize},
		"breaks":             {func() io.Reader { return io.MultiReader(strings.NewReader("con"), iotest.ErrReader(broken)) }, 7, broken},
		"breaks at the end":  {func() io.Reader { return io.MultiReader(strings.NewReader("content"), iotest.ErrReader(broken)) }, 7, broken},
		"breaks with it":     {func() io.Reader { return &final{"content", broken} }, 7, broken},
		"breaks at once":     {func() io.Reader { return iotest.ErrReader(broken) }, 0, broken},
		"cut connection": {func() io.Reader {
			return io.MultiReader(strings.NewReader("con"), iotest.ErrReader(io.ErrUnexpectedEOF))
		}, 7, io.ErrUnexpectedEOF},
		"never ends": {func() io.Reader { return io.MultiReader(strings.NewReader("content"), idle{}) }, 7, io.ErrNoProgress},
	} {
		for _, buffer := range []int{1, 3, 7, 8, 100} {
			t.Run(name, func(t *testing.T) {
				r := check.Content(t.Context(), c.content(), c.size)
				var got bytes.Buffer
				_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, buffer))
				if c.want == nil {
					require.NoError(t, err)
					require.Equal(t, "content"[:c.size], got.String())
					return
				}
				require.ErrorIs(t, err, c.want)
				_, again := r.Read(make([]byte, 1))
				require.Equal(t, err, again, "the error stays")
				require.Less(t, int64(got.Len()), max(c.size, 1), "the end is held back")
			})
		}
	}
}

func TestContentLooksAtTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := check.Content(ctx, strings.NewReader("content"), 7)
	_, err := r.Read(make([]byte, 3))
	require.NoError(t, err)
	cancel()
	_, err = r.Read(make([]byte, 3))
	require.ErrorIs(t, err, context.Canceled)
}

// TestContentKeepsTheRules checks the finer points of io.Reader.
func TestContentKeepsTheRules(t *testing.T) {
	content := strings.Repeat("content", 1000)
	require.NoError(t, iotest.TestReader(check.Content(t.Context(), strings.NewReader(content), int64(len(content))), []byte(content)))
}

// final brings its error along with all its bytes.
type final struct {
	content string
	err     error
}

func (f *final) Read(p []byte) (int, error) {
	n := copy(p, f.content)
	f.content = f.content[n:]
	if f.content == "" {
		return n, f.err
	}
	return n, nil
}

// idle brings nothing, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
