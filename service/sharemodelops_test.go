package service_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

// operationModel is an operation that is done, of those that leave a trace.
type operationModel struct {
	kind              stacksync.OperationKind
	user              stacksync.UserID
	workspace, source stacksync.WorkspaceID
	turn              int
	orphan            bool // its user was deleted; who has the id now is another one
}

func (m *estateModel) record(kind stacksync.OperationKind, user stacksync.UserID, workspace, source stacksync.WorkspaceID) {
	m.operations = append(m.operations, operationModel{kind, user, workspace, source, m.turn, false})
}

func (o *operationModel) is(op *stacksync.Operation) bool {
	return o.kind == op.Kind && o.user == op.User && o.workspace == op.Workspace && o.source == op.Source
}

// sees reports whether a user has asked for an operation, or owns one of its workspaces.
func (m *estateModel) sees(u stacksync.UserID, o *operationModel) bool {
	owns := func(ws stacksync.WorkspaceID) bool { return m.spaces[ws] != nil && m.spaces[ws].owner == u }
	return o.user == u && !o.orphan || owns(o.workspace) || owns(o.source)
}

// listed returns what a user is to see, the newest first.
func (m *estateModel) listed(r stacksync.ListOperationsRequest) (seen []*operationModel) {
	for i := range slices.Backward(m.operations) {
		o := &m.operations[i]
		about := r.Workspace.IsZero() || r.Workspace == o.workspace || r.Workspace == o.source
		if about && m.sees(r.User, o) && (r.State == 0 || r.State == stacksync.OperationDone) {
			seen = append(seen, o)
		}
	}
	return seen
}

// operation calls something about an operation that is done, or about none. None of these calls changes anything.
func (c *community) operation() {
	actor, id := c.actor(), stacksync.OperationID{UUID: c.space().id.UUID}
	exists, sees := false, false
	if len(c.seen) > 0 && rapid.IntRange(0, 9).Draw(c.T, "unknown") < 9 {
		op := rapid.SampledFrom(c.seen).Draw(c.T, "operation")
		id, exists = op.ID, true
		sees = slices.ContainsFunc(c.model.operations, func(o operationModel) bool { return o.is(&op) && c.model.sees(actor.User, &o) })
	}
	ctx := c.arena.Context()
	answer := func(call string, op stacksync.Operation, got error, found bool, want error) {
		if !found {
			want = stacksync.ErrOperationNotFound
		}
		c.same(fmt.Sprintf("%s operation %v by %s", call, id, actor.User), got, want)
		if got == nil {
			c.equal("operation", []string{op.ID.String()}, []string{id.String()})
			c.unchanged(op)
		}
	}
	switch rapid.IntRange(0, 5).Draw(c.T, "what") {
	case 0:
		c.checkOperations(stacksync.ListOperationsRequest{
			Actor: actor, Workspace: c.space().id, Limit: rapid.IntRange(0, 2).Draw(c.T, "limit"),
			State: rapid.SampledFrom([]stacksync.OperationState{0, stacksync.OperationDone, stacksync.OperationUndone}).Draw(c.T, "state"),
		})
	case 1:
		res, err := c.svc.GetOperation(ctx, stacksync.GetOperationRequest{Operation: id})
		answer("get", res.Operation, err, exists, nil)
	case 2:
		op, err := c.arena.settle(id, false)
		answer("settle", op, err, exists, nil)
	case 3:
		op, err := c.arena.settle(id, true)
		answer("undo", op, err, exists, nil)
	case 4:
		res, err := c.svc.CancelOperation(ctx, stacksync.CancelOperationRequest{Actor: actor, Operation: id})
		answer("cancel", res.Operation, err, sees, stacksync.ErrConflict)
	case 5:
		res, err := c.svc.ResumeOperation(ctx, stacksync.ResumeOperationRequest{Actor: actor, Operation: id})
		answer("resume", res.Operation, err, sees, nil)
	}
}

// checkOperations wants somebody to see those operations that the model says, the newest first. Some of the same turn may come in any order.
func (c *community) checkOperations(r stacksync.ListOperationsRequest) {
	res, err := c.svc.ListOperations(c.arena.Context(), r)
	if err != nil {
		c.Fatalf("after %s: list of operations: %v", c.acted, err)
	}
	var got, want []string
	all := c.model.listed(r)
	for i, o := range all {
		if r.Limit == 0 || i < r.Limit {
			want = append(want, fmt.Sprintf("%d of turn %d", i, o.turn))
		}
	}
	seen := map[*operationModel]bool{}
	for i := range res.Operations {
		op := &res.Operations[i]
		n := slices.IndexFunc(all, func(o *operationModel) bool { return o.is(op) })
		if n < 0 || seen[all[n]] {
			c.Fatalf("after %s: %s sees %+v, of %+v", c.acted, r.User, op, r)
		}
		seen[all[n]] = true
		got = append(got, fmt.Sprintf("%d of turn %d", i, all[n].turn))
		c.unchanged(*op)
	}
	c.equal(fmt.Sprintf("operations that %s sees of %+v", r.User, r), got, want)
}

// unchanged wants an operation to be done, as it was when it was seen first, and to tell no key when it is sent.
func (c *community) unchanged(op stacksync.Operation) {
	n := slices.IndexFunc(c.seen, func(was stacksync.Operation) bool { return was.ID == op.ID })
	if n >= 0 {
		c.equal("operation", []string{fmt.Sprintf("%+v", op)}, []string{fmt.Sprintf("%+v", c.seen[n])})
		return
	}
	c.seen = append(c.seen, op)
	sent, err := json.Marshal(op)
	if err != nil || strings.Contains(string(sent), "sealed key") || op.State != stacksync.OperationDone || op.Error != "" || op.Tries > 0 {
		c.Fatalf("after %s: operation %+v, sent as %s: %v", c.acted, op, sent, err)
	}
}
