package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

func TestMain(m *testing.M) {
	testsize.Rapid()
	goleak.VerifyTestMain(m)
}

// TestConformance makes the schema once, and gives each check a copy of the file.
func TestConformance(t *testing.T) {
	made := tempPath(t)
	require.NoError(t, open(t, made, Config{}).Close())
	empty, err := os.ReadFile(made)
	require.NoError(t, err)
	metastoretest.Run(t, metastoretest.Suite{Many: testsize.Of(2_000, 0), New: func(t metastoretest.T) metastoretest.Opener {
		path := filepath.Join(t.TempDir(), "meta.db")
		require.NoError(t, os.WriteFile(path, empty, 0o600))
		return func(t metastoretest.T) stacksync.MetadataStore {
			store, err := Open(t.Context(), path, Config{})
			require.NoError(t, err)
			return store
		}
	}})
}
