package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	metastoretest.Run(t, metastoretest.Suite{New: func(t metastoretest.T) metastoretest.Opener {
		path := filepath.Join(t.TempDir(), "meta.db")
		return func(t metastoretest.T) stacksync.MetadataStore {
			store, err := Open(t.Context(), path, Config{})
			require.NoError(t, err)
			return store
		}
	}})
}
