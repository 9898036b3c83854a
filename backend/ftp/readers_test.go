package ftp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

func openChunk(ctx context.Context, s *ftp.Storage, name string) (io.ReadCloser, error) {
	r, err := s.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
	return r.Content, err
}

// TestReadersStopNobody: readers that go no further hold half of the connections at most. More of them wait, and give up with their ctx.
func TestReadersStopNobody(t *testing.T) {
	t.Parallel()
	const most = 5
	r := newRig(t, func(c *ftp.Config) { c.MaxConns = most })
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", strings.Repeat("x", 1<<20)))
	var readers []io.Closer
	for range most / 2 {
		content, err := openChunk(t.Context(), r.Storage, "chunk")
		require.NoError(t, err)
		_, err = content.Read(make([]byte, 1))
		require.NoError(t, err)
		readers = append(readers, content)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := openChunk(ctx, r.Storage, "chunk")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 2 * most {
		wg.Go(func() { assert.NoError(t, write(ctx, r.Storage, container, fmt.Sprint(i), "x")) })
	}
	wg.Wait()
	stat, err := r.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: []string{"chunk", "0", "1"}})
	require.NoError(t, err)
	require.Len(t, stat.Chunks, 3)

	for _, c := range readers { // before their end
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
	}
	for range most { // one that was read is given back before it is closed
		content, err := openChunk(ctx, r.Storage, "chunk")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, content)
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, n)
		defer content.Close()
	}
	require.LessOrEqual(t, r.proxy.most, most)
}

// TestCopyThroughOneStorage: those that read from a storage and write to it again do not wait for each other for ever.
func TestCopyThroughOneStorage(t *testing.T) {
	t.Parallel()
	for _, most := range []int{2, 3, 4} {
		r := newRig(t, func(c *ftp.Config) { c.MaxConns = most })
		require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 3 * most {
			wg.Go(func() {
				content, err := openChunk(ctx, r.Storage, "chunk")
				if err == nil {
					err = writeFrom(ctx, r.Storage, container, fmt.Sprint(i), 7, content)
					err = errors.Join(err, content.Close())
				}
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
}

// TestUnreadContentIsCut: what nobody reads on is cut, and others go on; a reader that is only slow is not.
func TestUnreadContentIsCut(t *testing.T) {
	t.Parallel()
	const silence = 4 * time.Second // the server, and the slow reader, are sooner on a slow machine too
	r := newRig(t, func(c *ftp.Config) { c.Silence, c.MaxConns = silence, 4 })
	content := strings.Repeat("x", 1<<20)
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", content))
	stalled, err := openChunk(t.Context(), r.Storage, "chunk")
	require.NoError(t, err)
	_, err = stalled.Read(make([]byte, 1))
	require.NoError(t, err)
	slow, err := openChunk(t.Context(), r.Storage, "chunk")
	require.NoError(t, err)
	began := time.Now()
	read := 0
	for time.Since(began) < silence+silence/2 {
		time.Sleep(silence / 10)
		n, err := slow.Read(make([]byte, 1000))
		require.NoError(t, err)
		read += n
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	next, err := openChunk(ctx, r.Storage, "chunk") // in place of the one that stalls
	require.NoError(t, err)
	for range 2 {
		_, err = stalled.Read(make([]byte, 1))
		require.ErrorContains(t, err, "the content was cut: it was not read for "+silence.String())
	}
	require.NoError(t, stalled.Close())
	rest, err := io.ReadAll(slow)
	require.NoError(t, err)
	require.Equal(t, len(content), read+len(rest))
	require.NoError(t, slow.Close())
	all, err := io.ReadAll(next)
	require.NoError(t, err)
	require.Len(t, all, len(content))
	require.NoError(t, next.Close())
}
