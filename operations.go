package stacksync

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Operations are the journaled operations. They are seen by who asked for them, and by the owners of the workspaces they are about.
type Operations interface {
	// ListOperations returns operations, newest first.
	ListOperations(ctx context.Context, r ListOperationsRequest) (ListOperationsResult, error)
	// CancelOperation takes back a ShareFolder of which no item has moved yet. ErrOperationNotFound; ErrConflict when it is too late, and for
	// other kinds, which are done so soon that there is nothing to cancel.
	CancelOperation(ctx context.Context, r CancelOperationRequest) (CancelOperationResult, error)
	// ResumeOperation goes on with an operation that has stopped, or that waits for its next try. On one that is done it does nothing.
	// ErrOperationNotFound.
	ResumeOperation(ctx context.Context, r ResumeOperationRequest) (ResumeOperationResult, error)
}

// ListOperationsRequest is that of Operations.ListOperations.
type ListOperationsRequest struct {
	Actor     `json:"-"`     // never from a body: the host has authenticated it
	Workspace WorkspaceID    `json:"workspace,omitzero"` // only those about this one
	State     OperationState `json:"state,omitzero"`     // only those in this state
	Limit     int            `json:"limit,omitempty"`    // 0 means 100; at most Limits.Page
}

// ListOperationsResult is that of Operations.ListOperations.
type ListOperationsResult struct {
	Operations []Operation `json:"operations"`
}

// CancelOperationRequest is that of Operations.CancelOperation.
type CancelOperationRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Operation OperationID `json:"operation"`
}

// CancelOperationResult is that of Operations.CancelOperation.
type CancelOperationResult struct {
	Operation Operation `json:"operation"`
}

// ResumeOperationRequest is that of Operations.ResumeOperation.
type ResumeOperationRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Operation OperationID `json:"operation"`
}

// ResumeOperationResult is that of Operations.ResumeOperation.
type ResumeOperationResult struct {
	Operation Operation `json:"operation"`
}

// usualOperations is the Limit of lists of operations that give none.
const usualOperations = 100

// ListOperations implements Operations.
func (s *Service) ListOperations(ctx context.Context, r ListOperationsRequest) (ListOperationsResult, error) {
	return call(ctx, s, "ListOperations", func(ctx context.Context) (ListOperationsResult, int, error) {
		var res ListOperationsResult
		if err := r.check(needs{}); err != nil {
			return res, 0, err
		}
		limit, err := s.cfg.Limits.rows(r.Limit, usualOperations)
		if err != nil {
			return res, 0, err
		}
		if _, ok := operationStates[r.State]; !ok && r.State != 0 {
			return res, 0, &FieldError{Field: "State", Reason: fmt.Sprintf("has no value %d", r.State)}
		}
		err = s.store.View(ctx, func(ctx context.Context, rd Reader) error {
			sees, err := sightOf(ctx, rd, r.Actor)
			if err != nil {
				return err
			}
			p := OperationsParams{State: r.State, Users: []UserID{r.User}, Workspaces: slices.Collect(maps.Keys(sees.owned))}
			if !r.Workspace.IsZero() {
				p.Users, p.Workspaces = nil, []WorkspaceID{r.Workspace}
			}
			for _, p.Limit = range []int{limit, max(limit, maxOperations)} { // more where some are others'
				rows, err := rd.Operations(ctx, p)
				if err != nil {
					return err
				}
				res.Operations = nil
				for _, op := range rows.Operations {
					if len(res.Operations) < limit && sees.of(&op) {
						res.Operations = append(res.Operations, op)
					}
				}
				if len(res.Operations) == limit || len(rows.Operations) < p.Limit {
					break
				}
			}
			return nil
		})
		return res, len(res.Operations), err
	})
}

// sight is what tells which operations a user sees.
type sight struct {
	home  WorkspaceID
	owned map[WorkspaceID]bool
}

// sightOf returns that of an actor, whose device may ask.
func sightOf(ctx context.Context, r Reader, actor Actor) (sight, error) {
	user, _, err := devicesOf(ctx, r, actor)
	if err != nil {
		return sight{}, err
	}
	res, err := r.Memberships(ctx, MembershipsParams{User: actor.User})
	sees := sight{user.DefaultWorkspace, make(map[WorkspaceID]bool)}
	for i := range res.Members {
		if m := &res.Members[i]; m.Role == Owner {
			sees.owned[m.Workspace] = true
		}
	}
	return sees, err
}

// of reports whether the user sees an operation. Workspaces say so, not who is said to have asked: that user may be deleted, and the id given
// to another one. A share or a return has the default workspace of its user.
func (s sight) of(o *Operation) bool {
	if o.Kind == OperationKey || o.Kind == OperationAccount {
		data, err := o.decode()
		return err == nil && data.Home == s.home
	}
	return s.owned[o.Workspace] || s.owned[o.Source]
}

// takeOverAs is takeOver for an actor who sees the operation.
func (s *Service) takeOverAs(ctx context.Context, actor Actor, id OperationID, change func(op *Operation) error) (Operation, error) {
	if err := actor.check(needs{}); err != nil {
		return Operation{}, err
	}
	return s.takeOver(ctx, id, func(ctx context.Context, r Reader, op *Operation) error {
		sees, err := sightOf(ctx, r, actor)
		if err == nil && !sees.of(op) {
			err = ErrOperationNotFound
		}
		return err
	}, change)
}

// takeOver runs a transaction on an operation that sees lets through. What change makes of it is run by this process, if it is running then:
// whoever worked on it before has lost it.
func (s *Service) takeOver(ctx context.Context, id OperationID, sees func(context.Context, Reader, *Operation) error, change func(op *Operation) error) (Operation, error) {
	var op Operation
	err := s.write(ctx, LockParams{Operations: []OperationID{id}}, func(ctx context.Context, w *write) error {
		var err error
		if op, err = readOperation(ctx, w, id); err != nil {
			return err
		}
		if err := sees(ctx, w, &op); err != nil {
			return err
		}
		if op.State == OperationDone || op.State == OperationUndone {
			return nil
		}
		if err := change(&op); err != nil {
			return err
		}
		w.takeUp(&op)
		return nil
	})
	if err != nil || op.State != OperationRunning {
		return op, err
	}
	t := s.start(op)
	err = t.await(ctx)
	if err == nil || t.undone() {
		return t.Operation, nil
	}
	return op, err
}

func readOperation(ctx context.Context, r JournalReader, id OperationID) (Operation, error) {
	res, err := r.Operations(ctx, OperationsParams{IDs: []OperationID{id}, Limit: 1})
	if err != nil {
		return Operation{}, err
	}
	if len(res.Operations) == 0 {
		return Operation{}, ErrOperationNotFound
	}
	return res.Operations[0], nil
}

// takeUp makes an operation this process's own, to be started once that is committed.
func (w *write) takeUp(op *Operation) {
	now := w.service.now()
	op.State, op.Tries, op.Error = OperationRunning, 0, ""
	op.UpdatedAt, op.Due, op.Fence = now, now.Add(operationLease), op.Fence+1
	w.put.Operations = append(w.put.Operations, *op)
}

// undone reports whether a task has ended by being taken back.
func (t *task) undone() bool {
	select {
	case <-t.ended:
		return t.State == OperationUndone
	default:
		return false
	}
}

// CancelOperation implements Operations.
func (s *Service) CancelOperation(ctx context.Context, r CancelOperationRequest) (CancelOperationResult, error) {
	return call(ctx, s, "CancelOperation", func(ctx context.Context) (CancelOperationResult, int, error) {
		op, err := s.takeOverAs(ctx, r.Actor, r.Operation, func(op *Operation) error {
			data, err := op.decode()
			if err != nil {
				return err
			}
			if op.Kind != OperationShare || data.Moving {
				return errTooLate
			}
			return op.turnBack()
		})
		if err == nil && op.State == OperationDone {
			err = errTooLate
		}
		return CancelOperationResult{Operation: op}, 1, err
	})
}

var errTooLate = fmt.Errorf("%w: the operation can't be cancelled any more", ErrConflict)

// ResumeOperation implements Operations.
func (s *Service) ResumeOperation(ctx context.Context, r ResumeOperationRequest) (ResumeOperationResult, error) {
	return call(ctx, s, "ResumeOperation", func(ctx context.Context) (ResumeOperationResult, int, error) {
		op, err := s.takeOverAs(ctx, r.Actor, r.Operation, func(*Operation) error { return nil })
		return ResumeOperationResult{Operation: op}, 1, err
	})
}
