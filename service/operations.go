package service

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/grant"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// usualOperations is the Limit of lists of operations whose request has none.
const usualOperations = 100

// ListOperations implements Operations.
func (s *Service) ListOperations(ctx context.Context, r stacksync.ListOperationsRequest) (stacksync.ListOperationsResult, error) {
	return call(ctx, s, "ListOperations", func(ctx context.Context) (stacksync.ListOperationsResult, int, error) {
		var res stacksync.ListOperationsResult
		if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
			return res, 0, err
		}
		limit, err := rowLimit(&s.cfg.Limits, r.Limit, usualOperations)
		if err != nil {
			return res, 0, err
		}
		if _, err := r.State.MarshalText(); err != nil && r.State != 0 {
			return res, 0, &stacksync.FieldError{Field: "State", Reason: fmt.Sprintf("has no value %d", r.State)}
		}
		err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
			sees, err := sightOf(ctx, rd, r.Actor)
			if err != nil {
				return err
			}
			p := stacksync.OperationsParams{State: r.State, Users: []stacksync.UserID{r.User}, Workspaces: slices.Collect(maps.Keys(sees.owned))}
			if !r.Workspace.IsZero() {
				p.Users, p.Workspaces = nil, []stacksync.WorkspaceID{r.Workspace}
			}
			// The second round reads more rows: some of the first round's may be of other users.
			for _, most := range []int{limit, max(limit, operation.Most)} {
				p.Limit = most
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
				if len(res.Operations) == limit || len(rows.Operations) < most {
					break
				}
			}
			return nil
		})
		return res, len(res.Operations), err
	})
}

// sight says which operations a user sees.
type sight struct {
	// home is the user's default workspace.
	home stacksync.WorkspaceID
	// owned are the workspaces that the user owns.
	owned map[stacksync.WorkspaceID]bool
}

// sightOf returns the sight of an actor. ErrUserNotFound, ErrDeviceNotFound, ErrDeviceRevoked.
func sightOf(ctx context.Context, r stacksync.Reader, actor stacksync.Actor) (sight, error) {
	user, _, err := session.Devices(ctx, r, actor)
	if err != nil {
		return sight{}, err
	}
	res, err := r.Memberships(ctx, stacksync.MembershipsParams{User: actor.User})
	sees := sight{user.DefaultWorkspace, make(map[stacksync.WorkspaceID]bool)}
	for i := range res.Members {
		if m := &res.Members[i]; m.Role == stacksync.Owner {
			sees.owned[m.Workspace] = true
		}
	}
	return sees, err
}

// of reports whether the user sees an operation. The operation's workspaces decide, not its User:
// that user may be deleted by now, and the id given to another user. A share or a return has the
// default workspace of its user as Source or Workspace. An operation about a storage account has it
// in its payload.
func (s sight) of(o *stacksync.Operation) bool {
	if o.Kind == stacksync.OperationKey || o.Kind == stacksync.OperationAccount {
		home, err := grant.Home(o)
		return err == nil && home == s.home
	}
	return s.owned[o.Workspace] || s.owned[o.Source]
}

// takeOverAs is takeOver for an actor. ErrOperationNotFound if the actor does not see the
// operation.
func (s *Service) takeOverAs(ctx context.Context, actor stacksync.Actor, id stacksync.OperationID, change func(op *stacksync.Operation) error) (stacksync.Operation, error) {
	if err := stacksync.CheckActor(actor, stacksync.Needs{}); err != nil {
		return stacksync.Operation{}, err
	}
	return s.takeOver(ctx, id, func(ctx context.Context, r stacksync.Reader, op *stacksync.Operation) error {
		sees, err := sightOf(ctx, r, actor)
		if err == nil && !sees.of(op) {
			err = stacksync.ErrOperationNotFound
		}
		return err
	}, change)
}

// takeOver changes an operation in a transaction, and works on it in this process if it is running
// then. The worker that had the operation before loses it. sees may refuse the operation with an
// error; change may change it. An operation that is done or undone stays as it is. takeOver returns
// the operation as it is once the work has ended.
func (s *Service) takeOver(ctx context.Context, id stacksync.OperationID, sees func(context.Context, stacksync.Reader, *stacksync.Operation) error, change func(op *stacksync.Operation) error) (stacksync.Operation, error) {
	var op stacksync.Operation
	err := s.kernel.Write(ctx, stacksync.LockParams{Operations: []stacksync.OperationID{id}}, func(ctx context.Context, w *session.Write) error {
		var err error
		if op, err = operation.Read(ctx, w, id); err != nil {
			return err
		}
		if err := sees(ctx, w, &op); err != nil {
			return err
		}
		if op.State == stacksync.OperationDone || op.State == stacksync.OperationUndone {
			return nil
		}
		if err := change(&op); err != nil {
			return err
		}
		s.engine.TakeUp(w, &op)
		return nil
	})
	if err != nil || op.State != stacksync.OperationRunning {
		return op, err
	}
	t := s.engine.Start(op)
	err = t.Await(ctx)
	if err == nil || t.Undone() {
		return t.Op, nil
	}
	return op, err
}

// CancelOperation implements Operations.
func (s *Service) CancelOperation(ctx context.Context, r stacksync.CancelOperationRequest) (stacksync.CancelOperationResult, error) {
	return call(ctx, s, "CancelOperation", func(ctx context.Context) (stacksync.CancelOperationResult, int, error) {
		op, err := s.takeOverAs(ctx, r.Actor, r.Operation, func(op *stacksync.Operation) error {
			ok, err := move.CheckCancel(op)
			if err == nil && !ok {
				err = errTooLate
			}
			if err != nil {
				return err
			}
			return move.TurnBack(s.engine, op)
		})
		if err == nil && op.State == stacksync.OperationDone {
			err = errTooLate
		}
		return stacksync.CancelOperationResult{Operation: op}, 1, err
	})
}

var errTooLate = fmt.Errorf("%w: the operation can't be cancelled any more", stacksync.ErrConflict)

// ResumeOperation implements Operations.
func (s *Service) ResumeOperation(ctx context.Context, r stacksync.ResumeOperationRequest) (stacksync.ResumeOperationResult, error) {
	return call(ctx, s, "ResumeOperation", func(ctx context.Context) (stacksync.ResumeOperationResult, int, error) {
		op, err := s.takeOverAs(ctx, r.Actor, r.Operation, func(*stacksync.Operation) error { return nil })
		return stacksync.ResumeOperationResult{Operation: op}, 1, err
	})
}
