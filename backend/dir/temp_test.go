package dir_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// writeHalf begins to write a chunk of 2 MiB and stops in its middle, until finish is called, which returns its error.
func writeHalf(t *testing.T, s *dir.Storage, name string) (finish func() error) {
	t.Helper()
	half := make([]byte, 1<<20)
	stop := stall{make(chan struct{}), make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
			Container: container, Chunk: stacksync.Chunk{Name: name, Size: 2 << 20},
			Content: io.MultiReader(bytes.NewReader(half), stop, bytes.NewReader(half)),
		})
		done <- err
	}()
	<-stop.reached
	return func() error {
		close(stop.goOn)
		return <-done
	}
}

func TestOpenLeavesTheLivingAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	finish := writeHalf(t, s, "a chunk")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			other, err := dir.Open(t.Context(), path, dir.Config{})
			if err == nil {
				err = other.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, tempFiles(t, path), 1)
	require.NoError(t, finish())
	require.True(t, stored(t, s, container, "a chunk"))
	require.Empty(t, tempFiles(t, path))
}

func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	require.NoError(t, write(t.Context(), s, container, "a chunk", "content"))
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "a chunk"})
	require.NoError(t, err)
	finish := writeHalf(t, s, "half")

	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	left, err := os.ReadDir(filepath.Join(path, "tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.ErrorIs(t, finish(), fs.ErrClosed)

	content, err := io.ReadAll(r.Content)
	require.NoError(t, err)
	require.Equal(t, "content", string(content))
	require.NoError(t, r.Content.Close())

	ctx, one := t.Context(), []string{"a chunk"}
	_, err = s.CreateContainer(ctx, stacksync.CreateContainerParams{Container: "d"})
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: container})
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: one})
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.CopyChunks(ctx, stacksync.CopyChunksParams{From: container, To: container, Names: one})
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: container, Names: one})
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.ListChunks(ctx, stacksync.ListChunksParams{Container: container})
	require.ErrorIs(t, err, fs.ErrClosed)
	require.ErrorIs(t, write(ctx, s, container, "other", "x"), fs.ErrClosed)
	_, err = s.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: "a chunk"})
	require.ErrorIs(t, err, fs.ErrClosed)

	again := open(t, path, dir.Config{})
	require.Len(t, list(t, again, container), 1)
}

func TestOpenFails(t *testing.T) {
	path := t.TempDir()
	_, err := dir.Open(t.Context(), filepath.Join(path, "missing", "chunks"), dir.Config{})
	require.ErrorIs(t, err, fs.ErrNotExist, "a disk that is not mounted must not go unseen")
	file := filepath.Join(path, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = dir.Open(t.Context(), file, dir.Config{})
	require.ErrorContains(t, err, file)
	require.NoError(t, os.WriteFile(filepath.Join(path, "tmp"), nil, 0o600))
	_, err = dir.Open(t.Context(), path, dir.Config{})
	require.ErrorContains(t, err, "tmp")
}

func TestWhatIsStoredIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	require.NoError(t, write(t.Context(), s, container, hashName("x"), "x"))
	require.NoError(t, filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
		return nil
	}))
}
