package device

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// Run syncs until ctx ends: whenever the service has something new, whenever Notify says that something changed here, and every
// Config.Interval. What fails is tried again, less and less often. It returns the error of ctx, or one that trying again can't
// cure: the device was revoked, or the workspace is not the user's any more.
func (d *Device) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	var begin sync.Once
	for failures := 0; ; {
		report, err := d.Sync(ctx)
		if d.cfg.OnSync != nil {
			d.cfg.OnSync(report, err)
		}
		switch {
		case errors.Is(err, stacksync.ErrDeviceRevoked), errors.Is(err, stacksync.ErrNotFound):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			failures++
			d.cfg.Logger.Warn("sync failed", "failures", failures, "error", err)
			err = pause(ctx, backoff(failures))
		default:
			failures = 0
			begin.Do(func() { listening.Go(func() { d.listen(ctx) }) })
			err = d.await(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// Notify tells Run that something changed in the folder.
func (d *Device) Notify() {
	select {
	case d.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// await returns nil when it is time to sync.
func (d *Device) await(ctx context.Context) error {
	timer := time.NewTimer(d.cfg.Interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.wake:
	case <-timer.C:
	}
	return nil
}

// listen wakes Run when the service has something new. The pages that come are taken for hints: Sync reads them again, so that
// there is one way to take over a change.
func (d *Device) listen(ctx context.Context) {
	for failures := 0; ; {
		cursor, _ := d.Position()
		for page, err := range d.service.Follow(ctx, stacksync.FollowRequest{Actor: d.cfg.Actor, Workspace: d.cfg.Workspace, Cursor: cursor}) {
			if err != nil {
				d.cfg.Logger.Debug("follow ended", "error", err)
				break
			}
			failures = 0
			if _, revision := d.Position(); page.Revision > revision {
				d.Notify()
			}
		}
		failures++
		d.Notify() // Sync finds out what is wrong, and what to do about it
		if pause(ctx, backoff(failures)) != nil {
			return
		}
	}
}

// backoff returns how long to wait after a number of failures: about 50 ms, and then twice as long each time, to 30 s.
func backoff(failures int) time.Duration {
	wait := min(50*time.Millisecond<<min(failures-1, 16), 30*time.Second)
	return wait/2 + rand.N(wait)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
