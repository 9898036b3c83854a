package metastoretest

import (
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func journalClaimChecks() []check {
	return []check{
		{Name: "ClaimOperations returns the running operations that are due", Run: claimRunning},
		{Name: "ClaimOperations sets Due and counts Fence up", Run: claimFences},
		{Name: "ClaimOperations takes the longest due first", Run: claimLongestDueOperations},
		{Name: "a ClaimOperations with a Limit below 1 is refused", Run: claimOperationsLimit},
		{Name: "an operation is claimed as its transaction has left it", Run: claimOwnOperations},
		{Name: "a failed Update has claimed no operation", Run: claimOperationsRollback},
	}
}

// due saves an operation for each time, due then.
func (r *rig) due(at ...time.Time) []stacksync.Operation {
	r.t.Helper()
	ops := make([]stacksync.Operation, len(at))
	for i := range ops {
		ops[i] = r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")
		ops[i].Due = at[i]
	}
	r.save(putOperations(ops...))
	return ops
}

// claimedUntil returns copies of the operations as ClaimOperations leaves them.
func claimedUntil(until time.Time, ops ...stacksync.Operation) []stacksync.Operation {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Due = until
		ops[i].Fence++
	}
	return ops
}

// claimOperations claims in a transaction of its own.
func (r *rig) claimOperations(now, until time.Time, limit int) (claimed []stacksync.Operation) {
	r.t.Helper()
	r.update(func(c change) {
		claimed = c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: limit})
	})
	return claimed
}

// all returns what asks for operations as they are now.
func all(ops ...stacksync.Operation) stacksync.OperationsParams {
	return stacksync.OperationsParams{IDs: operationIDs(ops...), Limit: len(ops)}
}

func claimRunning(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	ops := make([]stacksync.Operation, 8)
	for i := range ops {
		ops[i] = r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")
		ops[i].Due = now.Add(-time.Hour)
	}
	ops[1].Due, ops[2].Due, ops[3].Due = now, time.Time{}, now.Add(time.Microsecond)
	ops[4].State, ops[5].State, ops[6].State = stacksync.OperationDone, stacksync.OperationStopped, stacksync.OperationUndone
	ops[7].State, ops[7].Due = stacksync.OperationStopped, time.Time{}
	r.save(putOperations(ops...))
	until := now.Add(time.Minute)
	claimed := claimedUntil(until, ops[:3]...)
	after := slices.Concat(claimed, ops[3:])
	r.update(func(c change) {
		const promise = "ClaimOperations picks running operations whose Due is not after Now"
		got := c.claimOperations(stacksync.ClaimOperationsParams{
			Now: now.In(time.FixedZone("somewhere", 5*3600+1800)), Until: until.In(time.FixedZone("elsewhere", -3600)), Limit: 10,
		})
		sameOnce(t, promise+", and returns them with Due set to Until and Fence one higher", claimed, got)
		for _, op := range got {
			requireTime(t, "Due of what ClaimOperations returns", until, op.Due)
		}
		sameSet(t, "a Tx sees what it has claimed, and ClaimOperations changes nothing else", after, c.operations(all(ops...)))
	})
	r.read(func(l look) {
		sameSet(t, "a committed ClaimOperations has changed Due and Fence of what it returned, and nothing else", after, l.operations(all(ops...)))
		workspaces := []stacksync.WorkspaceID{ops[0].Workspace}
		sameList(t, "a claimed operation is the same for whatever it is asked by", claimed[:1], l.operations(ofWorkspaces(workspaces...)))
	})
}

func claimFences(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ops := r.due(now, now)
	sameOnce(t, "ClaimOperations returns what is due", claimedUntil(until, ops...), r.claimOperations(now, until, 10))
	const promise = "ClaimOperations sets Due, so that nobody else claims until then"
	require.Empty(t, r.claimOperations(now, until, 10), promise)
	require.Empty(t, r.claimOperations(until.Add(-time.Microsecond), until, 10), promise)
	later := until.Add(time.Hour)
	ops = claimedUntil(until, ops...)
	sameOnce(t, "what was claimed and is still running is due again, with a Fence of its own", claimedUntil(later, ops...), r.claimOperations(until, later, 10))
	require.Empty(t, r.claimOperations(until, later, 10), promise)
	ops = claimedUntil(later, ops...)
	sameOnce(t, "an Until that is over keeps nobody off", claimedUntil(now, ops...), r.claimOperations(later, now, 10))
	ops = claimedUntil(now, ops...)
	sameOnce(t, "an Until that is over keeps nobody off", claimedUntil(later, ops...), r.claimOperations(now, later, 10))
}

func claimLongestDueOperations(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	var due []time.Time
	for _, seconds := range []int{5, 2, 7, 1, 0, 4, 6, 3} {
		due = append(due, now.Add(-time.Duration(seconds)*time.Second))
	}
	due[7] = time.Time{} // the longest of all
	ops := r.due(due...)
	slices.SortFunc(ops, func(a, b stacksync.Operation) int { return a.Due.Compare(b.Due) })
	until := now.Add(time.Hour)
	for _, part := range [][]stacksync.Operation{ops[:1], ops[1:4], ops[4:7], ops[7:], nil} {
		got := r.claimOperations(now, until, max(1, min(3, len(part))))
		sameOnce(t, "where Limit cuts, ClaimOperations picks the longest due ones", claimedUntil(until, part...), got)
	}
}

func claimOperationsLimit(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	ops := r.due(now)
	for _, limit := range []int{0, -1} {
		r.requireLimitRefused(func(c change) {
			c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: now.Add(time.Hour), Limit: limit})
		})
	}
	r.view(func(l look) { sameSet(t, "a refused ClaimOperations claims nothing", ops, l.operations(all(ops...))) })
}

func claimOwnOperations(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	op := r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody")
	op.Due = now
	p := stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 10}
	stopped := op
	stopped.State = stacksync.OperationStopped
	resumed := op
	resumed.Fence = 100
	r.update(func(c change) {
		c.put(putOperations(op))
		sameOnce(t, "ClaimOperations sees what its Tx has Put", claimedUntil(until, op), c.claimOperations(p))
		require.Empty(t, c.claimOperations(p), "ClaimOperations sees what its Tx has claimed")
		c.put(putOperations(stopped))
		require.Empty(t, c.claimOperations(p), "Put replaces what ClaimOperations has set: this one does not run any more")
		c.put(putOperations(resumed))
		sameOnce(t, "Put replaces what ClaimOperations has set", claimedUntil(until, resumed), c.claimOperations(p))
	})
	resumed = claimedUntil(until, resumed)[0]
	r.read(func(l look) {
		sameSet(t, "the last of Put and ClaimOperations counts", []stacksync.Operation{resumed}, l.operations(all(op)))
	})
	done := resumed
	done.State = stacksync.OperationDone
	r.save(putOperations(done))
	require.Empty(t, r.claimOperations(until, until, 10), "what is done is not claimed")
}

func claimOperationsRollback(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ops := r.due(now, now, until)
	reason := errors.New("reason")
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 10})
		r.view(func(l look) {
			sameSet(t, "nobody sees a ClaimOperations before its transaction has committed", ops, l.operations(all(ops...)))
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	r.read(func(l look) {
		sameSet(t, "when Update returns its closure's error, nothing is claimed", ops, l.operations(all(ops...)))
	})
	sameOnce(t, "what a failed Update has claimed can be claimed at once", claimedUntil(until, ops[:2]...), r.claimOperations(now, until, 10))
}
