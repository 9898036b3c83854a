package device_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

// running is a device whose Run is on; synced gets what OnSync is told.
type running struct {
	*client
	synced chan outcome
	end    func() error
}

type outcome struct {
	device.Report
	err error
}

func (c *client) run(t *testing.T, wrap ...func(device.Service) device.Service) *running {
	r := &running{client: c, synced: make(chan outcome)}
	ctx, cancel := context.WithCancel(t.Context())
	c.cfg.OnSync = func(report device.Report, err error) {
		select {
		case r.synced <- outcome{report, err}:
		case <-ctx.Done():
		}
	}
	c.restart(wrap...)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	r.end = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { _ = r.end() })
	return r
}

// until waits for a sync that the test is after.
func (r *running) until(t *testing.T, is func(outcome) bool) outcome {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case o := <-r.synced:
			if is(o) {
				return o
			}
		case <-timeout:
			t.Fatal("waited too long")
		}
	}
}

func idle(o outcome) bool { return o.err == nil && o.Committed == 0 && o.ItemsApplied == 0 }

func TestRunFollows(t *testing.T) {
	t.Parallel()
	_, a, b := twins(t, "x")
	rb := b.run(t)
	rb.until(t, idle)
	a.write("y", "new")
	a.sync()
	rb.until(t, func(o outcome) bool { return o.ItemsApplied > 0 })
	require.Equal(t, a.tree(), b.tree())
	// And the other way, when told.
	b.write("z", "from b")
	b.Notify()
	rb.until(t, func(o outcome) bool { return o.Committed > 0 })
	a.sync()
	require.Equal(t, a.tree(), b.tree())
	require.ErrorIs(t, rb.end(), context.Canceled)
}

func TestRunLooksForItself(t *testing.T) {
	t.Parallel()
	_, a, _ := twins(t, "x")
	a.cfg.Interval = time.Millisecond
	ra := a.run(t)
	ra.until(t, idle)
	a.write("y", "nobody was told") // in steps, each of which may be seen
	ra.until(t, func(o outcome) bool { return o.Committed > 0 })
}

func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	_, a, b := twins(t, "x")
	f := &faults{}
	rb := b.run(t, f.wrap)
	rb.until(t, idle)
	f.set(1, die, nil)
	a.write("y", "new")
	a.sync()
	rb.until(t, func(o outcome) bool { return errors.Is(o.err, errFault) })
	f.clear()
	rb.until(t, func(o outcome) bool { return o.ItemsApplied > 0 })
}

func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	w, _, b := twins(t, "x")
	rb := b.run(t)
	rb.until(t, idle)
	_, err := w.service.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: w.actor, ID: b.cfg.Actor.Device})
	require.NoError(t, err)
	b.Notify()
	rb.until(t, func(o outcome) bool { return o.err != nil })
	require.ErrorIs(t, rb.end(), stacksync.ErrDeviceRevoked)
}
