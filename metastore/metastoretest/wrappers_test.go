package metastoretest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// TestWrappersKeepTheContract runs the checks on wrapped stores, but for those of values, trees and bulk, which wrappers
// don't touch. Twice also shows that the closures of the checks can run again.
func TestWrappersKeepTheContract(t *testing.T) {
	touched := slices.Concat(accountChecks(), memberChecks(), accessChecks(), loadChecks(), pageChecks(), changesChecks(), changesAccessChecks(),
		directChecks(), putChecks(), outboxChecks(), outboxLockChecks(), journalChecks(), journalStoppedChecks(), journalClaimChecks(),
		journalLockChecks(), removeChecks(), purgeChecks(), txChecks(), lockChecks(), busyChecks(), handleChecks(), gapChecks(), concurrencyChecks())
	const reason = "each handle is a store of its own"
	skips := map[string]string{SecondHandle: reason, SecondHandleLocks: reason, Reopened: reason}
	for name, wrap := range map[string]func(stacksync.MetadataStore) stacksync.MetadataStore{
		"Twice":  Twice,
		"Faulty": func(store stacksync.MetadataStore) stacksync.MetadataStore { return Faulty(store, FailNth(0, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, Suite{Many: faultRows, New: func(T) Opener {
				return func(T) stacksync.MetadataStore { return wrap(memory.New(memory.Config{})) }
			}}, touched, skips)
		})
	}
}

func TestOnly(t *testing.T) {
	const name = "an item of 20,000 chunks"
	runs := 0
	Run(t, Suite{
		Only: func(check string) bool { return check == name },
		New: func(t T) Opener {
			runs++
			require.Equal(t, "TestOnly/an_item_of_20,000_chunks", t.Name())
			return func(T) stacksync.MetadataStore { return memory.New(memory.Config{}) }
		},
	})
	t.Cleanup(func() { require.Equal(t, 1, runs) })
}

func TestWrappersUnwrap(t *testing.T) {
	store := memory.New(memory.Config{})
	closeAtEnd(t, store)
	wrapped := Twice(Faulty(store, FailNth(0, nil)))
	found, ok := stacksync.As[*memory.Store](wrapped)
	require.True(t, ok)
	require.Same(t, store, found)
}

func TestTwiceRunsEachClosureTwice(t *testing.T) {
	store := Twice(memory.New(memory.Config{}))
	closeAtEnd(t, store)
	ctx := t.Context()
	var runs, found []int
	require.NoError(t, store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		runs = append(runs, len(runs))
		got, err := tx.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ann"}})
		if err != nil {
			return err
		}
		found = append(found, len(got.Users))
		_, err = tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: "ann", QuotaUsed: int64(len(runs))}}})
		return err
	}))
	require.Equal(t, []int{0, 1}, runs)
	require.Equal(t, []int{0, 0}, found, "the second run starts from a clean state")

	var views int
	require.NoError(t, store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		views++
		got, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"ann"}})
		require.EqualValues(t, 2, got.Users[0].QuotaUsed, "the second run is the one that counts")
		return err
	}))
	require.Equal(t, 2, views)

	reason := errors.New("reason")
	require.ErrorIs(t, store.Update(ctx, func(context.Context, stacksync.Tx) error { return reason }), reason)
}

// TestFaultyFailsAtEachPoint passes every point in an Update and a View, and fails at each in turn.
func TestFaultyFailsAtEachPoint(t *testing.T) {
	reason := errors.New("reason")
	update := func(store stacksync.MetadataStore) error {
		return tryUpdate(t.Context(), store, func(c change) {
			c.lock(lockUsers("ann"))
			readAll(c.look)
			c.put(stacksync.PutParams{Users: []stacksync.User{{ID: "ann"}}})
			c.remove(stacksync.RemoveParams{})
			c.purge(stacksync.PurgeParams{Limit: 1})
			c.claim(stacksync.ClaimHintsParams{Limit: 1})
			c.mark(stacksync.MarkNotifiedParams{})
			c.claimOperations(stacksync.ClaimOperationsParams{Limit: 1})
		})
	}
	view := func(store stacksync.MetadataStore) error { return tryView(t.Context(), store, readAll) }

	for _, at := range []Point{
		AtUpdate, AtLock, AtUsers, AtDevices, AtMemberships, AtMembers, AtLoad, AtChildren, AtVersions, AtChanges, AtOperations, AtStopped,
		AtPut, AtRemove, AtPurge, AtClaim, AtMark, AtClaimOperations, AtCommit, AfterCommit,
	} {
		below := memory.New(memory.Config{})
		store := Faulty(below, FailNth(1, reason, at))
		err := update(store)
		require.ErrorIs(t, err, reason, "%s", at)
		require.Equal(t, at == AfterCommit, errors.Is(err, stacksync.ErrUncertain), "%s: after other errors nothing is saved", at)
		var saved int
		require.NoError(t, tryView(t.Context(), below, func(l look) { saved = len(l.users("ann")) }))
		if at == AfterCommit {
			require.Equal(t, 1, saved, "a failure after the commit leaves all saved")
		} else {
			require.Equal(t, 0, saved, "a failure at %s leaves nothing saved", at)
		}
		require.NoError(t, update(store), "FailNth fails once")
		require.NoError(t, store.Close())
	}
	for _, at := range []Point{
		AtView, AtUsers, AtDevices, AtMemberships, AtMembers, AtLoad, AtChildren, AtVersions, AtChanges, AtOperations, AtStopped,
	} {
		store := Faulty(memory.New(memory.Config{}), FailNth(2, reason, at))
		require.NoError(t, view(store), "%s", at)
		require.ErrorIs(t, view(store), reason, "%s", at)
		require.NoError(t, view(store), "FailNth fails once")
		require.NoError(t, store.Close())
	}
}

// TestFaultyFailsAtDirectReads reads from the store itself.
func TestFaultyFailsAtDirectReads(t *testing.T) {
	reason := errors.New("reason")
	for at, read := range map[Point]func(l look){
		AtLoad:    func(l look) { l.load(stacksync.LoadParams{}) },
		AtChanges: func(l look) { l.changes(stacksync.ChangesParams{PageBound: stacksync.PageBound{Limit: 1}}) },
	} {
		for _, at := range []Point{AtView, at} {
			store := Faulty(memory.New(memory.Config{}), FailNth(2, reason, at))
			require.NoError(t, tryDirect(t.Context(), store, read), "%s", at)
			require.ErrorIs(t, tryDirect(t.Context(), store, read), reason, "%s", at)
			require.NoError(t, tryDirect(t.Context(), store, read), "FailNth fails once")
			require.NoError(t, store.Close())
		}
	}
}

// TestFailNthCountsAllPoints fails an Update at its first point, its second and so on, until it comes through.
func TestFailNthCountsAllPoints(t *testing.T) {
	reason := errors.New("reason")
	store := memory.New(memory.Config{})
	closeAtEnd(t, store)
	n := 1
	for ; ; n++ {
		err := tryUpdate(t.Context(), Faulty(store, FailNth(n, reason)), func(c change) {
			c.lock(lockUsers("ann"))
			c.put(stacksync.PutParams{Users: []stacksync.User{{ID: "ann"}}})
		})
		if err == nil {
			break
		}
		require.ErrorIs(t, err, reason)
	}
	require.Equal(t, 6, n, "an Update with a Lock and a Put passes five points")
}

func readAll(l look) {
	l.users("ann")
	l.devices("ann")
	l.memberships("ann")
	l.members()
	l.operations(stacksync.OperationsParams{Limit: 1})
	l.stopped(1)
	l.load(stacksync.LoadParams{})
	l.children(stacksync.ChildrenParams{PageBound: stacksync.PageBound{Limit: 1}})
	l.versions(stacksync.VersionsParams{PageBound: stacksync.PageBound{Limit: 1}})
	l.changes(stacksync.ChangesParams{PageBound: stacksync.PageBound{Limit: 1}})
}

func closeAtEnd(t *testing.T, store stacksync.MetadataStore) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, store.Close()) })
}
