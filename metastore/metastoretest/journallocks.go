package metastoretest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func journalLockChecks() []check {
	return []check{
		{Name: "Lock holds off those that lock one of the same operations", Run: lockOperationsHoldsOff},
		{Name: "Lock of an operation waits no longer than Wait, then returns ErrBusy", Run: lockOperationsBusy},
		{Name: "Lock ignores unknown operations and repeated ids", Run: lockOddOperations},
		{Name: "reads after Lock see the operation as it was committed before", Run: lockOperationThenRead},
		{Name: "ClaimOperations passes over what another transaction has locked, without waiting", Run: claimPassesOverLocked},
		{Name: "ClaimOperations passes over what another transaction has claimed", Run: claimPassesOverClaimed},
		{Name: "concurrent ClaimOperations never return an operation twice", Run: claimOperationsShare},
		{Name: "concurrent ClaimOperations through two handles never return an operation twice", Run: claimOperationsShareHandles},
		{Name: "a Lock waits for who has claimed an operation, and then sees the claim", Run: lockBesideClaim},
		{Name: "Locks of workspaces, users and operations, beside claims, don't deadlock", Run: journalDontDeadlock},
	}
}

func lockOperations(ops ...stacksync.Operation) stacksync.LockParams {
	return stacksync.LockParams{Operations: operationIDs(ops...)}
}

func lockOperationsHoldsOff(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	ops := r.due(now, now, now)
	a, b, c := ops[0], ops[1], ops[2]
	patient := lockOperations(b)
	patient.Wait = r.patience
	const promise = "Lock holds off every other transaction that locks one of the same ids, until this one ends: operations too"
	for _, pair := range [][2]stacksync.LockParams{
		{lockOperations(a), lockOperations(a)},
		{lockOperations(a, b), lockOperations(c, b)},
		{lockOperations(b), patient},
	} {
		r.requireHeldOff(promise, r.store, r.store, pair[0], pair[1])
	}
}

// lockOperationsBusy accepts a store whose Updates wait before they begin.
func lockOperationsBusy(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	now := r.time()
	ops := r.due(now, now)
	for _, wait := range []time.Duration{time.Nanosecond, 5 * time.Millisecond} {
		second := lockOperations(ops[1], ops[0])
		second.Workspaces, second.Wait = []stacksync.WorkspaceID{h.id()}, wait
		beside, err := r.beside(func(c change) { c.lock(lockOperations(ops[0])) }, func(c change, _ bool) { c.lock(second) })
		if beside {
			require.ErrorIs(t, err, stacksync.ErrBusy, "where Wait is over first, Lock returns ErrBusy")
		} else {
			require.NoError(t, err, "Lock of what is free is not busy")
		}
		free := lockOperations(ops[1])
		free.Wait = time.Minute
		_, err = r.beside(func(c change) { c.lock(lockOperations(ops[0])) }, func(c change, _ bool) { c.lock(free) })
		require.NoError(t, err, "who locks another operation does not wait")
	}
}

func lockOddOperations(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	op := r.due(r.time())[0]
	unknown := r.operation(h.id(), h.user.ID)
	r.update(func(c change) {
		c.lock(lockOperations(unknown, op, op, unknown))
		c.lock(stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{h.id()}, Users: []stacksync.UserID{"nobody"}, Operations: operationIDs(op)})
		c.lock(lockOperations(op)) // a transaction does not hold off itself
		sameList(t, "Lock saves and makes nothing", []stacksync.Operation{op}, c.operations(all(op, unknown)))
		c.put(putOperations(unknown))
	})
	r.read(func(l look) {
		sameSet(t, "what was unknown to Lock can be Put", []stacksync.Operation{op, unknown}, l.operations(all(op, unknown)))
	})
}

// lockOperationThenRead is lockThenRead of an operation.
func lockOperationThenRead(t T, s Suite) {
	r := newRig(t, s)
	op := r.due(r.time())[0]
	now := op
	now.Step, now.Fence = "another step", op.Fence+1
	start, committed := make(chan struct{}), make(chan struct{})
	startOnce := sync.OnceFunc(func() { close(start) })
	r.together(func() error {
		defer startOnce()
		return tryUpdate(r.ctx, r.store, func(c change) {
			c.operations(all(op))
			startOnce()
			var mustSee bool
			select {
			case <-committed:
				mustSee = true
			case <-time.After(r.grace):
			}
			c.lock(lockOperations(op))
			if got := only(failer{}, c.operations(all(op))); mustSee && !equal(now, got) {
				panic(failure{fmt.Errorf("promised: reads of a transaction after Lock see all that was committed before Lock returned; got %+v", got)})
			}
		})
	}, func() error {
		<-start
		err := tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(lockOperations(op))
			c.put(putOperations(now))
		})
		close(committed)
		return err
	})
}

// requireOperationPassedOver has hold keep the first of three due operations, and claims beside it.
func requireOperationPassedOver(t T, s Suite, hold func(c change, op stacksync.Operation)) {
	t.Helper()
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ops := r.due(now.Add(-time.Hour), now, now)
	const promise = "ClaimOperations passes over what other transactions have locked"
	var claimed []stacksync.Operation
	beside, err := r.beside(func(c change) { hold(c, ops[0]) }, func(c change, _ bool) {
		claimed = c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 2})
	})
	require.NoError(t, err, "%s, and does not wait for them", promise)
	if !beside { // then the first transaction is over
		return
	}
	want := claimedUntil(until, ops[1:]...)
	sameOnce(t, promise+", which do not count for Limit", want, claimed)
	r.view(func(l look) { sameSet(t, promise+", but takes the rest", want, l.operations(all(ops[1:]...))) })
}

func claimPassesOverLocked(t T, s Suite) {
	requireOperationPassedOver(t, s, func(c change, op stacksync.Operation) { c.lock(lockOperations(op)) })
}

func claimPassesOverClaimed(t T, s Suite) {
	requireOperationPassedOver(t, s, func(c change, op stacksync.Operation) {
		c.claimOperations(stacksync.ClaimOperationsParams{Now: op.Due, Until: op.Due, Limit: 1})
	})
}

func claimOperationsShare(t T, s Suite) {
	r := newRig(t, s)
	r.requireOperationsShared(r.store)
}

// claimOperationsShareHandles is passed by a store that keeps nothing outside its handle too: its second handle has nothing to claim.
func claimOperationsShareHandles(t T, s Suite) {
	r := newRig(t, s)
	r.requireOperationsShared(r.store, r.open())
}

func (r *rig) requireOperationsShared(stores ...stacksync.MetadataStore) {
	r.t.Helper()
	now := r.time()
	until := now.Add(time.Hour)
	ops := r.due(slices.Repeat([]time.Time{now}, 60)...)
	claimed := claimTogether(r, func(c change) []stacksync.Operation {
		return c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 3})
	}, stores...)
	sameOnce(r.t, "of many callers, each operation is claimed by one", claimedUntil(until, ops...), claimed)
}

func lockBesideClaim(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	op := r.due(now)[0]
	var read stacksync.Operation
	r.overlap("what ClaimOperations has claimed is locked", r.store, r.store, func(c change) {
		c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 1})
	}, func(c change) {
		c.lock(lockOperations(op))
		read = only(failer{}, c.operations(all(op)))
	}, nil)
	sameSet(t, "who locks an operation sees that another one has claimed it", claimedUntil(until, op), []stacksync.Operation{read})
}

// journalDontDeadlock locks workspaces, users and operations in all orders, and claims beside that.
func journalDontDeadlock(t T, s Suite) {
	r := newRig(t, s)
	const callers, rounds, n, seed = 12, 8, 6, 20_261_123
	t.Logf("seed %d", seed)
	now := r.time()
	homes := make([]home, n)
	for i := range homes {
		homes[i] = r.home()
	}
	ops := r.due(slices.Repeat([]time.Time{now}, n)...)
	var steps, claims [n]atomic.Int64 // of ops, as committed
	fs := make([]func() error, callers)
	for i := range fs {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		fs[i] = func() error {
			for range rounds {
				var locks stacksync.LockParams
				for _, k := range random.Perm(n)[:n/2] {
					locks.Workspaces = append(locks.Workspaces, homes[k].id())
				}
				for _, k := range random.Perm(n)[:n/2] {
					locks.Users = append(locks.Users, homes[k].user.ID)
				}
				picked := random.Perm(n)[:n/2]
				for _, k := range picked {
					locks.Operations = append(locks.Operations, ops[k].ID)
				}
				var claimed []stacksync.Operation
				if err := tryUpdate(r.ctx, r.store, func(c change) {
					if i%3 == 0 {
						claimed = c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: now, Limit: n})
						return
					}
					c.lock(locks)
					rows := slices.Clone(c.operations(stacksync.OperationsParams{IDs: locks.Operations, Limit: n})) // rows handed out may be shared
					for k := range rows {
						rows[k].Done++
					}
					runtime.Gosched() // lets others come between
					c.put(putOperations(rows...))
				}); err != nil {
					return fmt.Errorf("promised: transactions which lock once, first of all, never deadlock: %w", err)
				}
				for _, k := range picked {
					if i%3 != 0 {
						steps[k].Add(1)
					}
				}
				for _, op := range claimed {
					claims[slices.Index(operationIDs(ops...), op.ID)].Add(1)
				}
			}
			return nil
		}
	}
	r.together(fs...)
	r.view(func(l look) {
		for k, op := range ops {
			op.Done += steps[k].Load()
			op.Fence += claims[k].Load()
			sameList(t, "of transactions that lock, read, count up and Put, and of claims, none is lost", []stacksync.Operation{op}, l.operations(all(op)))
		}
	})
}
