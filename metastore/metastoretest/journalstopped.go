package metastoretest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func journalStoppedChecks() []check {
	return []check{
		{Name: "StoppedOperations returns what has stopped, whoever's it is, and nothing else", Run: stoppedOfAll},
		{Name: "StoppedOperations come oldest first, then by id, at most Limit", Run: stoppedOldest},
		{Name: "a StoppedOperations with a Limit below 1 is refused", Run: stoppedLimit},
		{Name: "StoppedOperations follows what is Put and removed, once that is committed", Run: stoppedFollows},
	}
}

// oldestFirst orders operations as StoppedOperations does.
func oldestFirst(ops ...stacksync.Operation) []stacksync.Operation {
	ops = newestFirst(ops...)
	slices.Reverse(ops)
	return ops
}

func stoppedOfAll(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	ofNoWorkspace := r.stopped(stacksync.WorkspaceID{}, other.user.ID)
	ofNoWorkspace.Source = stacksync.WorkspaceID{}
	inside := r.stopped(h.id(), h.user.ID)
	inside.Source = h.id()
	stopped := []stacksync.Operation{r.stopped(h.id(), h.user.ID), inside, ofNoWorkspace, r.stopped(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")}
	p := putOperations(stopped...)
	for _, state := range []stacksync.OperationState{stacksync.OperationRunning, stacksync.OperationDone, stacksync.OperationUndone} {
		op := r.operation(h.id(), h.user.ID)
		op.State = state
		p.Operations = append(p.Operations, op)
	}
	r.view(func(l look) { require.Empty(t, l.stopped(100), "StoppedOperations of none returns none") })
	r.saveAndRead(p, func(l look) {
		sameList(t, "StoppedOperations returns those in the state OperationStopped, whoever's they are, each once", oldestFirst(stopped...), l.stopped(100))
	})
}

func stoppedOldest(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	early, late := r.time(), r.time()
	var ops, stopped []stacksync.Operation
	for i := range 14 {
		op := r.stopped(h.id(), h.user.ID)
		op.CreatedAt = late
		if i%3 == 0 {
			op.CreatedAt = early
		}
		if i%4 == 0 {
			op.State = stacksync.OperationRunning // older than some that are asked for
		} else {
			stopped = append(stopped, op)
		}
		ops = append(ops, op)
	}
	newest := r.stopped(h.id(), h.user.ID)
	newest.CreatedAt, newest.UpdatedAt = late.Add(r.patience), early.Add(-r.patience)
	want := oldestFirst(append(stopped, newest)...)
	r.saveAndRead(putOperations(append(ops, newest)...), func(l look) {
		for _, limit := range []int{1, 2, 5, len(want) - 1, len(want), len(want) + 1} {
			promise := fmt.Sprintf("StoppedOperations come oldest first (CreatedAt, then id, ascending), at most Limit: %d", limit)
			sameList(t, promise, want[:min(limit, len(want))], l.stopped(limit))
		}
	})
}

func stoppedLimit(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.save(putOperations(r.stopped(h.id(), h.user.ID)))
	for _, limit := range []int{0, -1} {
		r.requireLimitRefused(func(c change) { c.stopped(limit) })
		err := tryView(r.ctx, r.store, func(l look) { l.stopped(limit) })
		var field *stacksync.FieldError
		require.ErrorAs(t, err, &field, "a Limit below 1 is a *FieldError, in a View too")
	}
}

func stoppedFollows(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	op, beside := r.operation(h.id(), h.user.ID), r.stopped(h.id(), h.user.ID)
	r.save(putOperations(op, beside))
	const promise = "StoppedOperations returns what is in the state OperationStopped now"
	now := op
	now.State = stacksync.OperationStopped
	reason := errors.New("reason")
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.lock(locksOf(putOperations(op)))
		c.put(putOperations(now))
		sameList(t, promise+": in its Tx", oldestFirst(now, beside), c.stopped(10))
		r.view(func(l look) {
			sameList(t, "nobody sees what has stopped before that is committed", []stacksync.Operation{beside}, l.stopped(10))
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	r.read(func(l look) {
		sameList(t, "when Update returns its closure's error, nothing has stopped", []stacksync.Operation{beside}, l.stopped(10))
	})
	r.saveAndRead(putOperations(now), func(l look) { sameList(t, promise, oldestFirst(now, beside), l.stopped(10)) })
	now.CreatedAt, now.Step = beside.CreatedAt.Add(r.patience), "another"
	r.saveAndRead(putOperations(now), func(l look) { sameList(t, promise, []stacksync.Operation{beside, now}, l.stopped(10)) })
	r.saveAndRead(putOperations(op), func(l look) {
		sameList(t, promise+": this one was resumed", []stacksync.Operation{beside}, l.stopped(10))
	})
	r.removeAndRead(stacksync.RemoveParams{Operations: operationIDs(beside)}, func(l look) { require.Empty(t, l.stopped(10), promise+": this one was removed") })
}
