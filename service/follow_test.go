package service_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// following reads a Follow in a goroutine of its own.
type following struct {
	pages chan stacksync.ChangesPage
	err   chan error
	stop  context.CancelFunc
}

func (w *world) follow(actor stacksync.Actor, cursor stacksync.Cursor) *following {
	ctx, cancel := context.WithCancel(context.Background())
	f := &following{pages: make(chan stacksync.ChangesPage), err: make(chan error, 1), stop: cancel}
	var running sync.WaitGroup
	running.Go(func() {
		for page, err := range w.svc.Follow(ctx, stacksync.FollowRequest{Actor: actor, Workspace: w.ws, Cursor: cursor}) {
			if err != nil {
				f.err <- err
				return
			}
			select {
			case f.pages <- page:
			case <-ctx.Done():
				f.err <- ctx.Err()
				return
			}
		}
	})
	w.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return f
}

func (f *following) next(t testing.TB) stacksync.ChangesPage {
	t.Helper()
	select {
	case page := <-f.pages:
		return page
	case err := <-f.err:
		t.Fatalf("follow ended: %v", err)
	case <-t.Context().Done():
	}
	return stacksync.ChangesPage{}
}

func TestFollowJoinsCatchUpAndLive(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		newTree(w)
		f := w.follow(w.device(w.actor.User), "")
		page := f.next(t)
		require.Len(t, page.Items, 4, "the live items")
		require.False(t, page.More)
		for i := range 3 {
			items := w.must(w.folder(stacksync.ItemID{}, string(rune('p'+i))))
			page := f.next(t)
			require.Equal(t, items, page.Items)
		}
	})
}

func TestFollowTellsThatItHasCaughtUp(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	page := w.follow(w.actor, "").next(t)
	require.Empty(t, page.Items)
	require.False(t, page.More)
	require.NotEmpty(t, page.Cursor, "an empty page still says where it is")
	again := w.follow(w.actor, page.Cursor).next(t)
	require.Equal(t, page.Cursor, again.Cursor)
}

// TestFollowEnds has a row for each way a follower ends.
func TestFollowEnds(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(w *world, f *following, actor stacksync.Actor)
		want error
	}{
		{"its context ends", func(_ *world, f *following, _ stacksync.Actor) { f.stop() }, context.Canceled},
		{"the service closes", func(w *world, _ *following, _ stacksync.Actor) { require.NoError(w, w.svc.Close()) }, stacksync.ErrClosed},
		{"its device is revoked", func(w *world, _ *following, actor stacksync.Actor) {
			_, err := w.svc.RevokeDevice(w.Context(), stacksync.RevokeDeviceRequest{Actor: w.actor, ID: actor.Device})
			require.NoError(w, err)
		}, stacksync.ErrDeviceRevoked},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, memory.New(memory.Config{}))
			actor := w.device(w.actor.User)
			f := w.follow(actor, "")
			f.next(t)
			row.end(w, f, actor)
			require.ErrorIs(t, <-f.err, row.want)
		})
	}
}

// Leaving the loop ends a follower quietly, whatever ends with it.
func TestFollowEndsWithItsLoop(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range w.svc.Follow(ctx, stacksync.FollowRequest{Actor: w.actor, Workspace: w.ws}) {
		require.NoError(t, err)
		cancel()
		require.NoError(t, w.svc.Close())
		break
	}
}

func TestFollowRefusesAStranger(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	stranger, _ := w.join("eve")
	err := <-w.follow(stranger, "").err
	var cursor *stacksync.CursorError
	require.ErrorAs(t, err, &cursor)
	require.Equal(t, stacksync.RemedyForget, cursor.Remedy)
	require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)
}

// deaf is a notifier that loses every hint.
type deaf struct{ stacksync.Notifier }

func (deaf) Publish(context.Context, stacksync.PublishParams) (stacksync.PublishResult, error) {
	return stacksync.PublishResult{}, errors.New("broker is down")
}

// Hints may be lost: a follower then finds the change by polling, with the clock of the test's own bubble.
func TestFollowPolls(t *testing.T) {
	for name, notifier := range map[string]func() stacksync.Notifier{
		"hints are lost": func() stacksync.Notifier { return deaf{local.New(local.Config{})} },
		"no notifier":    func() stacksync.Notifier { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Notifier, c.PollInterval = notifier(), 10*time.Second })
				f := w.follow(w.actor, "")
				f.next(t)
				start := time.Now()
				items := w.must(w.folder(stacksync.ItemID{}, "late"))
				require.Equal(t, items, f.next(t).Items)
				require.InDelta(t, 10*time.Second, time.Since(start), float64(2*time.Second))
			})
		})
	}
}

// storm is a notifier that doubles every hint, sends old ones again and adds gaps.
type storm struct{ stacksync.Notifier }

func (s storm) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	for _, n := range p.Notifications {
		old, gap := n, n
		old.Revision = 1
		gap.Gap = true
		p.Notifications = append(p.Notifications, n, old, gap)
	}
	return s.Notifier.Publish(ctx, p)
}

func TestFollowMindsNoStorm(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Notifier = storm{c.Notifier} })
	f := w.follow(w.actor, "")
	f.next(t)
	seen := map[stacksync.ItemID]int{}
	for range 20 {
		items := w.must(w.folder(stacksync.ItemID{}, w.id().String()))
		page := f.next(t)
		require.Equal(t, items, page.Items)
		seen[page.Items[0].ID]++
		require.Equal(t, 1, seen[page.Items[0].ID])
	}
}

// The hint for a commit must not come before the commit can be read.
type early struct {
	stacksync.Notifier
	look func(stacksync.Notification)
}

func (e early) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	for _, n := range p.Notifications {
		e.look(n)
	}
	return e.Notifier.Publish(ctx, p)
}

func TestHintsComeAfterTheirRevision(t *testing.T) {
	var w *world
	hints := make(chan int64, 100)
	w = newWorld(t, memory.New(memory.Config{}), func(c *service.Config) {
		c.Notifier = early{c.Notifier, func(n stacksync.Notification) {
			if n.Topic == stacksync.UserTopic("ada") {
				return // of the device
			}
			page, err := w.svc.Changes(context.Background(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws})
			if err == nil && n.Topic == stacksync.WorkspaceTopic(w.ws) && page.Revision >= n.Revision {
				hints <- n.Revision
				return
			}
			hints <- -1
		}}
	})
	for i := range 10 {
		w.must(w.folder(stacksync.ItemID{}, w.id().String()))
		require.EqualValues(t, i+1, <-hints)
	}
}
