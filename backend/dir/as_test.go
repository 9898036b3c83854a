package dir_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// wrapper hides what the interface does not have, as a host's own wrapper does.
type wrapper struct{ stacksync.StorageProvisioner }

func (w wrapper) Unwrap() stacksync.StorageProvisioner { return w.StorageProvisioner }

func TestAs(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chunks"), dir.Config{})
	w, ok := stacksync.As[stacksync.ChunkWriter](wrapper{wrapper{s}})
	require.True(t, ok)
	require.Same(t, s, w)
	r, ok := stacksync.As[stacksync.ChunkReader](wrapper{s})
	require.True(t, ok)
	require.Same(t, s, r)
}
