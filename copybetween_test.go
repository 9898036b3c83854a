package stacksync_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
	storage "github.com/stacksync/stacksync-go/backend/memory"
)

type readerWriter interface {
	stacksync.StorageProvisioner
	stacksync.ChunkReader
	stacksync.ChunkWriter
}

func makeContainer(t *testing.T, s stacksync.StorageProvisioner, name string) {
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: name})
	require.NoError(t, err)
}

func writeChunk(t *testing.T, s stacksync.ChunkWriter, container, name, content string) {
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	require.NoError(t, err)
}

func readChunk(t *testing.T, s stacksync.ChunkReader, container, name string) string {
	res, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	require.NoError(t, err)
	b, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.NoError(t, res.Content.Close())
	return string(b)
}

// filled returns a source of 1,500 chunks, which is more than a page, and an empty target on disk.
func filled(t *testing.T) (source, target readerWriter, bytes int64) {
	from := storage.New(storage.Config{})
	to, err := dir.Open(t.TempDir(), dir.Config{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, to.Close()) })
	makeContainer(t, from, "from")
	makeContainer(t, to, "to")
	for i := range 1500 {
		content := fmt.Sprintf("content %d", i)
		writeChunk(t, from, "from", fmt.Sprintf("chunk %d", i), content)
		bytes += int64(len(content))
	}
	return from, to, bytes
}

func TestCopyBetween(t *testing.T) {
	from, to, bytes := filled(t)
	p := stacksync.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to"}
	res, err := stacksync.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, stacksync.CopyBetweenResult{Copied: 1500, Bytes: bytes}, res)
	for i := range 1500 {
		require.Equal(t, fmt.Sprintf("content %d", i), readChunk(t, to, "to", fmt.Sprintf("chunk %d", i)))
	}
	res, err = stacksync.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, stacksync.CopyBetweenResult{Present: 1500}, res, "again")

	makeContainer(t, to, "some")
	p.ToContainer, p.Names, p.Parallel = "some", []string{"chunk 7", "gone", "chunk 7", "chunk 8", "lost"}, 1
	res, err = stacksync.CopyBetween(t.Context(), p)
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []string{"gone", "lost"}, missing.Names)
	require.Equal(t, 2, res.Copied, "the others are copied")
	p.Names = []string{}
	res, err = stacksync.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Zero(t, res, "none was named")
}

// cutting fails each read of a chunk's content in the middle, while cut is set.
type cutting struct {
	readerWriter
	cut   atomic.Bool
	reads atomic.Int64
}

func (c *cutting) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	res, err := c.readerWriter.ReadChunk(ctx, p)
	if n := c.reads.Add(1); err == nil && c.cut.Load() && n > 500 {
		res.Content = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(res.Content, 3), iotest.ErrReader(errCut)), res.Content}
	}
	return res, err
}

func TestCopyBetweenGoesOnWhereItBrokeOff(t *testing.T) {
	source, to, _ := filled(t)
	from := &cutting{readerWriter: source}
	from.cut.Store(true)
	p := stacksync.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to", Parallel: 4}
	first, err := stacksync.CopyBetween(t.Context(), p)
	require.ErrorIs(t, err, errCut)
	require.InDelta(t, 500, first.Copied, 4, "those on their way beside the one that failed are stopped")
	require.Less(t, from.reads.Load(), int64(520), "it stops at the first failure")

	from.cut.Store(false)
	second, err := stacksync.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, 1500, second.Copied+second.Present)
	require.GreaterOrEqual(t, second.Present, first.Copied)
}

func TestCopyBetweenRefusesABadRequest(t *testing.T) {
	from, to, _ := filled(t)
	p := stacksync.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to"}
	bad := p
	bad.From = onlyContainers{from}
	_, err := stacksync.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	bad = p
	bad.To = onlyContainers{to}
	_, err = stacksync.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	bad = p
	bad.Parallel = -1
	_, err = stacksync.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	bad = p
	bad.ToContainer = "missing"
	_, err = stacksync.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, stacksync.ErrNotFound)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = stacksync.CopyBetween(ended, p)
	require.ErrorIs(t, err, context.Canceled)
}
