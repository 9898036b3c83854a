package story_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

func TestTrees(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{"a": "one", "sub/b": "two", ".stacksync/state": "not a part"} {
		at := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
		require.NoError(t, os.WriteFile(at, []byte(content), 0o600))
	}
	read, err := story.Read(root)
	require.NoError(t, err)
	n, size := read.Files()
	require.Equal(t, 2, n)
	require.EqualValues(t, 6, size)
	require.Equal(t, story.Leaf{Dir: true}, read["sub"])

	listed, err := story.List(root)
	require.NoError(t, err)
	require.Len(t, story.Differences(listed, read, "listed", "read"), 2, "a list has no hashes")
	require.Empty(t, story.Differences(read, read, "a", "b"))

	below := story.Tree{}
	require.NoError(t, below.Add(root, "top"))
	require.Len(t, below, len(read)+1)
	require.Equal(t, read["sub/b"], below["top/sub/b"])

	_, err = story.Read(filepath.Join(root, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDifferencesAreListed(t *testing.T) {
	a := story.Tree{"same": {Size: 1}, "only a": {Size: 1}, "x": {Size: 1, Hash: [32]byte{1}}, "kind": {Dir: true}}
	b := story.Tree{"same": {Size: 1}, "only b": {Dir: true}, "x": {Size: 1, Hash: [32]byte{2}}, "kind": {}}
	found := story.Differences(a, b, "a", "b")
	require.Len(t, found, 4)
	require.Contains(t, found, "only b: only on b, a folder")
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	w := story.Writer{W: &out, Width: 6}
	w.Line("step", "%s in %s, %s items", story.Size(1_234_567), story.Duration(1500*time.Millisecond), story.Count(12345))
	require.Equal(t, "step   1.2 MB in 1.5 s, 12,345 items\n", out.String())
	require.Equal(t, "1.2 kB", story.Size(1_234))
	require.Equal(t, "12 bytes", story.Size(12))
	require.Equal(t, "0.5 ms", story.Duration(500*time.Microsecond))
}
