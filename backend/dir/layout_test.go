package dir_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// TestLinksLeadNowhere: whoever may put links into the folder gets neither at what lies outside of it nor anything there.
func TestLinksLeadNowhere(t *testing.T) {
	base := t.TempDir()
	path, outside := filepath.Join(base, "chunks"), filepath.Join(base, "outside")
	s := open(t, path, dir.Config{})
	name := hashName("secret")
	require.NoError(t, write(t.Context(), s, container, name, "secret"))
	inside := fileOf(t, path, container)
	shard := filepath.Dir(inside)
	require.NoError(t, os.Rename(filepath.Join(path, "containers", container), outside))
	secret := filepath.Join(outside, filepath.Base(shard), name)
	before := fileNames(t, outside)

	for what, link := range map[string]func() error{
		"the container": func() error { return os.Symlink("../../outside", filepath.Join(path, "containers", container)) },
		"the shard": func() error {
			return errors.Join(os.Mkdir(filepath.Dir(shard), 0o700), os.Symlink(filepath.Dir(secret), shard))
		},
		"the file": func() error { return errors.Join(os.MkdirAll(shard, 0o700), os.Symlink(secret, inside)) },
	} {
		t.Run(what, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(path, "containers", container)))
			require.NoError(t, link())
			ctx, one := t.Context(), []string{name}
			_, err := s.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
			require.Error(t, err)
			stat, _ := s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: one})
			require.Empty(t, stat.Chunks)
			page, _ := s.ListChunks(ctx, stacksync.ListChunksParams{Container: container})
			require.Empty(t, page.Chunks)
			_ = write(ctx, s, container, name, "changed")
			_ = write(ctx, s, container, hashName("other"), "other")
			_, _ = s.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: container, Names: one})
			_, _ = s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: container})
			require.Equal(t, before, fileNames(t, outside))
			content, err := os.ReadFile(secret)
			require.NoError(t, err)
			require.Equal(t, "secret", string(content))
		})
	}
}

func fileNames(t *testing.T, folder string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(name string, _ os.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	return names
}

// TestForeignFiles: what others put into the folder is not listed, and goes with its container.
func TestForeignFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	const odd = "a/b" // whose file ends with the name
	require.NoError(t, write(t.Context(), s, container, odd, "x"))
	oddFile, err := os.ReadFile(fileOf(t, path, container))
	require.NoError(t, err)
	_, err = s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{odd}})
	require.NoError(t, err)
	name := hashName("x")
	require.NoError(t, write(t.Context(), s, container, name, "x"))
	shard := filepath.Dir(fileOf(t, path, container))
	require.NoError(t, write(t.Context(), s, container, odd, "x"))

	folder := filepath.Dir(shard)
	const none = "0000000000000000000000000000000000000000000000000000000000000000" // of which nothing is the hash
	for file, content := range map[string][]byte{
		filepath.Join(folder, "README"):                 nil,
		filepath.Join(folder, "zz", name):               nil,
		filepath.Join(folder, "00", name):               []byte("a copy in another shard"),
		filepath.Join(folder, "00", none+".named"):      oddFile,
		filepath.Join(shard, ".DS_Store"):               nil,
		filepath.Join(shard, name+"~"):                  nil,
		filepath.Join(shard, "folder", "in it", name):   nil,
		filepath.Join(shard, hashName("another shard")): nil,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}
	var chunks []stacksync.Chunk
	for _, c := range list(t, s, container) {
		chunks = append(chunks, c.Chunk)
	}
	require.ElementsMatch(t, []stacksync.Chunk{{Name: name, Size: 1}, {Name: odd, Size: 1}}, chunks)
	_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	require.NoDirExists(t, folder)
}

// TestDamagedFile: a file that lacks its end is not stored, is logged, and is mended by bringing the chunk again.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	var log bytes.Buffer
	s := open(t, path, dir.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "d"})
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), s, container, "a chunk", "content"))
	require.NoError(t, write(t.Context(), s, "d", "a chunk", "content"))
	for _, mend := range []func() error{
		func() error { return write(t.Context(), s, container, "a chunk", "content") },
		func() error {
			_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "d", To: container, Names: []string{"a chunk"}})
			return err
		},
	} {
		for _, size := range []int64{0, 1, 5} {
			file := fileOf(t, path, container)
			require.NoError(t, os.Truncate(file, size))
			log.Reset()
			require.Empty(t, list(t, s, container))
			require.Contains(t, log.String(), filepath.Base(file))
			require.False(t, stored(t, s, container, "a chunk"))
			_, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "a chunk"})
			require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
			require.NoError(t, mend())
			require.Len(t, list(t, s, container), 1)
		}
	}
}

func TestCursorOfAnother(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chunks"), dir.Config{})
	for _, after := range []string{"x", "../x", strings.Repeat("x", 1000), "\x00"} {
		_, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container, After: after})
		var fe *stacksync.FieldError
		require.ErrorAs(t, err, &fe)
		require.Equal(t, "After", fe.Field)
	}
}

// TestStoredChunkNeverChanges: other content under the name of a stored chunk does not replace it.
func TestStoredChunkNeverChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	name := hashName("x")
	require.NoError(t, write(t.Context(), s, container, name, "first"))
	require.NoError(t, write(t.Context(), s, container, name, "other"))
	require.ErrorIs(t, write(t.Context(), s, container, name, "longer"), stacksync.ErrSize)
	content, err := os.ReadFile(fileOf(t, path, container))
	require.NoError(t, err)
	require.Equal(t, "first", string(content))
}

// TestDeleteContainerWhileWriting: writers find the container there or gone, and nothing else.
func TestDeleteContainerWhileWriting(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chunks"), dir.Config{NoSync: true})
	const writers = 4
	var wg, started sync.WaitGroup
	started.Add(writers)
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				if i == 10 {
					started.Done()
				}
				err := write(t.Context(), s, container, strings.Repeat("x", w+1)+strings.Repeat("y", i%200), "content")
				if i >= 10 && errors.Is(err, stacksync.ErrNotFound) {
					return
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	started.Wait()
	_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	wg.Wait()
	require.Empty(t, list(t, s, container))
}

// TestContainerGoesMeanwhile: a write that finds its container gone at the end leaves nothing.
func TestContainerGoesMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	finish := writeHalf(t, s, "a chunk")
	_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	require.ErrorIs(t, finish(), stacksync.ErrNotFound)
	require.Empty(t, tempFiles(t, path))
	require.Empty(t, list(t, s, container))
}

// TestDeleteContainerAgain: a deletion that was cancelled hides the container, and goes on when it is called again, also
// where a new container has the name by then.
func TestDeleteContainerAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{NoSync: true})
	params := stacksync.DeleteContainerParams{Container: container}
	for _, again := range []bool{false, true} {
		for i := range 20 {
			require.NoError(t, write(t.Context(), s, container, hashName(strings.Repeat("x", i)), "x"))
		}
		_, err := s.DeleteContainer(&soonOver{Context: t.Context(), left: 10}, params)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, list(t, s, container))
		require.ErrorIs(t, write(t.Context(), s, container, "x", "x"), stacksync.ErrNotFound)
		require.Greater(t, len(fileNames(t, filepath.Join(path, "deleted"))), 10)

		_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams(params))
		require.NoError(t, err)
		require.Empty(t, list(t, s, container))
		require.NoError(t, write(t.Context(), s, container, "x", "x"))
		if again {
			_, err = s.DeleteContainer(t.Context(), params)
			require.NoError(t, err)
			require.Equal(t, []string{filepath.Join(path, "deleted")}, fileNames(t, filepath.Join(path, "deleted")))
			require.Empty(t, list(t, s, container))
		}
	}
}

// soonOver is a context that has ended when it was looked at so many times.
type soonOver struct {
	context.Context
	left int
}

func (c *soonOver) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestMemoryIsFlat: how large a chunk is does not show in the memory it takes to write and read it.
func TestMemoryIsFlat(t *testing.T) {
	const size, most = 64 << 20, 2 << 20
	s := open(t, filepath.Join(t.TempDir(), "chunks"), dir.Config{NoSync: true})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: "large", Size: size}, Content: &zeros{left: size},
	})
	require.NoError(t, err)
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "large"})
	require.NoError(t, err)
	buf := make([]byte, 64<<10)
	for err = nil; err == nil; {
		_, err = r.Content.Read(buf)
	}
	require.NoError(t, r.Content.Close())
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most))
}
