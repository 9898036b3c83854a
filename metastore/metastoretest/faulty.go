package metastoretest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

// Point is a place in the course of a store's work where Faulty can make it fail.
type Point string

// The points, in the order in which an Update passes them. Those of methods come before the method does anything.
const (
	AtUpdate          Point = "Update" // before the closure runs
	AtView            Point = "View"   // before the closure runs; Load and Changes of the store pass it too
	AtLock            Point = "Lock"
	AtLoad            Point = "Load"
	AtUsers           Point = "Users"
	AtDevices         Point = "Devices"
	AtMemberships     Point = "Memberships"
	AtMembers         Point = "Members"
	AtChildren        Point = "Children"
	AtVersions        Point = "Versions"
	AtChanges         Point = "Changes"
	AtOperations      Point = "Operations"
	AtStopped         Point = "StoppedOperations"
	AtPut             Point = "Put"
	AtRemove          Point = "Remove"
	AtPurge           Point = "Purge"
	AtClaim           Point = "ClaimHints"
	AtMark            Point = "MarkNotified"
	AtClaimOperations Point = "ClaimOperations"
	// AtCommit is when the closure of an Update has returned nil. A failure rolls the transaction back: nothing is saved.
	AtCommit Point = "commit"
	// AfterCommit is when all is saved. A failure is what a caller sees whose connection broke before it heard so:
	// stacksync.ErrUncertain, which wraps the error of fail beside it, though the transaction has committed.
	AfterCommit Point = "after commit"
)

// Faulty returns a store that asks fail at every point it passes, and fails there with the error that fail returns, if
// any. fail is called from the goroutines that use the store.
func Faulty(store stacksync.MetadataStore, fail func(at Point) error) stacksync.MetadataStore {
	return faulty{store, fail}
}

// FailNth returns a function for Faulty that fails once, with err, at the n-th passing of one of the points, counted from
// 1; of any point where none is given. With n rising until nothing fails any more, a test fails an operation at each of its points.
func FailNth(n int, err error, points ...Point) func(at Point) error {
	var passed atomic.Int64
	return func(at Point) error {
		if len(points) > 0 && !slices.Contains(points, at) {
			return nil
		}
		if passed.Add(1) == int64(n) {
			return err
		}
		return nil
	}
}

type faulty struct {
	stacksync.MetadataStore
	fail func(at Point) error
}

// Unwrap returns the store below.
func (f faulty) Unwrap() stacksync.MetadataStore { return f.MetadataStore }

func (f faulty) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	if err := f.fail(AtUpdate); err != nil {
		return err
	}
	err := f.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if err := fn(ctx, faultyTx{faultyReader{tx, f.fail}, tx, f.fail}); err != nil {
			return err
		}
		return f.fail(AtCommit)
	})
	if err != nil {
		return err
	}
	if err := f.fail(AfterCommit); err != nil {
		return fmt.Errorf("%w: %w", stacksync.ErrUncertain, err)
	}
	return nil
}

func (f faulty) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	if err := f.fail(AtView); err != nil {
		return err
	}
	return f.MetadataStore.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		return fn(ctx, faultyReader{r, f.fail})
	})
}

func (f faulty) Load(ctx context.Context, p stacksync.LoadParams) (result stacksync.LoadResult, err error) {
	if err := f.fail(AtView); err != nil {
		return result, err
	}
	return pass(ctx, f.fail, AtLoad, p, f.MetadataStore.Load)
}

func (f faulty) Changes(ctx context.Context, p stacksync.ChangesParams) (result stacksync.ChangesRows, err error) {
	if err := f.fail(AtView); err != nil {
		return result, err
	}
	return pass(ctx, f.fail, AtChanges, p, f.MetadataStore.Changes)
}

// pass calls method unless the point fails.
func pass[P, R any](ctx context.Context, fail func(Point) error, at Point, p P, method func(context.Context, P) (R, error)) (result R, err error) {
	if err := fail(at); err != nil {
		return result, err
	}
	return method(ctx, p)
}

type faultyReader struct {
	r    stacksync.Reader
	fail func(at Point) error
}

func (f faultyReader) Users(ctx context.Context, p stacksync.UsersParams) (stacksync.UsersResult, error) {
	return pass(ctx, f.fail, AtUsers, p, f.r.Users)
}

func (f faultyReader) Devices(ctx context.Context, p stacksync.DevicesParams) (stacksync.DevicesResult, error) {
	return pass(ctx, f.fail, AtDevices, p, f.r.Devices)
}

func (f faultyReader) Memberships(ctx context.Context, p stacksync.MembershipsParams) (stacksync.MembershipsResult, error) {
	return pass(ctx, f.fail, AtMemberships, p, f.r.Memberships)
}

func (f faultyReader) Members(ctx context.Context, p stacksync.MembersParams) (stacksync.MembersResult, error) {
	return pass(ctx, f.fail, AtMembers, p, f.r.Members)
}

func (f faultyReader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return pass(ctx, f.fail, AtLoad, p, f.r.Load)
}

func (f faultyReader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	return pass(ctx, f.fail, AtChildren, p, f.r.Children)
}

func (f faultyReader) Versions(ctx context.Context, p stacksync.VersionsParams) (stacksync.VersionsResult, error) {
	return pass(ctx, f.fail, AtVersions, p, f.r.Versions)
}

func (f faultyReader) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return pass(ctx, f.fail, AtChanges, p, f.r.Changes)
}

func (f faultyReader) Operations(ctx context.Context, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
	return pass(ctx, f.fail, AtOperations, p, f.r.Operations)
}

func (f faultyReader) StoppedOperations(ctx context.Context, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
	return pass(ctx, f.fail, AtStopped, p, f.r.StoppedOperations)
}

type faultyTx struct {
	faultyReader
	tx   stacksync.Tx
	fail func(at Point) error
}

func (f faultyTx) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	return pass(ctx, f.fail, AtLock, p, f.tx.Lock)
}

func (f faultyTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	return pass(ctx, f.fail, AtPut, p, f.tx.Put)
}

func (f faultyTx) Remove(ctx context.Context, p stacksync.RemoveParams) (stacksync.RemoveResult, error) {
	return pass(ctx, f.fail, AtRemove, p, f.tx.Remove)
}

func (f faultyTx) Purge(ctx context.Context, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
	return pass(ctx, f.fail, AtPurge, p, f.tx.Purge)
}

func (f faultyTx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	return pass(ctx, f.fail, AtClaim, p, f.tx.ClaimHints)
}

func (f faultyTx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	return pass(ctx, f.fail, AtMark, p, f.tx.MarkNotified)
}

func (f faultyTx) ClaimOperations(ctx context.Context, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
	return pass(ctx, f.fail, AtClaimOperations, p, f.tx.ClaimOperations)
}
