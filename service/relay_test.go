package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
	"github.com/stacksync/stacksync-go/service"
)

// The tests below run in bubbles of synctest, whose clock is the service's too: an hour takes no time, and nothing is left to chance but
// the spread of the intervals.

const (
	relayInterval = 5 * time.Second // the default
	// relayed is when an owed hint is certainly sent: its committer has two intervals, and a relay may have looked just before.
	relayed = 2*relayInterval + relayInterval*6/5 + time.Millisecond
)

// beside is another service on the same store, as another process has it.
func (w *world) beside(configure ...func(*service.Config)) *world {
	w.Helper()
	cfg := service.Config{Storage: w.storage}
	for _, f := range configure {
		f(&cfg)
	}
	other := *w
	var err error
	other.svc, err = service.New(w.store, cfg)
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, other.svc.Close()) })
	return &other
}

// workspace reads the row.
func (w *world) workspace() stacksync.Workspace {
	w.Helper()
	return w.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ws, User: w.actor.User}}}).Workspaces[0]
}

func (w *world) requireOwed(owed bool) {
	w.Helper()
	row := w.workspace()
	require.Equal(w, owed, row.Revision > row.Notified, "revision %d, notified %d", row.Revision, row.Notified)
}

var errBroker = errors.New("broker is down")

// Whatever keeps a committer from sending its hint, the relay of another process sends it.
func TestRelayTellsWhatACommitterCouldNot(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"fails":  func(context.Context) error { return errBroker },
		"hangs":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"panics": func(context.Context) error { panic("notifier is broken") },
		"exits":  func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad, good := newBroker(t), newBroker(t)
				w := newWorld(t, memory.New(memory.Config{}), bad.configure)
				other := w.beside(good.configure)
				f := other.follow(w.actor, "")
				f.next(t)
				bad.breaks(fail)
				start := time.Now()
				items := w.must(w.folder(stacksync.ItemID{}, "late"))
				require.Zero(t, time.Since(start), "a notifier holds up no commit")
				require.NoError(t, w.svc.Close())
				require.LessOrEqual(t, time.Since(start), 10*time.Second, "nor Close for longer")

				require.Equal(t, items, f.next(t).Items)
				require.Less(t, time.Since(start), relayed)
				time.Sleep(time.Hour)
				require.Equal(t, []int64{1}, good.of(w.ws), "once")
				other.requireOwed(false)
			})
		})
	}
}

// A process that ends right after its transaction has told nobody.
func TestRelayTellsAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := newBroker(t)
		w := newWorld(t, memory.New(memory.Config{}), quiet) // which never sends hints
		other := w.beside(good.configure)
		other.must(w.folder(stacksync.ItemID{}, "told"))
		f := other.follow(w.actor, "")
		f.next(t)
		time.Sleep(2 * time.Second) // it is marked: a mark gives what is owed then new time
		items := w.must(w.folder(stacksync.ItemID{}, "saved"))
		start := time.Now()
		require.Equal(t, items, f.next(t).Items)
		require.Less(t, time.Since(start), relayed)
		time.Sleep(time.Hour)
		require.Equal(t, []int64{1, 2}, good.of(w.ws))
		other.requireOwed(false)
	})
}

// Nor has one told anybody that got an error for a transaction that was saved.
func TestRelayTellsAfterAnUncertainCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		var broken atomic.Bool
		w := newWorld(t, metastoretest.Faulty(memory.New(memory.Config{}), func(at metastoretest.Point) error {
			if at == metastoretest.AfterCommit && broken.CompareAndSwap(true, false) {
				return stacksync.ErrUncertain
			}
			return nil
		}), b.configure)
		f := w.follow(w.actor, "")
		f.next(t)
		broken.Store(true)
		r := stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{w.folder(stacksync.ItemID{}, "uncertain")}}
		_, err := w.svc.Commit(t.Context(), r)
		require.ErrorIs(t, err, stacksync.ErrUncertain)
		require.Len(t, f.next(t).Items, 1, "it was saved, and followers learn of it though the client does not come again")
	})
}

// An outage is logged once, however many hints it costs, and once more when it is over.
func TestOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		var log bytes.Buffer
		w := newWorld(t, memory.New(memory.Config{}), b.configure, func(c *service.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		b.breaks(func(context.Context) error { return errBroker })
		for i := range 50 {
			w.must(w.folder(stacksync.ItemID{}, fmt.Sprint(i)))
			time.Sleep(10 * time.Second)
		}
		w.requireOwed(true)
		b.breaks(nil)
		time.Sleep(relayed)
		w.requireOwed(false)
		require.Equal(t, []int64{50}, b.of(w.ws), "one hint stands for all")
		require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
		require.Equal(t, 1, strings.Count(log.String(), "works again"), log.String())
		require.Contains(t, log.String(), errBroker.Error())
	})
}

// Who commits again before its hint was marked has two intervals from the mark on, so that a busy workspace is none of the relays' affairs.
func TestRelaysLeaveABusyWorkspaceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := newBroker(t), new(observer)
		w := newWorld(t, memory.New(memory.Config{}), b.configure)
		w.beside(b.configure, o.configure)
		for i := range 3000 {
			w.must(w.folder(stacksync.ItemID{}, fmt.Sprint(i)))
			time.Sleep(100 * time.Millisecond)
		}
		require.Greater(t, len(o.of("relay")), 40)
		for _, ob := range o.of("relay") {
			require.Zero(t, ob.Items)
		}
	})
}

// Many relays share what is owed: each hint is sent once, and none before followers can see what it is about.
func TestRelaysShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workspaces = 700 // more than two pages
		w := newWorld(t, memory.New(memory.Config{}), quiet)
		var guests []*world
		for n := range workspaces {
			g := w.guest(t, n)
			g.must(g.folder(stacksync.ItemID{}, "a"), g.folder(stacksync.ItemID{}, "b"))
			guests = append(guests, g)
		}
		b := newBroker(t)
		observers := make([]observer, 3)
		for i := range observers {
			w.beside(b.configure, observers[i].configure)
		}
		time.Sleep(time.Hour)
		for _, g := range guests {
			require.Equal(t, []int64{2}, b.of(g.ws))
			g.requireOwed(false)
		}
		claimed := 0
		for i := range observers {
			for _, ob := range observers[i].of("relay") {
				require.NoError(t, ob.Err)
				claimed += ob.Items
			}
		}
		require.Equal(t, 2*workspaces+1, claimed, "the workspaces, and all users, who have a new device")
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, 3, b.calls, "a page at a time")
	})
}

// A relay that can't claim or mark goes on, and hints stay owed meanwhile.
func TestRelayGoesOn(t *testing.T) {
	for _, row := range []struct {
		name string
		at   metastoretest.Point
		fail func() error
		sent int // hints, in all
	}{
		{"claims fail", metastoretest.AtClaim, func() error { return errFault }, 1},
		{"claims panic", metastoretest.AtClaim, func() error { panic("store is broken") }, 1},
		{"claims exit", metastoretest.AtClaim, func() error { runtime.Goexit(); return nil }, 1},
		{"marks fail", metastoretest.AtMark, func() error { return errFault }, 2},
		{"marks panic", metastoretest.AtMark, func() error { panic("store is broken") }, 2},
		{"marks exit", metastoretest.AtMark, func() error { runtime.Goexit(); return nil }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				w := newWorld(t, memory.New(memory.Config{}), quiet)
				w.must(w.folder(stacksync.ItemID{}, "owed"))
				var log bytes.Buffer
				failures := 0
				w.store = metastoretest.Faulty(w.store, func(at metastoretest.Point) error {
					if at == row.at && failures < row.sent+1 {
						failures++
						return row.fail()
					}
					return nil
				})
				w.beside(b.configure, func(c *service.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				f := w.follow(w.actor, "")
				f.next(t)
				time.Sleep(time.Hour)
				require.Equal(t, row.sent+1, failures)
				if row.at == metastoretest.AtMark {
					require.Len(t, b.of(w.ws), failures+1, "sent again until it could be marked")
				} else {
					require.Len(t, b.of(w.ws), 1)
				}
				w.requireOwed(false)
				require.LessOrEqual(t, strings.Count(log.String(), "level=WARN"), 1, log.String())
			})
		})
	}
}

// Close ends a relay in the middle of its work; what it had claimed is due again.
func TestCloseEndsTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, good := newBroker(t), newBroker(t)
		w := newWorld(t, memory.New(memory.Config{}), quiet)
		w.must(w.folder(stacksync.ItemID{}, "owed"))
		var log bytes.Buffer
		other := w.beside(b.configure, func(c *service.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		entered := make(chan struct{})
		b.breaks(func(ctx context.Context) error { close(entered); <-ctx.Done(); return ctx.Err() })
		<-entered
		start := time.Now()
		require.NoError(t, other.svc.Close())
		require.Zero(t, time.Since(start))
		require.NotContains(t, log.String(), "level=WARN")
		w.requireOwed(true)

		w.beside(good.configure)
		time.Sleep(relayed)
		require.Equal(t, []int64{1}, good.of(w.ws))
	})
}

// The longest interval is as good as never, and overflows nothing.
func TestLongestIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(observer)
		w := newWorld(t, memory.New(memory.Config{}), o.configure, func(c *service.Config) { c.RelayInterval, c.PollInterval = 1<<63-1, 1<<63-1 })
		f := w.follow(w.actor, "")
		f.next(t)
		w.must(w.folder(stacksync.ItemID{}, "a"))
		require.Len(t, f.next(t).Items, 1)
		require.Greater(t, time.Until(w.workspace().HintDue), 24*time.Hour)
		time.Sleep(time.Hour)
		require.Empty(t, o.of("relay"))
	})
}
