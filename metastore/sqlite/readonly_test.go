//go:build unix

package sqlite

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// asAnybody runs the rest of the test as a user who may not do everything: in a child, where this one is root.
func asAnybody(t *testing.T) (path string, here bool) {
	t.Helper()
	if path := os.Getenv(childPath); path != "" {
		return path, true
	}
	if os.Geteuid() != 0 {
		return tempPath(t), true
	}
	const nobody = 65534
	folder, err := os.MkdirTemp("", "stacksync-nobody-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.Chmod(folder, 0o755)) // nobody has to find the program there
	program := filepath.Join(folder, "program")
	copyProgram(t, program)
	data := filepath.Join(folder, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, nobody, nobody))
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = data
	cmd.Env = append(os.Environ(), childPath+"="+filepath.Join(data, "meta.db"), "TMPDIR="+data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return "", false
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	from, err := os.Open(self)
	require.NoError(t, err)
	defer func() { _ = from.Close() }()
	program, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(program, from)
	require.NoError(t, err)
	require.NoError(t, program.Close())
}

// filesBeside lists what is beside the file of a store.
func filesBeside(t *testing.T, path string) []string {
	t.Helper()
	beside, err := filepath.Glob(path + "-*")
	require.NoError(t, err)
	return beside
}

// A file that can't be written is refused, and nothing is left beside it: it works as soon as it can be written again.
func TestFileThatCannotBeWritten(t *testing.T) {
	path, here := asAnybody(t)
	if !here {
		return
	}
	folder := filepath.Dir(path)
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	require.NoError(t, store.Close())

	for _, c := range []struct {
		what string
		mode os.FileMode
		back os.FileMode
	}{{path, 0o400, 0o600}, {folder, 0o500, 0o700}} {
		require.NoError(t, os.Chmod(c.what, c.mode))
		_, err := Open(t.Context(), path, Config{})
		require.ErrorIs(t, err, ErrReadOnly)
		require.ErrorContains(t, err, c.what)
		require.ErrorIs(t, Rollback(t.Context(), path), ErrReadOnly)
		require.Empty(t, filesBeside(t, path))
		require.NoError(t, os.Chmod(c.what, c.back))
		store := open(t, path, Config{})
		require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
		require.Equal(t, 3, count(t, store, 1))
		require.NoError(t, store.Close())
	}

	// What others have left beside it is as much a part of it.
	require.NoError(t, os.WriteFile(path+"-wal", nil, 0o400))
	_, err := Open(t.Context(), path, Config{})
	require.ErrorIs(t, err, ErrReadOnly)
	require.ErrorContains(t, err, path+"-wal")
	require.NoError(t, os.Remove(path+"-wal"))

	// SQLite makes these beside the file that a link leads to.
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, os.Chmod(folder, 0o500))
	_, err = Open(t.Context(), link, Config{})
	require.ErrorIs(t, err, ErrReadOnly)
	require.NoError(t, os.Chmod(folder, 0o700))
	require.Equal(t, 3, count(t, open(t, link, Config{}), 1))

	missing := filepath.Join(t.TempDir(), "none")
	require.NoError(t, os.Mkdir(missing, 0o500))
	_, err = Open(t.Context(), filepath.Join(missing, "meta.db"), Config{})
	require.ErrorIs(t, err, os.ErrPermission, "a file that can't be made")
}
