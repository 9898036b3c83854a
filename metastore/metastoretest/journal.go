package metastoretest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func journalChecks() []check {
	return []check{
		{Name: "Operations are read by id, workspace, source and user", Run: operationsByKey},
		{Name: "Operations brings each once, whoever asks", Run: operationsOnce},
		{Name: "Operations come newest first, then by id, at most Limit", Run: operationsNewest},
		{Name: "Operations leaves out those in other states, before it counts", Run: operationsOfState},
		{Name: "an Operations with a Limit below 1 is refused", Run: operationsLimit},
		{Name: "an operation is replaced, in all fields and for whatever it is asked by", Run: operationReplaced},
		{Name: "an operation may name what nobody has saved, and outlives what it names", Run: operationOutlives},
		{Name: "an operation may be about no workspace", Run: operationOfNoWorkspace},
	}
}

// compareNewest orders operations as Operations does.
func compareNewest(a, b stacksync.Operation) int {
	if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
		return c
	}
	return bytes.Compare(b.ID.UUID[:], a.ID.UUID[:])
}

func newestFirst(ops ...stacksync.Operation) []stacksync.Operation {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, compareNewest)
	return ops
}

func ofWorkspaces(ids ...stacksync.WorkspaceID) stacksync.OperationsParams {
	return stacksync.OperationsParams{Workspaces: ids, Limit: 100}
}

func ofUsers(ids ...stacksync.UserID) stacksync.OperationsParams {
	return stacksync.OperationsParams{Users: ids, Limit: 100}
}

func operationsByKey(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	a, b, c := r.operation(h.id(), h.user.ID), r.operation(other.id(), h.user.ID), r.operation(other.id(), other.user.ID)
	b.Source, c.Source = h.id(), stacksync.WorkspaceID{}
	unknown := stacksync.WorkspaceID{UUID: r.uuid()}
	r.saveAndRead(putOperations(a, b, c), func(l look) {
		const promise = "Operations returns those with one of the IDs, those whose Workspace or Source is one of Workspaces, and those of the Users"
		for _, asked := range []struct {
			p    stacksync.OperationsParams
			want []stacksync.Operation
		}{
			{stacksync.OperationsParams{IDs: operationIDs(c, a, c), Limit: 100}, []stacksync.Operation{c, a}},
			{stacksync.OperationsParams{IDs: []stacksync.OperationID{{UUID: r.uuid()}, b.ID}, Limit: 100}, []stacksync.Operation{b}},
			{ofWorkspaces(h.id()), []stacksync.Operation{b, a}},
			{ofWorkspaces(other.id()), []stacksync.Operation{c, b}},
			{ofWorkspaces(a.Source, unknown, a.Source), []stacksync.Operation{a}},
			{ofUsers(h.user.ID), []stacksync.Operation{b, a}},
			{ofUsers("nobody", other.user.ID, other.user.ID), []stacksync.Operation{c}},
			{stacksync.OperationsParams{
				IDs: operationIDs(c), Workspaces: []stacksync.WorkspaceID{a.Source}, Users: []stacksync.UserID{"nobody"}, Limit: 100,
			}, []stacksync.Operation{c, a}},
			{ofWorkspaces(unknown), nil},
			{ofUsers("nobody", h.user.ID+" "), nil},
			{stacksync.OperationsParams{Limit: 100}, nil},
			{stacksync.OperationsParams{IDs: []stacksync.OperationID{}, Workspaces: []stacksync.WorkspaceID{}, Users: []stacksync.UserID{}, Limit: 100}, nil},
		} {
			sameList(t, promise, asked.want, l.operations(asked.p))
		}
	})
}

func operationsOnce(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	inside, across, elsewhere := r.operation(h.id(), h.user.ID), r.operation(h.id(), h.user.ID), r.operation(other.id(), h.user.ID)
	inside.Source, across.Source = h.id(), other.id()
	r.saveAndRead(putOperations(inside, across, elsewhere), func(l look) {
		const promise = "Operations returns each once, though several keys ask for it"
		sameList(t, promise, []stacksync.Operation{across, inside}, l.operations(ofWorkspaces(h.id())))
		sameList(t, promise, []stacksync.Operation{elsewhere, across, inside}, l.operations(ofWorkspaces(h.id(), other.id(), h.id())))
		all := stacksync.OperationsParams{
			IDs: operationIDs(across, inside, across), Workspaces: []stacksync.WorkspaceID{other.id(), h.id()},
			Users: []stacksync.UserID{h.user.ID, h.user.ID}, Limit: 3,
		}
		sameList(t, promise+", and each counts once for Limit", []stacksync.Operation{elsewhere, across, inside}, l.operations(all))
	})
}

func operationsNewest(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	early, late := r.time(), r.time()
	var ops []stacksync.Operation
	for i := range 14 {
		op := r.operation(h.id(), other.user.ID)
		op.CreatedAt = early
		if i%3 == 0 {
			op.CreatedAt = late
		}
		switch i % 4 {
		case 1: // found by its source
			op.Workspace, op.Source = other.id(), h.id()
		case 2: // found by its user
			op.Workspace, op.User = other.id(), h.user.ID
		}
		ops = append(ops, op)
	}
	oldest := r.operation(h.id(), h.user.ID)
	oldest.CreatedAt = early.Add(-r.patience)
	ops = append(ops, oldest)
	want := newestFirst(ops...)
	r.saveAndRead(putOperations(ops...), func(l look) {
		for _, limit := range []int{1, 2, 5, len(ops) - 1, len(ops), len(ops) + 1} {
			p := stacksync.OperationsParams{
				IDs: operationIDs(ops...), Workspaces: []stacksync.WorkspaceID{h.id()}, Users: []stacksync.UserID{h.user.ID}, Limit: limit,
			}
			promise := fmt.Sprintf("Operations come newest first (CreatedAt, then id, descending), at most Limit: %d", limit)
			sameList(t, promise, want[:min(limit, len(want))], l.operations(p))
			p.IDs = nil
			sameList(t, promise, want[:min(limit, len(want))], l.operations(p))
			sameList(t, promise, want[:min(limit, len(want))], l.operations(stacksync.OperationsParams{IDs: operationIDs(ops...), Limit: limit}))
		}
	})
}

func operationsOfState(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	byState := map[stacksync.OperationState][]stacksync.Operation{}
	var ops []stacksync.Operation
	for i := range 12 {
		op := r.operation(h.id(), h.user.ID)
		op.State = stacksync.OperationState(1 + i%4)
		ops = append(ops, op)
		byState[op.State] = append(byState[op.State], op)
	}
	r.saveAndRead(putOperations(ops...), func(l look) {
		for state := range stacksync.OperationState(6) { // 5 is that of none
			want := newestFirst(byState[state]...)
			if state == 0 {
				want = newestFirst(ops...)
			}
			promise := fmt.Sprintf("State, unless 0, leaves out those in other states: %d", state)
			for _, p := range []stacksync.OperationsParams{
				{IDs: operationIDs(ops...)}, {Workspaces: []stacksync.WorkspaceID{h.id()}}, {Users: []stacksync.UserID{h.user.ID}},
			} {
				p.State, p.Limit = state, 100
				sameList(t, promise, want, l.operations(p))
				p.Limit = 2
				sameList(t, promise+", which don't count for Limit", want[:min(2, len(want))], l.operations(p))
			}
		}
	})
}

// requireLimitRefused ends the check unless fn, which has a Limit below 1, fails in an Update.
func (r *rig) requireLimitRefused(fn func(c change)) {
	r.t.Helper()
	err := tryUpdate(r.ctx, r.store, fn)
	var field *stacksync.FieldError
	require.ErrorAs(r.t, err, &field, "a Limit below 1 is a *FieldError")
	require.Equal(r.t, "Limit", field.Field, "the *FieldError names the field")
}

func operationsLimit(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	op := r.operation(h.id(), h.user.ID)
	r.save(putOperations(op))
	for _, limit := range []int{0, -1} {
		for _, p := range []stacksync.OperationsParams{{}, {IDs: operationIDs(op)}, {Users: []stacksync.UserID{h.user.ID}}} {
			p.Limit = limit
			r.requireLimitRefused(func(c change) { c.operations(p) })
			err := tryView(r.ctx, r.store, func(l look) { l.operations(p) })
			var field *stacksync.FieldError
			require.ErrorAs(t, err, &field, "a Limit below 1 is a *FieldError, in a View too")
		}
	}
}

func operationReplaced(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	old, beside := r.operation(h.id(), h.user.ID), r.operation(h.id(), h.user.ID)
	r.save(putOperations(old, beside))
	now := r.operation(other.id(), other.user.ID)
	now.ID, now.State, now.Source = old.ID, stacksync.OperationStopped, stacksync.WorkspaceID{}
	back := r.operation(old.Workspace, old.User)
	back.ID, back.Error, back.Tries, back.Data = old.ID, "", 0, ""
	r.saveAndRead(putOperations(now), func(l look) {
		const promise = "Put replaces the operation with that id, in all fields and for whatever it is asked by, and no other"
		sameList(t, promise, newestFirst(now, beside), l.operations(stacksync.OperationsParams{IDs: operationIDs(old, beside), Limit: 10}))
		sameList(t, promise, []stacksync.Operation{beside}, l.operations(ofWorkspaces(h.id(), old.Source)))
		sameList(t, promise, []stacksync.Operation{now}, l.operations(ofWorkspaces(other.id())))
		sameList(t, promise, []stacksync.Operation{beside}, l.operations(ofUsers(h.user.ID)))
		sameList(t, promise, []stacksync.Operation{now}, l.operations(ofUsers(other.user.ID)))
	})
	for _, op := range []stacksync.Operation{back, old} {
		r.saveAndRead(putOperations(op), func(l look) {
			const promise = "Put replaces the operation with that id, with what is empty too"
			sameList(t, promise, newestFirst(op, beside), l.operations(ofWorkspaces(h.id())))
			require.Empty(t, l.operations(ofUsers(other.user.ID)), promise)
		})
	}
}

func operationOutlives(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	early, late := r.operation(stacksync.WorkspaceID{UUID: r.uuid()}, "nobody"), r.operation(h.id(), h.user.ID)
	early.Source = h.id()
	const promise = "Put asks for users and workspaces only of devices, workspaces and members: an operation names what it names"
	r.saveAndRead(putOperations(early, late), func(l look) {
		sameList(t, promise, []stacksync.Operation{late, early}, l.operations(ofWorkspaces(h.id())))
		sameList(t, promise, []stacksync.Operation{early}, l.operations(ofUsers("nobody")))
	})
	r.update(func(c change) {
		c.lock(locksOf(h.put()))
		c.remove(stacksync.RemoveParams{
			Members: memberKeys(h.member), Workspaces: []stacksync.WorkspaceID{h.id()}, Users: []stacksync.UserID{h.user.ID},
		})
	})
	r.read(func(l look) {
		sameList(t, "an operation stays when what it names is removed", []stacksync.Operation{late, early}, l.operations(ofWorkspaces(h.id())))
		sameList(t, "an operation stays when what it names is removed", []stacksync.Operation{late}, l.operations(ofUsers(h.user.ID)))
	})
}

func operationOfNoWorkspace(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	op := r.operation(stacksync.WorkspaceID{}, h.user.ID)
	op.Source = stacksync.WorkspaceID{}
	beside := r.operation(h.id(), h.user.ID)
	about := op
	about.Workspace, about.Source = h.id(), beside.Source
	r.save(putOperations(beside))
	for _, now := range []stacksync.Operation{op, about, op} {
		r.saveAndRead(putOperations(now), func(l look) {
			const promise = "Workspace and Source of an operation may be zero"
			sameList(t, promise, []stacksync.Operation{now}, l.operations(stacksync.OperationsParams{IDs: operationIDs(now), Limit: 10}))
			sameList(t, promise, newestFirst(now, beside), l.operations(ofUsers(h.user.ID)))
			named := []stacksync.Operation{beside}
			if !now.Workspace.IsZero() {
				named = newestFirst(now, beside)
			}
			sameList(t, promise, named, l.operations(ofWorkspaces(h.id())))
			sameList(t, promise, named, l.operations(ofWorkspaces(beside.Source)))
		})
	}
	until := beside.Due.Add(time.Hour)
	sameOnce(t, "an operation about no workspace is claimed as all are", claimedUntil(until, op, beside), r.claimOperations(beside.Due, until, 10))
}
