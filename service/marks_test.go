package service_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// Each mark costs a transaction: they are gathered. What is marked is not sent again.
func TestMarksAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := newBroker(t), new(observer)
		w := newWorld(t, memory.New(memory.Config{}), b.configure, o.configure)
		worlds := []*world{w, w.guest(t, 1), w.guest(t, 2)}
		for i := range 250 {
			worlds[i%3].must(w.folder(stacksync.ItemID{}, fmt.Sprint(i)))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		marks := o.of("mark")
		require.Len(t, marks, 3, "one a second")
		require.Equal(t, service.Observation{Items: 6}, marks[0], "for three workspaces, and users with a new device")
		require.Equal(t, service.Observation{Items: 3}, marks[1], "for three workspaces")
		var sent []int64
		for _, w := range worlds {
			w.requireOwed(false)
			sent = append(sent, int64(len(b.of(w.ws))))
		}
		time.Sleep(time.Hour)
		for i, w := range worlds {
			require.Len(t, b.of(w.ws), int(sent[i]))
		}
		require.Len(t, o.of("mark"), 3)
		require.Greater(t, len(o.of("relay")), 500)
		for _, ob := range o.of("relay") {
			require.Equal(t, service.Observation{}, ob, "a relay that finds nothing")
		}
	})
}

// Close marks what was sent, so that no relay sends it again.
func TestCloseMarksWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		w := newWorld(t, memory.New(memory.Config{}), b.configure)
		w.must(w.folder(stacksync.ItemID{}, "last"))
		start := time.Now()
		require.NoError(t, w.svc.Close())
		require.Zero(t, time.Since(start))
		require.Equal(t, []int64{1}, b.of(w.ws))
		w.requireOwed(false)
	})
}

// When a hint is due: two intervals after the first commit that owes it, or after the last mark that came too late for it.
func TestHintDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Config{}), quiet, func(c *service.Config) { c.RelayInterval = time.Minute })
		due := func() time.Duration { return time.Until(w.workspace().HintDue) }
		w.must(w.folder(stacksync.ItemID{}, "first"))
		require.Equal(t, 2*time.Minute, due())
		time.Sleep(time.Minute)
		w.must(w.folder(stacksync.ItemID{}, "second"))
		require.Equal(t, time.Minute, due(), "the older hint is due as it was")
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
			_, err := tx.MarkNotified(ctx, stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{w.ws: 2}})
			return err
		}))
		w.must(w.folder(stacksync.ItemID{}, "third"))
		require.Equal(t, 2*time.Minute, due(), "a new hint")
		w.commit(w.folder(stacksync.ItemID{}, "third"))
		require.EqualValues(t, 3, w.workspace().Revision, "what saves nothing owes nothing")
	})
}

// A workspace that somebody has locked for long keeps the marks of no other from being made.
func TestMarksPassOverALockedWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows, b, o := manyWriters(4), newBroker(t), new(observer)
		w := newWorld(t, rows, b.configure, o.configure)
		var guests []*world
		for n := range 9 {
			g := w.guest(t, n)
			g.must(g.folder(stacksync.ItemID{}, "a"))
			guests = append(guests, g)
		}
		free := rows.hold(t, guests[3].ws)
		time.Sleep(3 * time.Second)
		for n, g := range guests {
			g.requireOwed(n == 3)
		}
		free()
		time.Sleep(relayed + 2*time.Second)
		guests[3].requireOwed(false)
		require.Equal(t, []int64{1, 1}, b.of(guests[3].ws))
		require.Equal(t, []int64{1}, b.of(guests[2].ws))
	})
}

// Hints of rights are owed and marked as those of workspaces are.
func TestUserHintsAreOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := newBroker(t), new(observer)
		w := newWorld(t, memory.New(memory.Config{}), b.configure, o.configure)
		time.Sleep(time.Minute)
		require.Equal(t, []int64{1}, b.ofUser(w.actor.User), "a device was registered")
		require.Len(t, o.of("mark"), 1)

		b.breaks(func(context.Context) error { return errBroker })
		_, err := w.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: stacksync.Actor{User: w.actor.User}, ID: w.actor.Device})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, []int64{1}, b.ofUser(w.actor.User))
		b.breaks(nil)
		time.Sleep(time.Hour)
		require.Equal(t, []int64{1, 2}, b.ofUser(w.actor.User), "a relay sends it, once")
		require.Len(t, o.of("mark"), 2)
	})
}

// A service without Notifier neither marks nor relays: it has nobody to tell.
func TestNothingIsRelayedWithoutNotifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(observer)
		w := newWorld(t, memory.New(memory.Config{}), quiet, o.configure)
		w.must(w.folder(stacksync.ItemID{}, "owed"))
		time.Sleep(time.Hour)
		require.Empty(t, o.of("mark"))
		require.Empty(t, o.of("relay"))
		w.requireOwed(true)
	})
}
