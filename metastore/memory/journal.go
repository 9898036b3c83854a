package memory

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// Operations is documented at stacksync.JournalReader.
func (r *reader) Operations(ctx context.Context, p stacksync.OperationsParams) (stacksync.OperationsResult, error) {
	if err := r.checkPage(ctx, p.Limit); err != nil {
		return stacksync.OperationsResult{}, err
	}
	found := map[stacksync.OperationID]*stacksync.Operation{}
	for _, op := range lookup(&r.tables.operations, p.IDs) {
		if p.State == 0 || op.State == p.State {
			found[op.ID] = op
		}
	}
	for _, w := range p.Workspaces {
		r.tables.newest(found, underWorkspace(w), p.State, p.Limit)
	}
	for _, u := range p.Users {
		r.tables.newest(found, underUser(u), p.State, p.Limit)
	}
	ops := make([]stacksync.Operation, 0, len(found))
	for _, op := range found {
		ops = append(ops, *op)
	}
	slices.SortFunc(ops, func(a, b stacksync.Operation) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), compareOperations(b.ID, a.ID))
	})
	return stacksync.OperationsResult{Operations: ops[:min(p.Limit, len(ops))]}, nil
}

// StoppedOperations is documented at stacksync.JournalReader.
func (r *reader) StoppedOperations(ctx context.Context, p stacksync.StoppedOperationsParams) (stacksync.StoppedOperationsResult, error) {
	if err := r.checkPage(ctx, p.Limit); err != nil {
		return stacksync.StoppedOperationsResult{}, err
	}
	var result stacksync.StoppedOperationsResult
	for key, op := range r.tables.filed.from(filedKey{under: underStopped, created: math.MinInt64}) {
		if key.under != underStopped || len(result.Operations) == p.Limit {
			break
		}
		result.Operations = append(result.Operations, *op)
	}
	return result, nil
}

// newest adds the newest operations that are filed under a name: at most limit.
func (t *tables) newest(found map[stacksync.OperationID]*stacksync.Operation, under string, state stacksync.OperationState, limit int) {
	for key, op := range t.filed.below(filedKey{under: under, created: math.MaxInt64}) {
		if key.under != under || limit == 0 {
			return
		}
		if state == 0 || op.State == state {
			found[op.ID] = op
			limit--
		}
	}
}

// ClaimOperations is documented at stacksync.Journal.
func (t *tx) ClaimOperations(ctx context.Context, p stacksync.ClaimOperationsParams) (stacksync.ClaimOperationsResult, error) {
	if err := t.checkPage(ctx, p.Limit); err != nil {
		return stacksync.ClaimOperationsResult{}, err
	}
	var result stacksync.ClaimOperationsResult
	for id := range dueNow(&t.tables.claimable, p.Now) {
		if len(result.Operations) == p.Limit {
			break
		}
		op, _ := t.tables.operations.get(id)
		claimed := *op
		claimed.Due = keptTime(p.Until)
		claimed.Fence++
		result.Operations = append(result.Operations, claimed)
	}
	for _, op := range result.Operations {
		t.tables.putOperation(t.owner, &op)
	}
	return result, nil
}

// filedKey is what an operation is found by: a workspace, a user, or that it has stopped, and then its age.
type filedKey struct {
	under   string // underWorkspace, underUser or underStopped
	created int64  // microseconds since 1970
	id      stacksync.OperationID
}

func (a filedKey) compare(b filedKey) int {
	if c := cmp.Compare(a.under, b.under); c != 0 {
		return c
	}
	if c := cmp.Compare(a.created, b.created); c != 0 {
		return c
	}
	return compareOperations(a.id, b.id)
}

func underWorkspace(w stacksync.WorkspaceID) string { return "w" + string(w.UUID[:]) }

func underUser(u stacksync.UserID) string { return "u" + string(u) }

const underStopped = "s"

// filedAs returns the keys under which an operation is filed. Some may come twice.
func filedAs(op *stacksync.Operation) []filedKey {
	created := op.CreatedAt.UnixMicro()
	keys := []filedKey{{underUser(op.User), created, op.ID}, {underWorkspace(op.Workspace), created, op.ID}}
	if !op.Source.IsZero() {
		keys = append(keys, filedKey{underWorkspace(op.Source), created, op.ID})
	}
	if op.State == stacksync.OperationStopped {
		keys = append(keys, filedKey{underStopped, created, op.ID})
	}
	return keys
}

func claimableAs(op *stacksync.Operation) dueKey[stacksync.OperationID] {
	return dueKey[stacksync.OperationID]{due: op.Due.UnixMicro(), id: op.ID}
}

// putOperation inserts or replaces an operation, and keeps op.
func (t *tables) putOperation(o *owner, op *stacksync.Operation) {
	t.removeOperation(o, op.ID)
	t.operations.set(o, op.ID, op)
	for _, key := range filedAs(op) {
		t.filed.set(o, key, op)
	}
	if op.State == stacksync.OperationRunning {
		t.claimable.set(o, claimableAs(op), struct{}{})
	}
}

// removeOperation removes an operation, if it is there.
func (t *tables) removeOperation(o *owner, id stacksync.OperationID) {
	op, ok := t.operations.get(id)
	if !ok {
		return
	}
	t.operations.delete(o, id)
	for _, key := range filedAs(op) {
		t.filed.delete(o, key)
	}
	t.claimable.delete(o, claimableAs(op))
}
