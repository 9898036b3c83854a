package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go/examples/device"
)

// follower is a device whose Run is on.
type follower struct {
	ctx    context.Context
	cancel context.CancelFunc
	synced chan synced
	ended  chan error
}

// synced is a Sync that succeeded.
type synced struct {
	device.Report
	at time.Time
}

// follow begins to run a device.
func (s *show) follow(ctx context.Context, c *client, step string) *follower {
	f := &follower{synced: make(chan synced), ended: make(chan error, 1)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	c.onProgress = s.out.progress(step, 0)
	c.onSync = func(r device.Report, err error) {
		if err := c.check(r, err); err != nil {
			s.log.Warn("sync failed, and is tried again", "error", err)
			return
		}
		select {
		case f.synced <- synced{r, time.Now()}:
		case <-f.ctx.Done():
		}
	}
	go func() { f.ended <- c.Run(f.ctx) }()
	return f
}

// await waits for a Sync that is what is waited for. It returns when that was done.
func (f *follower) await(is func(device.Report) bool) (time.Time, error) {
	for {
		select {
		case s := <-f.synced:
			if is(s.Report) {
				return s.at, nil
			}
		case err := <-f.ended:
			f.ended <- err // for stop
			return time.Time{}, errors.New("follow ended")
		}
	}
}

// stop ends the run. It returns when the device does nothing any more.
func (f *follower) stop() error {
	f.cancel()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		return fmt.Errorf("follow: %w", err)
	}
	return nil
}
