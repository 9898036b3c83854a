package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/operation"
)

// ListStoppedOperations implements OperationsAdmin.
func (s *Service) ListStoppedOperations(ctx context.Context, r stacksync.ListStoppedOperationsRequest) (stacksync.ListStoppedOperationsResult, error) {
	return call(ctx, s, "ListStoppedOperations", func(ctx context.Context) (res stacksync.ListStoppedOperationsResult, n int, err error) {
		limit, err := rowLimit(&s.cfg.Limits, r.Limit, usualOperations)
		if err != nil {
			return res, 0, err
		}
		err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
			rows, err := rd.StoppedOperations(ctx, stacksync.StoppedOperationsParams{Limit: limit + 1})
			n = min(len(rows.Operations), limit)
			res.Operations, res.More = rows.Operations[:n], len(rows.Operations) > n
			return err
		})
		return res, n, err
	})
}

// GetOperation implements OperationsAdmin.
func (s *Service) GetOperation(ctx context.Context, r stacksync.GetOperationRequest) (stacksync.GetOperationResult, error) {
	return call(ctx, s, "GetOperation", func(ctx context.Context) (res stacksync.GetOperationResult, n int, err error) {
		err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) (err error) {
			res.Operation, err = operation.Read(ctx, rd, r.Operation)
			return err
		})
		return res, 1, err
	})
}

// SettleOperation implements OperationsAdmin.
func (s *Service) SettleOperation(ctx context.Context, r stacksync.SettleOperationRequest) (stacksync.SettleOperationResult, error) {
	return call(ctx, s, "SettleOperation", func(ctx context.Context) (stacksync.SettleOperationResult, int, error) {
		anybody := func(context.Context, stacksync.Reader, *stacksync.Operation) error { return nil }
		op, err := s.takeOver(ctx, r.Operation, anybody, func(op *stacksync.Operation) error {
			if !r.Undo {
				return nil
			}
			return move.TurnBack(s.engine, op)
		})
		return stacksync.SettleOperationResult{Operation: op}, 1, err
	})
}
