//go:build unix

package versitygw_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/versitygw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server of the test's own. Where there is none it skips the test, or fails it if STACKSYNC_REQUIRE_SERVICES is 1.
func start(t *testing.T) *versitygw.Server {
	t.Helper()
	s, err := versitygw.Start(t.Context(), versitygw.Options{})
	if errors.Is(err, versitygw.ErrNotInstalled) && os.Getenv("STACKSYNC_REQUIRE_SERVICES") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return s
}
