package pgtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
)

// isMain is set by Main, without which a package shares no server.
var isMain bool

// Main is a TestMain: it runs the tests, says whether the server was missing, leaves the shared one, looks for goroutines
// that are left over, and exits. A TestMain that does more calls it last.
//
// Main also keeps the shared server, in a process of its own: the first package of a run that needs the server starts its
// test program once more, without arguments. So what a TestMain does before it calls Main must have no effect outside the
// process.
func Main(m *testing.M) {
	keepIfAsked()
	isMain = true
	code := m.Run()
	missing.Report()
	if err := errors.Join(leave(), goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}
