package metastoretest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// The names of those checks that a store which keeps nothing outside its handle can't pass: it gives them as Suite.Skips.
const (
	// SecondHandle: rows are there for another handle as soon as they are committed.
	SecondHandle = "a second handle sees what is committed at once"
	// SecondHandleLocks: locks hold between handles.
	SecondHandleLocks = "locks hold between handles"
	// Reopened: rows are there after all handles were closed.
	Reopened = "what was committed is there after reopening"
)

func handleChecks() []check {
	return []check{
		{Name: "after Close, every method returns ErrClosed", Run: closed},
		{Name: "Close waits for a running Update, which commits", Run: closeWaitsForUpdate},
		{Name: "Close waits for a running View", Run: closeWaitsForView},
		{Name: "Close while many work: each call is whole or ErrClosed", Run: closeUnderLoad},
		{Name: SecondHandle, Run: secondHandle},
		{Name: SecondHandleLocks, Run: secondHandleLocks},
		{Name: Reopened, Run: reopened},
	}
}

func closed(t T, s Suite) {
	r := newRig(t, s)
	r.home()
	require.NoError(t, r.store.Close())
	for range 2 {
		err := tryUpdate(r.ctx, r.store, func(change) { t.Errorf("Update ran its closure after Close") })
		require.ErrorIs(t, err, stacksync.ErrClosed, "after Close, Update returns ErrClosed")
		err = tryView(r.ctx, r.store, func(look) { t.Errorf("View ran its closure after Close") })
		require.ErrorIs(t, err, stacksync.ErrClosed, "after Close, View returns ErrClosed")
		_, err = r.store.Load(r.ctx, stacksync.LoadParams{})
		require.ErrorIs(t, err, stacksync.ErrClosed, "after Close, Load returns ErrClosed")
		_, err = r.store.Changes(r.ctx, stacksync.ChangesParams{PageBound: stacksync.PageBound{Limit: 1}})
		require.ErrorIs(t, err, stacksync.ErrClosed, "after Close, Changes returns ErrClosed")
		require.NoError(t, r.store.Close(), "a second Close does nothing")
	}
}

// closeDuring runs a closure by way of run, closes the store while that runs, and ends the check if Close did not wait
// for it. The closure calls during when Close has had its time to do harm.
func (r *rig) closeDuring(run func(closure func(during func())) error) {
	r.t.Helper()
	running, closed := make(chan struct{}), make(chan struct{})
	runningOnce := sync.OnceFunc(func() { close(running) })
	var over, early atomic.Bool
	r.together(func() error {
		defer runningOnce()
		return run(func(during func()) {
			runningOnce()
			select {
			case <-closed:
			case <-time.After(r.grace):
			}
			during()
			over.Store(true)
		})
	}, func() error {
		defer close(closed)
		<-running
		err := r.store.Close()
		early.Store(!over.Load())
		return err
	})
	require.False(r.t, early.Load(), "promised: Close waits for running closures\nbut it returned before one had ended")
}

func closeWaitsForUpdate(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	row := r.file(h.id(), stacksync.ItemID{})
	r.closeDuring(func(closure func(during func())) error {
		return tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(lockWorkspaces(h.id()))
			closure(func() {
				c.put(putItems(row))
				sameSet(failer{}, "a running closure works on to its end", []stacksync.ItemRow{row}, c.items(itemKeys(row)...))
			})
		})
	})
}

func closeWaitsForView(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.closeDuring(func(closure func(during func())) error {
		return tryView(r.ctx, r.store, func(l look) {
			closure(func() {
				sameSet(failer{}, "a running closure works on to its end", []stacksync.User{h.user}, l.users(h.user.ID))
			})
		})
	})
}

// failer turns a failed comparison into the error of the closure it happens in, where that runs in a goroutine of its own.
type failer struct{}

func (failer) Helper() {}
func (failer) Errorf(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}
func (failer) FailNow() {}

// closeUnderLoad closes the store under eight callers that write and read.
func closeUnderLoad(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	var updates atomic.Int64
	enough := make(chan struct{})
	worker := func() error {
		for r.ctx.Err() == nil {
			err := tryUpdate(r.ctx, r.store, func(c change) { addOne(c, []stacksync.UserID{h.user.ID}) })
			if err == nil {
				if updates.Add(1) == 30 {
					close(enough)
				}
				err = tryView(r.ctx, r.store, func(l look) { l.users(h.user.ID) })
			}
			if err == nil {
				err = tryDirect(r.ctx, r.store, func(l look) {
					sameSet(failer{}, "each call is whole or ErrClosed", []stacksync.Workspace{h.workspace}, l.workspaces(h.workspace))
				})
			}
			if errors.Is(err, stacksync.ErrClosed) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("promised: ErrClosed after Close, or success: %w", err)
			}
		}
		return r.ctx.Err()
	}
	closer := func() error {
		select {
		case <-enough:
		case <-r.ctx.Done():
		}
		return r.store.Close()
	}
	fs := []func() error{closer, closer}
	for range 8 {
		fs = append(fs, worker)
	}
	r.together(fs...)
}

func secondHandle(t T, s Suite) {
	sc := newScene(t, s)
	first, second := sc.store, sc.open()
	sc.store = second
	sc.read(func(l look) { sc.requireBefore(l, "a handle sees what another one committed before it was opened") })

	sc.store = first
	sc.save(sc.change)
	sc.store = second
	sc.read(func(l look) { sc.requireAfter(l, "a handle sees at once what another one committed") })

	row := sc.next(sc.a2)
	sc.save(putItems(row))
	require.NoError(t, second.Close())
	sc.store = first
	sc.read(func(l look) {
		sameSet(t, "a handle works on when another one is closed", []stacksync.ItemRow{row}, l.items(itemKeys(row)...))
	})
}

func secondHandleLocks(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	second := r.open()
	const promise = "Lock holds off every other transaction, of other handles too"
	r.requireHeldOff(promise, r.store, second, lockWorkspaces(h.id()), lockWorkspaces(h.id()))
	r.requireHeldOff(promise, second, r.store, lockWorkspaces(h.id()), lockUsers(h.user.ID))
	r.requireHeldOff(promise, r.store, second, lockUsers("nobody"), lockUsers("nobody"))
	r.requireNoneLost([]stacksync.MetadataStore{r.store, second}, 8, 10)
}

func reopened(t T, s Suite) {
	sc := newScene(t, s)
	reason := errors.New("reason")
	err := tryUpdate(sc.ctx, sc.store, func(c change) {
		c.lock(locksOf(sc.change))
		c.put(sc.change)
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	reopen := func() {
		require.NoError(t, sc.store.Close())
		sc.store = sc.open()
	}
	reopen()
	sc.read(func(l look) { sc.requireBefore(l, "what was committed is durable, what failed is not there") })
	sc.save(sc.change)
	reopen()
	sc.read(func(l look) { sc.requireAfter(l, "when Update returns nil, all that its closure Put is durable") })
	sc.remove(stacksync.RemoveParams{Users: []stacksync.UserID{sc.other.ID}, Operations: operationIDs(sc.op)})
	reopen()
	sc.read(func(l look) {
		require.Empty(t, l.users(sc.other.ID), "what an Update has removed does not come back")
		require.Empty(t, l.operations(all(sc.op)), "what an Update has removed does not come back")
	})
	row := sc.next(sc.a2)
	sc.saveAndRead(stacksync.PutParams{Items: []stacksync.ItemRow{row}, Superseded: []stacksync.ItemRow{sc.a2}}, func(l look) {
		sameList(t, "a reopened store works on", []stacksync.ItemRow{row, sc.a2, sc.a},
			l.versions(stacksync.VersionsParams{Workspace: sc.h.id(), Item: row.ID, PageBound: stacksync.PageBound{Limit: 10}}))
	})
}
