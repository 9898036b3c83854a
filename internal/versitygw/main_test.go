//go:build unix

package versitygw_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

// start starts a server of the test's own; where there is none, see missing.Require.
func start(t *testing.T) *versitygw.Server {
	t.Helper()
	s, err := versitygw.Start(t.Context(), versitygw.Options{})
	missing.Require(t, err)
	return s
}
