package memory_test

import (
	"io"
	"io/fs"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/memory"
)

const container = "c"

func newStorage(t *testing.T, c memory.Config) *memory.Storage {
	t.Helper()
	s := memory.New(c)
	for _, name := range []string{container, "d"} {
		_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: name})
		require.NoError(t, err)
	}
	return s
}

func write(t *testing.T, s *memory.Storage, name, content string) error {
	t.Helper()
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	return err
}

// wrapper hides what the interface does not have, as a host's own wrapper does.
type wrapper struct{ stacksync.StorageProvisioner }

func (w wrapper) Unwrap() stacksync.StorageProvisioner { return w.StorageProvisioner }

func TestAs(t *testing.T) {
	s := memory.New(memory.Config{})
	w, ok := stacksync.As[stacksync.ChunkWriter](wrapper{wrapper{s}})
	require.True(t, ok)
	require.Same(t, s, w)
	r, ok := stacksync.As[stacksync.ChunkReader](wrapper{s})
	require.True(t, ok)
	require.Same(t, s, r)
}

// TestSizeIsOnlyAClaim: a size that no machine has memory for takes none until the content has come.
func TestSizeIsOnlyAClaim(t *testing.T) {
	s := newStorage(t, memory.Config{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: "large", Size: math.MaxInt64}, Content: strings.NewReader("small"),
	})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, stacksync.ErrSize)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

// TestCopiesShareContent: copying and reading take no memory for the content.
func TestCopiesShareContent(t *testing.T) {
	const size = 32 << 20
	s := newStorage(t, memory.Config{})
	require.NoError(t, write(t, s, "large", strings.Repeat("x", size)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "d", Names: []string{"large"}})
	require.NoError(t, err)
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: "d", Name: "large"})
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r.Content)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.EqualValues(t, size, n)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestReader(t *testing.T) {
	s := newStorage(t, memory.Config{})
	content := strings.Repeat("0123456789abcde", 150_000) // over three blocks
	require.NoError(t, write(t, s, "chunk", content))
	for range 2 {
		r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "chunk"})
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(r.Content, []byte(content)))
		require.NoError(t, r.Content.Close())
		_, err = r.Content.Read(make([]byte, 1))
		require.ErrorIs(t, err, fs.ErrClosed)
	}
}

// TestStoredNow: garbage collection spares what is new, so what was brought again or copied has to look new.
func TestStoredNow(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newStorage(t, memory.Config{Now: func() time.Time { return now }})
	storedAt := func(container string) time.Time {
		r, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
		require.NoError(t, err)
		require.Len(t, r.Chunks, 1)
		return r.Chunks[0].StoredAt
	}
	require.NoError(t, write(t, s, "chunk", "content"))
	first := now
	require.Equal(t, first, storedAt(container))

	now = now.Add(time.Hour)
	_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "d", Names: []string{"chunk"}})
	require.NoError(t, err)
	require.Equal(t, now, storedAt("d"))
	require.Equal(t, first, storedAt(container))

	require.NoError(t, write(t, s, "chunk", "content"))
	require.Equal(t, now, storedAt(container))
}

// TestStoredChunkNeverChanges: other content under the name of a stored chunk does not replace it.
func TestStoredChunkNeverChanges(t *testing.T) {
	s := newStorage(t, memory.Config{})
	require.NoError(t, write(t, s, "chunk", "first"))
	require.NoError(t, write(t, s, "chunk", "other"))
	require.ErrorIs(t, write(t, s, "chunk", "longer"), stacksync.ErrSize)
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "chunk"})
	require.NoError(t, err)
	content, err := io.ReadAll(r.Content)
	require.NoError(t, err)
	require.Equal(t, "first", string(content))
}
