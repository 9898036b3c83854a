// Package missing says what tests do where a server that they start is not installed: they are skipped, with a short
// reason each and one line a package that says how to get the server, or they fail where the environment requires it.
//
// What looks for a server returns a [Service] as its error. A helper that gives a test a server hands that error, or
// nil, to [Require]. TestMain calls [Report] after m.Run:
//
//	service: PostgreSQL was not found, 42 tests are skipped; to get it: apt-get install postgresql, or make services
//
// The go command shows what a package that passes has printed only with -v.
package missing

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// Environment variables of the tests. Each is set by the value 1.
const (
	// EnvRequire makes a test fail that would be skipped for want of a server.
	EnvRequire = "STACKSYNC_REQUIRE_SERVICES"
	// EnvHide hides all servers that are installed, and those that are named by other variables: tests run as on a
	// machine that has Go alone.
	EnvHide = "STACKSYNC_NO_SERVICES"
)

// Service is the error of looking for a server that is not there.
type Service struct {
	Name    string // "PostgreSQL"
	Detail  string // what is missing, and where it was looked for
	Install string // what to do to have it: "apt-get install postgresql, or make services"
}

func (s *Service) Error() string {
	return fmt.Sprintf("%s was not found: %s; to get it: %s", s.Name, s.Detail, s.Install)
}

// Hidden returns nil, or the error of a server that [EnvHide] hides. What looks for a server asks it first.
func Hidden(name, install string) error {
	if os.Getenv(EnvHide) != "1" {
		return nil
	}
	return &Service{Name: name, Detail: EnvHide + " is set", Install: install}
}

// T is the test that a server is for: a *testing.T, *testing.B or *testing.F, or what embeds one.
type T interface {
	Helper()
	Name() string
	Skip(args ...any)
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require returns if err is nil. If err is a [Service] it skips the test, or fails it where [EnvRequire] is set; any
// other error fails the test, since what is installed has to work.
//
// t must be the test that runs on this goroutine. With another test's t a skip ends the wrong test, and makes the go
// command panic; as long as the server is there, nobody would notice. So Require fails whatever err is, where it sees
// that t is another test's.
func Require(t T, err error) {
	t.Helper()
	if other := otherTest(t); other != "" {
		t.Fatalf("a server was asked for with the t of %s, in another test (%s): a helper gets the t of the test that calls it", t.Name(), other)
	}
	if err == nil {
		return
	}
	if service, ok := errors.AsType[*Service](err); ok && os.Getenv(EnvRequire) != "1" {
		skipped.add(service, t.Name())
		t.Skip(service.Name + " was not found")
	}
	t.Fatalf("%v", err)
}

// Tell is for TestWhichServer of the package that starts a server, which make test runs first: it logs the version that
// was found, or skips the test with all that the [Service] says. Other errors, and a server that is required, fail it.
func Tell(t T, version string, err error) {
	t.Helper()
	if service, ok := errors.AsType[*Service](err); ok && os.Getenv(EnvRequire) != "1" {
		t.Skip("service: " + service.Error())
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("service: %s", version)
}

// runner is the frame of the testing package that runs a test or a benchmark, and its first argument, the test.
var runner = regexp.MustCompile(`(?m)^testing\.(?:tRunner|\(\*B\)\.runN|fRunner)\((0x[0-9a-f]+)[,)]`)

// otherTest returns the frame that runs another test than t on this goroutine, or nothing where there is none or t is
// of a type that this package does not know. Nothing but the trace tells which test a goroutine runs.
func otherTest(t T) string {
	if !strings.HasPrefix(fmt.Sprintf("%T", t), "*testing.") {
		return ""
	}
	frame := runner.FindSubmatch(debug.Stack())
	if frame == nil || string(frame[1]) == fmt.Sprintf("%p", t) {
		return ""
	}
	return string(frame[0])
}

// tests of this process that were skipped, by service.
type tests struct {
	mu sync.Mutex
	of map[Service]map[string]bool
}

var skipped tests

func (s *tests) add(service *Service, test string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[Service]map[string]bool{}
	}
	if s.of[*service] == nil {
		s.of[*service] = map[string]bool{}
	}
	s.of[*service][test] = true
}

// Report prints, for each service that was missing, how many tests were skipped and how to get it, as one line.
func Report() { skipped.report(os.Stdout) }

func (s *tests) report(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	services := slices.SortedFunc(maps.Keys(s.of), func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	for _, service := range services {
		n, are := len(s.of[service]), "tests are"
		if n == 1 {
			are = "test is"
		}
		// Where standard output is gone, so is whoever would read it.
		_, _ = fmt.Fprintf(w, "service: %s was not found, %d %s skipped; to get it: %s\n", service.Name, n, are, service.Install)
	}
}
