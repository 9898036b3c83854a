package metastoretest

import (
	"context"
	"errors"
	"sync"

	"github.com/stacksync/stacksync-go"
)

// Twice returns a store that runs each closure twice, as a store may after a lost connection: the closure of an Update
// first in a transaction that is rolled back, whatever it returns, and then again. Tests of what uses a store run on it
// to show that their closures can run again, from a clean state.
func Twice(store stacksync.MetadataStore) stacksync.MetadataStore { return &twice{below: store} }

type twice struct {
	below stacksync.MetadataStore

	mu      sync.Mutex // orders running.Add before running.Wait
	closed  bool
	running sync.WaitGroup // calls, so that Close does not come between the two runs of one
}

// Unwrap returns the store below.
func (t *twice) Unwrap() stacksync.MetadataStore { return t.below }

// errAgain ends a first run.
var errAgain = errors.New("metastoretest: closure runs again")

func (t *twice) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	return t.run(func() error {
		return t.below.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
			_ = fn(ctx, tx)
			return errAgain
		})
	}, func() error { return t.below.Update(ctx, fn) })
}

func (t *twice) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	return t.run(func() error {
		return t.below.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
			_ = fn(ctx, r)
			return errAgain
		})
	}, func() error { return t.below.View(ctx, fn) })
}

// Load has no closure to run.
func (t *twice) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return t.below.Load(ctx, p)
}

// Changes has no closure to run.
func (t *twice) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return t.below.Changes(ctx, p)
}

func (t *twice) run(first, second func() error) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return stacksync.ErrClosed
	}
	t.running.Add(1)
	t.mu.Unlock()
	defer t.running.Done()
	if err := first(); !errors.Is(err, errAgain) {
		return err
	}
	return second()
}

func (t *twice) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.Wait()
	return t.below.Close()
}
