package dir_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// TestFileSizeLimit runs itself in a process whose files may have a megabyte, which needs no rights: the system refuses to
// write in the middle of a chunk.
func TestFileSizeLimit(t *testing.T) {
	const limit = 1 << 20
	if os.Getenv(childEnv) != "limit" {
		runChild(t, "limit", nil)
		return
	}
	path := filepath.Join(t.TempDir(), "chunks")
	s := open(t, path, dir.Config{})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}))
	requireRefused(t, s, path, syscall.EFBIG, 2*limit)
}

// TestDiskFull runs itself in a process that has a disk of a megabyte.
func TestDiskFull(t *testing.T) {
	if os.Getenv(childEnv) != "full" {
		runChild(t, "full", &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		})
		return
	}
	disk := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"))
	defer func() { require.NoError(t, syscall.Unmount(disk, 0)) }()
	path := filepath.Join(disk, "chunks")
	s := open(t, path, dir.Config{})
	requireRefused(t, s, path, syscall.ENOSPC, 2<<20)
	require.NoError(t, s.Close())
}

// requireRefused checks that a chunk which is too large for the disk leaves nothing, and a small one goes in afterwards.
func requireRefused(t *testing.T, s *dir.Storage, path string, want error, size int64) {
	t.Helper()
	for _, name := range []string{hashName("large"), "a large chunk"} {
		_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
			Container: container, Chunk: stacksync.Chunk{Name: name, Size: size}, Content: &zeros{left: size},
		})
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, name)
		require.False(t, stored(t, s, container, name))
	}
	require.Empty(t, list(t, s, container))
	require.Empty(t, tempFiles(t, path))
	require.NoError(t, write(t.Context(), s, container, "small", "content"))
	require.True(t, stored(t, s, container, "small"))
}

// runChild runs the calling test again in another process.
func runChild(t *testing.T, what string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+what, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if attr != nil && os.IsPermission(err) {
		t.Skip("this system does not let us have a disk of our own; TestFileSizeLimit checks the same by other means:", err)
	}
	require.NoError(t, err, "%s", out)
	require.True(t, bytes.Contains(out, []byte("--- PASS: "+t.Name())), "%s", out)
}
