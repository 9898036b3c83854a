package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// opened returns a Storage with a container c, and the path of its folder.
func opened(t *testing.T, c Config) (*Storage, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chunks")
	s, err := Open(t.Context(), path, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "c"})
	require.NoError(t, err)
	return s, path
}

func (s *Storage) write(t *testing.T, container, name, content string) error {
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	return err
}

// namesInShard returns names of chunks that lie in one shard.
func namesInShard(shard string, n int) (names []string) {
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprintf("%064x", i); placeOf(name).shard == shard {
			names = append(names, name)
		}
	}
	return names
}

// TestSyncOrder: content before the chunk is visible, folders before the write returns.
func TestSyncOrder(t *testing.T) {
	s, path := opened(t, Config{})
	var synced []string
	var visible []bool
	n := namesInShard("07", 3)
	file := filepath.Join(path, "containers", "c", "07", n[0])
	s.sync = func(f *os.File) error {
		name, err := filepath.Rel(path, f.Name())
		require.NoError(t, err)
		if strings.HasPrefix(name, tempDir) {
			name = tempDir
		}
		_, err = os.Stat(file)
		synced, visible = append(synced, name), append(visible, err == nil)
		return f.Sync()
	}
	require.NoError(t, s.write(t, "c", n[0], "content"))
	require.Equal(t, []string{tempDir, "containers/c", "containers/c/07"}, synced)
	require.Equal(t, []bool{false, false, true}, visible)

	synced = nil
	require.NoError(t, s.write(t, "c", n[1], "content"))
	require.Equal(t, []string{tempDir, "containers/c/07"}, synced, "the shard was known to be durable")

	synced = nil
	require.NoError(t, s.write(t, "c", n[1], "content"))
	require.Equal(t, []string{"containers/c/07"}, synced, "whoever wrote it first may not have come to sync it")

	synced = nil
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "d"})
	require.NoError(t, err)
	require.Equal(t, []string{"containers"}, synced)

	synced = nil
	require.NoError(t, s.write(t, "c", n[2], "content"))
	synced = nil
	_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "c", To: "d", Names: n})
	require.NoError(t, err)
	require.Equal(t, []string{"containers/d", "containers/d/07"}, synced, "once for all chunks")

	other, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	defer other.Close()
	other.sync, synced = s.sync, nil
	require.NoError(t, other.write(t, "c", namesInShard("07", 4)[3], "content"))
	require.Equal(t, []string{tempDir, "containers/c", "containers/c/07"}, synced, "another process can't know")

	third, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	defer third.Close()
	third.sync, synced = s.sync, nil
	require.NoError(t, third.write(t, "c", n[0], "content"))
	require.Equal(t, []string{"containers/c", "containers/c/07"}, synced, "nor can it for a chunk that is there")
}

// TestAnotherProcessDeletes: what a Storage knows of its folders is checked, or of no harm where it is out of date.
func TestAnotherProcessDeletes(t *testing.T) {
	s, path := opened(t, Config{})
	other, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	defer other.Close()
	n := namesInShard("07", 3)
	again := func(by *Storage) {
		_, err := by.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: "c"})
		require.NoError(t, err)
		_, err = other.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "c"})
		require.NoError(t, err)
	}
	require.NoError(t, s.write(t, "c", n[0], "content"))
	again(other)
	require.NoError(t, s.write(t, "c", n[0], "content"))

	again(s)
	require.NoError(t, other.write(t, "c", n[1], "content"))
	var synced []string
	s.sync = func(f *os.File) error {
		synced = append(synced, filepath.Base(f.Name()))
		return f.Sync()
	}
	require.NoError(t, s.write(t, "c", n[2], "content"))
	require.Contains(t, synced, "c", "the shard is another one now")
}

func TestSyncFails(t *testing.T) {
	s, path := opened(t, Config{})
	broken := errors.New("the disk is broken")
	name := namesInShard("07", 1)[0]
	file := filepath.Join(path, "containers", "c", "07", name)

	s.sync = func(*os.File) error { return broken }
	require.ErrorIs(t, s.write(t, "c", name, "content"), broken)
	require.NoFileExists(t, file)
	left, err := filepath.Glob(filepath.Join(path, s.temp.path, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "d"})
	require.ErrorIs(t, err, broken)

	s.sync = onFolders(broken)
	require.ErrorIs(t, s.write(t, "c", name, "content"), broken, "the container's folder")
	require.NoFileExists(t, file)

	for _, unsupported := range []error{&fs.PathError{Op: "sync", Err: syscall.EINVAL}, errors.ErrUnsupported} {
		s.sync = onFolders(unsupported)
		require.NoError(t, s.write(t, "c", name, "content"))
		require.FileExists(t, file)
	}
}

func onFolders(fail error) func(*os.File) error {
	return func(f *os.File) error {
		if info, err := f.Stat(); err != nil || !info.IsDir() {
			return err
		}
		return fail
	}
}

func TestNoSync(t *testing.T) {
	s, _ := opened(t, Config{NoSync: true})
	require.Nil(t, s.sync)
	require.NoError(t, s.write(t, "c", "a chunk", "content"))
	_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "c", To: "c", Names: []string{"a chunk"}})
	require.NoError(t, err)
}

func TestDurableDirsAreBounded(t *testing.T) {
	var d durableDirs
	for i := range mostDurableDirs + 1 {
		d.add(fmt.Sprint(i))
	}
	require.Len(t, d.known, 1)
	require.True(t, d.has(fmt.Sprint(mostDurableDirs)))
	d.forgetAll()
	require.False(t, d.has(fmt.Sprint(mostDurableDirs)))
}
