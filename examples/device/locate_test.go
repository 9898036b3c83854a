package device_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	w, a, _ := twins(t, "dir/sub/x", "other/y")
	sub := w.item("dir/sub").ID
	locate := func(id stacksync.ItemID) string {
		path, err := a.Locate(t.Context(), id)
		require.NoError(t, err)
		return path
	}
	require.Equal(t, "dir/sub", locate(sub))
	require.Equal(t, ".", locate(stacksync.ItemID{}))
	require.Empty(t, locate(stacksync.ItemID{UUID: w.workspace.UUID}), "of another kind of thing")

	// Renamed here, and something else has the old name: that is another item.
	a.rename("dir/sub", "other/moved")
	require.Equal(t, "other/moved", locate(sub))
	a.rename("dir", "top")
	require.Equal(t, "other/moved", locate(sub))
	a.rename("other", "aside")
	require.Equal(t, "aside/moved", locate(sub))
	a.remove("aside/moved")
	require.Empty(t, locate(sub))

	require.NoError(t, os.Remove(filepath.Join(a.dir, ".stacksync", "journal")))
	_, err := a.Locate(t.Context(), sub)
	require.ErrorIs(t, err, os.ErrNotExist, "a folder that is not mounted is not an empty one")
}
