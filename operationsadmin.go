package stacksync

import (
	"context"
	"fmt"
)

// OperationsAdmin are calls of the host itself, for its operators: a transport must not pass them on. When an operation stops, the
// log says so, too, at level Error.
type OperationsAdmin interface {
	// ListStoppedOperations returns anybody's operations that have stopped, oldest first (CreatedAt, then id).
	ListStoppedOperations(ctx context.Context, r ListStoppedOperationsRequest) (ListStoppedOperationsResult, error)
	// GetOperation reads anybody's operation. ErrOperationNotFound.
	GetOperation(ctx context.Context, r GetOperationRequest) (GetOperationResult, error)
	// SettleOperation goes on with anybody's operation that has stopped, or that waits for its next try, or takes it back. On one that is done,
	// or undone, it does nothing. The error is an *OperationError if it stops again. ErrOperationNotFound; ErrConflict where there is no way back.
	SettleOperation(ctx context.Context, r SettleOperationRequest) (SettleOperationResult, error)
}

// ListStoppedOperationsRequest is that of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsRequest struct {
	Limit int // 0 means 100; at most Limits.Page
}

// ListStoppedOperationsResult is that of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsResult struct {
	Operations []Operation
	// More says that there are others, not as old as these.
	More bool
}

// GetOperationRequest is that of OperationsAdmin.GetOperation.
type GetOperationRequest struct{ Operation OperationID }

// GetOperationResult is that of OperationsAdmin.GetOperation.
type GetOperationResult struct{ Operation Operation }

// SettleOperationRequest is that of OperationsAdmin.SettleOperation.
type SettleOperationRequest struct {
	Operation OperationID
	// Undo takes back a ShareFolder: before items have moved as CancelOperation does, and afterwards by bringing back those that have, for
	// which the operation becomes an OperationReturn. Other kinds only go forward.
	Undo bool
}

// SettleOperationResult is that of OperationsAdmin.SettleOperation.
type SettleOperationResult struct{ Operation Operation }

// ListStoppedOperations implements OperationsAdmin.
func (s *Service) ListStoppedOperations(ctx context.Context, r ListStoppedOperationsRequest) (ListStoppedOperationsResult, error) {
	return call(ctx, s, "ListStoppedOperations", func(ctx context.Context) (res ListStoppedOperationsResult, n int, err error) {
		limit, err := s.cfg.Limits.rows(r.Limit, usualOperations)
		if err != nil {
			return res, 0, err
		}
		err = s.store.View(ctx, func(ctx context.Context, rd Reader) error {
			rows, err := rd.StoppedOperations(ctx, StoppedOperationsParams{Limit: limit + 1})
			n = min(len(rows.Operations), limit)
			res.Operations, res.More = rows.Operations[:n], len(rows.Operations) > n
			return err
		})
		return res, n, err
	})
}

// GetOperation implements OperationsAdmin.
func (s *Service) GetOperation(ctx context.Context, r GetOperationRequest) (GetOperationResult, error) {
	return call(ctx, s, "GetOperation", func(ctx context.Context) (res GetOperationResult, n int, err error) {
		err = s.store.View(ctx, func(ctx context.Context, rd Reader) (err error) {
			res.Operation, err = readOperation(ctx, rd, r.Operation)
			return err
		})
		return res, 1, err
	})
}

// SettleOperation implements OperationsAdmin.
func (s *Service) SettleOperation(ctx context.Context, r SettleOperationRequest) (SettleOperationResult, error) {
	return call(ctx, s, "SettleOperation", func(ctx context.Context) (SettleOperationResult, int, error) {
		anybody := func(context.Context, Reader, *Operation) error { return nil }
		op, err := s.takeOver(ctx, r.Operation, anybody, func(op *Operation) error {
			if !r.Undo {
				return nil
			}
			return op.turnBack()
		})
		return SettleOperationResult{Operation: op}, 1, err
	})
}

// turnBack makes an operation one that takes itself back.
func (o *Operation) turnBack() error {
	data, err := o.decode()
	switch {
	case err != nil:
		return err
	case o.Kind != OperationShare:
		return fmt.Errorf("%w: operations of kind %q only go forward", ErrConflict, o.Kind)
	case !data.Moving:
		o.Step = undoStep
		return nil
	case o.Step != moveStep:
		return fmt.Errorf("%w: the folder is shared; Unshare takes that back", ErrConflict)
	}
	if data.Secret, err = newSecret(); err != nil {
		return err
	}
	if o.Data, err = data.encode(); err != nil {
		return err
	}
	o.Kind, o.Workspace, o.Source = OperationReturn, o.Source, o.Workspace
	o.Step = steps(o.Kind)[0].name
	return nil
}
