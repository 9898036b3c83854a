package metastoretest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// fault is a store that breaks a promise, and the checks that must say so.
type fault struct {
	name   string
	breaks []string
	hangs  bool // so that a check ends only when its patience does
	// One of these makes the store. bend changes one that keeps all promises; open is called for each handle.
	bend func(b *bent)
	open func() func() stacksync.MetadataStore
}

func faults() []fault {
	return slices.Concat(accountFaults(), memberFaults(), loadFaults(), pageFaults(), putFaults(), valueFaults(), directFaults(), outboxFaults(),
		journalFaults(), journalStoppedFaults(), journalClaimFaults(), removeFaults(), purgeFaults(), txFaults(), lockFaults(), outboxLockFaults(),
		journalLockFaults(), busyFaults())
}

// TestFaultsAreFound runs each check on a store that breaks what it checks.
func TestFaultsAreFound(t *testing.T) {
	byName := map[string]check{}
	for _, c := range checks() {
		byName[c.Name] = c
	}
	found := map[string]bool{}
	for _, f := range faults() {
		for _, name := range f.breaks {
			c, ok := byName[name]
			require.True(t, ok, "no check is named %q", name)
			found[name] = true
			t.Run(f.name+" breaks "+name, func(t *testing.T) {
				t.Parallel()
				w := &witness{T: t}
				for range 10 { // what is random, or a race, may miss it once
					if w.run(func() { c.Run(w, f.suite()) }); len(w.failures) > 0 {
						break
					}
				}
				require.NotEmpty(t, w.failures, "the check finds nothing wrong with a store that %s", f.name)
				for _, failure := range w.failures {
					require.NotContains(t, failure, "panic:", "a check must not panic on a faulty store")
				}
			})
		}
	}
	for _, c := range checks() {
		require.True(t, found[c.Name], "no fault breaks %q: that check may be one that can't fail", c.Name)
	}
}

// TestChecksOfLocksAcceptManyWriters shows that a store is not taken for faulty because its transactions run at the same
// time, as those of the memory store don't.
func TestChecksOfLocksAcceptManyWriters(t *testing.T) {
	open := shared(func(*loose) {})
	conformance.Run(t, Suite{Many: faultRows, New: func(T) Opener {
		handle := open()
		return func(T) stacksync.MetadataStore { return handle() }
	}}, slices.Concat(lockChecks(), busyChecks(), outboxLockChecks(), journalLockChecks(), concurrencyChecks(), gapChecks(), deadlockChecks()), nil)
}

// faultRows is how many rows the checks of large calls have here: a store that takes one too few is as faulty with fewer rows.
const faultRows = 1_200

func (f fault) suite() Suite {
	patience, grace := defaultPatience, defaultPatience // a fault is found when it shows, however busy the machine is
	if f.hangs {
		patience, grace = 300*time.Millisecond, defaultGrace
	}
	return Suite{
		Many:     faultRows,
		patience: patience,
		grace:    grace,
		New: func(T) Opener {
			open := func() stacksync.MetadataStore { return memory.New(memory.Config{}) }
			if f.open != nil {
				open = f.open()
			}
			return func(T) stacksync.MetadataStore {
				store := open()
				if f.bend != nil {
					b := &bent{MetadataStore: store}
					f.bend(b)
					store = b
				}
				return store
			}
		},
	}
}

// witness is a T whose failures are kept.
type witness struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

func (w *witness) FailNow() { runtime.Goexit() }

func (w *witness) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }

func (w *witness) Context() context.Context { return w.ctx }

func (w *witness) run(check func()) {
	ctx, cancel := context.WithCancel(w.T.Context())
	w.ctx = ctx
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				w.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		check()
	}()
	<-done
	cancel()
	for _, f := range slices.Backward(w.cleanups) {
		f()
	}
	w.cleanups = nil
}
