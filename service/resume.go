package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// operate takes on, once every RelayInterval, the operations that a crash has left, until the service closes.
func (s *Service) operate() {
	claiming := alive.Outage{Log: s.log, What: "looking for operations to resume"}
	slots := make(chan struct{}, operationsAtOnce)
	for s.sleep(alive.Spread(s.cfg.RelayInterval)) {
		free := cap(slots) - len(slots)
		if free == 0 {
			continue
		}
		err := alive.Contain(func() error {
			claimed, err := s.claimOperations(s.closing, free)
			if err != nil {
				return err
			}
			for _, op := range claimed {
				slots <- struct{}{}
				t := s.start(op)
				s.running.Go(func() {
					<-t.ended
					<-slots
				})
			}
			return nil
		})
		if s.closing.Err() == nil {
			claiming.Report(err)
		}
	}
}

func (s *Service) claimOperations(ctx context.Context, limit int) (claimed []stacksync.Operation, err error) {
	ctx, end := s.observe(ctx, "operations")
	defer func() { end(Observation{Err: err, Items: len(claimed)}) }()
	err = s.store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		now := s.now()
		res, err := tx.ClaimOperations(ctx, stacksync.ClaimOperationsParams{Now: now, Until: now.Add(operationLease), Limit: limit})
		claimed = res.Operations
		return err
	})
	return claimed, err
}
