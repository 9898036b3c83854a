package metastoretest

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// overlap opens a transaction with first, runs second in another one, and ends the first with last (nil: with nothing),
// which must come before second is through: it ends the check if second was faster. They work on handles of their own choice.
func (r *rig) overlap(promise string, one, other stacksync.MetadataStore, first, second, last func(c change)) {
	r.t.Helper()
	var open, passed atomic.Bool
	ready, done := make(chan struct{}), make(chan struct{})
	readyOnce, doneOnce := sync.OnceFunc(func() { close(ready) }), sync.OnceFunc(func() { close(done) })
	r.together(func() error {
		defer readyOnce() // also after an error: the other one waits
		return tryUpdate(r.ctx, one, func(c change) {
			first(c)
			open.Store(true)
			readyOnce()
			select {
			case <-done:
			case <-time.After(r.grace):
			}
			if last != nil {
				last(c)
			}
			open.Store(false)
		})
	}, func() error {
		defer doneOnce() // also after an error: the first one waits
		<-ready
		return tryUpdate(r.ctx, other, func(c change) {
			second(c)
			if open.Load() {
				passed.Store(true)
			}
			doneOnce()
		})
	})
	require.False(r.t, passed.Load(), "promised: %s\nbut two transactions had it at once", promise)
}

// requireHeldOff ends the check if second gets its lock while first has its own.
func (r *rig) requireHeldOff(promise string, one, other stacksync.MetadataStore, first, second stacksync.LockParams) {
	r.t.Helper()
	r.overlap(promise, one, other, func(c change) { c.lock(first) }, func(c change) { c.lock(second) }, nil)
}

// beside opens a transaction with hold and leaves it open until other, in an Update of its own, has ended: other must
// not wait for it. On a store that runs one Update at a time the first one ends so that other can begin. other is told
// which of the two it is. beside returns that too, and the error of other's Update.
func (r *rig) beside(hold func(c change), other func(c change, beside bool)) (bool, error) {
	r.t.Helper()
	const undecided, isBeside, isAfter = 0, 1, 2
	var state atomic.Int32
	held, began, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	heldOnce, beganOnce := sync.OnceFunc(func() { close(held) }), sync.OnceFunc(func() { close(began) })
	var err error
	r.together(func() error {
		defer heldOnce() // also after an error: the other one waits
		defer state.CompareAndSwap(undecided, isAfter)
		return tryUpdate(r.ctx, r.store, func(c change) {
			hold(c)
			heldOnce()
			select {
			case <-began:
			case <-done:
			case <-time.After(r.begins()):
				state.CompareAndSwap(undecided, isAfter)
			}
			if state.Load() == isAfter { // also where the store runs this again
				return
			}
			select {
			case <-done:
			case <-r.ctx.Done():
			}
		})
	}, func() error {
		defer close(done)
		<-held
		err = tryUpdate(r.ctx, r.store, func(c change) {
			state.CompareAndSwap(undecided, isBeside)
			beganOnce()
			other(c, state.Load() == isBeside)
		})
		return nil
	})
	return state.Load() == isBeside, err
}

// begins is how long to wait for an Update to begin beside another one. Not all stores let it, but those must that say so.
func (r *rig) begins() time.Duration {
	if many, ok := stacksync.As[stacksync.ManyWriters](r.store); ok && many.Writers() > 1 {
		return r.patience
	}
	return r.grace
}

// claimTogether has eight callers claim, over all the stores, each until nothing is due any more. It
// returns all that they got.
func claimTogether[R any](r *rig, claim func(c change) []R, stores ...stacksync.MetadataStore) []R {
	r.t.Helper()
	const callers = 8
	got := make([][]R, callers)
	fs := make([]func() error, callers)
	for i := range fs {
		fs[i] = func() error {
			for {
				var claimed []R
				if err := tryUpdate(r.ctx, stores[i%len(stores)], func(c change) {
					claimed = claim(c)
					runtime.Gosched() // lets others come between
				}); err != nil {
					return err
				}
				if len(claimed) == 0 {
					return nil
				}
				got[i] = append(got[i], claimed...)
			}
		}
	}
	r.together(fs...)
	return slices.Concat(got...)
}
