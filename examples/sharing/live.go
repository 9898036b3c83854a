package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

// live is a folder whose device runs by itself.
type live struct {
	*folder
	cancel context.CancelFunc
	synced chan struct{} // has one whenever there was a Sync since the last look
	ended  chan error
}

// run lets the device of a folder run, until stop, or until it may not any more.
func (f *folder) run(ctx context.Context) *live {
	ctx, cancel := context.WithCancel(ctx)
	l := &live{folder: f, cancel: cancel, synced: make(chan struct{}, 1), ended: make(chan error, 1)}
	f.onSync = func(device.Report, error) {
		select {
		case l.synced <- struct{}{}:
		default:
		}
	}
	go func() { l.ended <- f.Run(ctx) }()
	return l
}

// await waits until something is so after a Sync.
func (l *live) await(ctx context.Context, so func() bool) error {
	for !so() {
		select {
		case <-l.synced:
		case err := <-l.ended:
			l.ended <- err // for stop
			return fmt.Errorf("%s: %w", l.dir, err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", l.dir, context.Cause(ctx))
		}
	}
	return nil
}

// stopped waits until the device stops by itself, because the workspace is not its user's any more.
func (l *live) stopped(ctx context.Context) error {
	select {
	case err := <-l.ended:
		l.ended <- err
		if !errors.Is(err, stacksync.ErrNotFound) {
			return fmt.Errorf("%s: %w", l.dir, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", l.dir, context.Cause(ctx))
	}
}

// stop ends the run. It returns when the device does nothing any more.
func (l *live) stop() error {
	l.cancel()
	if err := <-l.ended; !errors.Is(err, context.Canceled) && !errors.Is(err, stacksync.ErrNotFound) {
		return fmt.Errorf("%s: %w", l.dir, err)
	}
	return nil
}
