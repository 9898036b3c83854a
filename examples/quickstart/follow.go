package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/stacksync/stacksync-go/examples/device"
)

// follower is a device whose Run is on.
type follower struct {
	ctx    context.Context
	cancel context.CancelFunc
	synced chan device.Report
	ended  chan error
}

// follow begins to run a device.
func (s *show) follow(ctx context.Context, c *client, step string) *follower {
	f := &follower{synced: make(chan device.Report), ended: make(chan error, 1)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	c.onProgress = s.out.progress(step, 0)
	c.onSync = func(r device.Report, err error) {
		if err := c.check(r, err); err != nil {
			s.log.Warn("sync failed, and is tried again", "error", err)
			return
		}
		select {
		case f.synced <- r:
		case <-f.ctx.Done():
		}
	}
	go func() { f.ended <- c.Run(f.ctx) }()
	return f
}

// await waits for a Sync that is what is waited for.
func (f *follower) await(is func(device.Report) bool) error {
	for {
		select {
		case r := <-f.synced:
			if is(r) {
				return nil
			}
		case err := <-f.ended:
			f.ended <- err // for stop
			return errors.New("follow ended")
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
