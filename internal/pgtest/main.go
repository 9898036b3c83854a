package pgtest

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
)

// Main is a TestMain: it runs the tests, says whether the server was missing, stops the shared one, looks for goroutines
// that are left over, and exits.
func Main(m *testing.M) {
	code := m.Run()
	missing.Report()
	Stop()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}
