package operation

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// atOnce bounds how many claimed operations of other processes a process works on at once.
const atOnce = 4

// Work claims, once every RelayInterval, running operations whose worker has gone, and works on
// them, until the service closes.
func (e *Engine) Work() {
	claiming := alive.Outage{Log: e.Log, What: "looking for operations to resume"}
	slots := make(chan struct{}, atOnce)
	for alive.Sleep(e.Closing, alive.Spread(e.RelayInterval)) {
		free := cap(slots) - len(slots)
		if free == 0 {
			continue
		}
		err := alive.Contain(func() error {
			claimed, err := e.claim(e.Closing, free)
			if err != nil {
				return err
			}
			for _, op := range claimed {
				slots <- struct{}{}
				t := e.Start(op)
				e.Running.Go(func() {
					<-t.ended
					<-slots
				})
			}
			return nil
		})
		if e.Closing.Err() == nil {
			claiming.Report(err)
		}
	}
}

func (e *Engine) claim(ctx context.Context, limit int) (claimed []stacksync.Operation, err error) {
	ctx, end := e.Observe(ctx, "operations")
	defer func() { end(session.Seen{Err: err, Items: len(claimed)}) }()
	err = e.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		now := e.Now()
		res, err := tx.ClaimOperations(ctx, stacksync.ClaimOperationsParams{Now: now, Until: now.Add(lease), Limit: limit})
		claimed = res.Operations
		return err
	})
	return claimed, err
}
