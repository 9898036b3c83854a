package dir_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// childEnv names what a process that a test starts is to do, in place of the tests.
const childEnv = "STACKSYNC_DIR_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "crash" {
		crashChild()
		return
	}
	goleak.VerifyTestMain(m)
}

const container = "c"

// open opens a folder and makes the container in it.
func open(t *testing.T, path string, c dir.Config) *dir.Storage {
	t.Helper()
	s, err := dir.Open(t.Context(), path, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: container})
	require.NoError(t, err)
	return s
}

func write(ctx context.Context, s *dir.Storage, container, name, content string) error {
	_, err := s.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	return err
}

func list(t *testing.T, s *dir.Storage, container string) []stacksync.StoredChunk {
	t.Helper()
	var all []stacksync.StoredChunk
	for p := (stacksync.ListChunksParams{Container: container}); ; {
		r, err := s.ListChunks(t.Context(), p)
		require.NoError(t, err)
		all = append(all, r.Chunks...)
		if p.After = r.Next; p.After == "" {
			return all
		}
	}
}

func stored(t *testing.T, s *dir.Storage, container, name string) bool {
	t.Helper()
	r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: []string{name}})
	require.NoError(t, err)
	return len(r.Chunks) == 1
}

func hashName(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// fileOf returns the path of the one file that has a chunk in a container.
func fileOf(t *testing.T, path, container string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(path, "containers", container, "??", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// tempFiles returns what lies in tmp, but for the locks and folders of open Storages.
func tempFiles(t *testing.T, path string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(path, "tmp", "*", "*"))
	require.NoError(t, err)
	return files
}

// zeros is content without memory.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}
