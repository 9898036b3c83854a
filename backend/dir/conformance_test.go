package dir_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/dir"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Suite{Many: testsize.Of(1_500, 0), New: func(t backendtest.T) backendtest.Instance {
		path := filepath.Join(t.TempDir(), "chunks")
		open := func() stacksync.StorageProvisioner {
			s, err := dir.Open(t.Context(), path, dir.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		return backendtest.Instance{Storage: open(), Reopen: open}
	}})
}
