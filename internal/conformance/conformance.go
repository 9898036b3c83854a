// Package conformance runs the checks of a conformance suite, and holds skipped ones to their promise: a check that is
// skipped for a reason is run all the same, and must fail.
package conformance

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// T is what a check sees of its test. testify's assert and require accept it.
type T interface {
	Errorf(format string, args ...any)
	FailNow()
	Helper()
	Logf(format string, args ...any)
	Name() string
	Cleanup(f func())
	// Context ends when the check does, before its cleanups run.
	Context() context.Context
	// TempDir returns a folder of the check's own, removed at the end.
	TempDir() string
}

var _ T = (*testing.T)(nil)

// Check is one named promise of a contract. Checks share no state, and may run in any order.
type Check[S any] struct {
	Name string
	Run  func(t T, suite S)
}

// Run runs each check as a parallel subtest. skips gives the reason for each check that the implementation can't pass.
// Such a check is logged with its reason, and fails when it starts to pass, or has no such name.
func Run[S any](t *testing.T, suite S, checks []Check[S], skips map[string]string) {
	t.Helper()
	names := map[string]bool{}
	for _, c := range checks {
		if names[c.Name] {
			t.Errorf("two checks are named %q", c.Name)
		}
		names[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			reason, skip := skips[c.Name]
			if !skip {
				c.Run(t, suite)
				return
			}
			r := &recorder{T: t}
			r.run(func() { c.Run(r, suite) })
			if !r.failed {
				t.Fatalf("the check passes now: take it off the skips (%s)", reason)
			}
			t.Skipf("can't pass: %s", reason)
		})
	}
	for name := range skips {
		if !names[name] {
			t.Errorf("no check is named %q", name)
		}
	}
}

// recorder lets a check fail without failing the test around it.
type recorder struct {
	*testing.T
	mu       sync.Mutex
	failed   bool
	cleanups []func()
	ctx      context.Context
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.T.Logf("as expected: "+format, args...)
}

func (r *recorder) FailNow() {
	r.mu.Lock()
	r.failed = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) TempDir() string {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		r.Errorf("temp dir: %v", err)
		r.FailNow()
	}
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// run gives the check a goroutine of its own, so that FailNow can end it, and a minute, since what can't pass may hang.
func (r *recorder) run(check func()) {
	ctx, cancel := context.WithTimeout(r.T.Context(), time.Minute)
	r.ctx = ctx
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		check()
	}()
	<-done
	cancel()
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}
