package metastoretest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func txChecks() []check {
	return []check{
		{Name: "a View sees nothing of an open Update", Run: isolation},
		{Name: "an Update sees nothing of another open Update", Run: isolationOfUpdates},
		{Name: "a failed Update saves nothing, and returns its closure's error", Run: rollback},
		{Name: "a panic in a closure saves nothing and leaves the store usable", Run: panics},
		{Name: "a goroutine that ends in a closure saves nothing and leaves the store usable", Run: goexits},
		{Name: "a View returns its closure's error", Run: viewError},
		{Name: "a ctx that has ended runs no closure", Run: endedContext},
		{Name: "a ctx that ends in a closure ends its transaction", Run: contextEndsInside},
		{Name: "each View sees what was committed before it", Run: viewAfterUpdate},
		{Name: "a View is one snapshot", Run: snapshot},
	}
}

// scene is rows of every kind, first as committed and then as an Update under test would have them.
type scene struct {
	*rig
	h       home
	a, b    stacksync.ItemRow // committed
	change  stacksync.PutParams
	a2, new stacksync.ItemRow // of change: the next version of a, and another item
	d       stacksync.Device
	c       stacksync.ChunkRow
	other   stacksync.User
	op      stacksync.Operation
}

func newScene(t T, s Suite) *scene {
	t.Helper()
	r := newRig(t, s)
	sc := &scene{rig: r, h: r.home()}
	sc.a, sc.b = r.file(sc.h.id(), stacksync.ItemID{}), r.file(sc.h.id(), stacksync.ItemID{})
	r.save(putItems(sc.a, sc.b))

	sc.a2, sc.new = r.next(sc.a), r.file(sc.h.id(), stacksync.ItemID{})
	sc.a2.NameKey = "renamed"
	sc.d, sc.c, sc.other, sc.op = r.device(sc.h.user.ID), r.chunk(sc.h.id()), r.user(), r.operation(sc.h.id(), sc.h.user.ID)
	user, w, m := sc.h.user, sc.h.workspace, sc.h.member
	user.QuotaUsed, w.Revision, w.Notified, m.MountName = 1, 2, 1, "changed"
	sc.change = stacksync.PutParams{
		Users: []stacksync.User{user, sc.other}, Devices: []stacksync.Device{sc.d}, Workspaces: []stacksync.Workspace{w},
		Members: []stacksync.Member{m}, Items: []stacksync.ItemRow{sc.a2, sc.new}, Superseded: []stacksync.ItemRow{sc.a},
		Chunks: []stacksync.ChunkRow{sc.c}, Operations: []stacksync.Operation{sc.op},
	}
	return sc
}

// requireBefore and requireAfter look for change with every method.
func (sc *scene) requireBefore(l look, promise string) {
	sc.t.Helper()
	sc.require(l, promise, sc.h.put(), nil, []stacksync.ItemRow{sc.a, sc.b}, nil, nil)
}

func (sc *scene) requireAfter(l look, promise string) {
	sc.t.Helper()
	sc.require(l, promise, sc.change, sc.change.Devices, []stacksync.ItemRow{sc.b, sc.a2, sc.new}, sc.change.Superseded, sc.change.Chunks)
}

func (sc *scene) require(l look, promise string, accounts stacksync.PutParams, devices []stacksync.Device, items, superseded []stacksync.ItemRow, chunks []stacksync.ChunkRow) {
	t, w := sc.t, sc.h.id()
	t.Helper()
	sameSet(t, promise+" (Users)", accounts.Users, l.users(sc.h.user.ID, sc.other.ID))
	sameList(t, promise+" (Devices)", devices, l.devices(sc.h.user.ID))
	memberships := l.memberships(sc.h.user.ID)
	sameList(t, promise+" (Memberships)", accounts.Members, memberships.Members)
	sameList(t, promise+" (Memberships)", accounts.Workspaces, memberships.Workspaces)
	sameList(t, promise+" (Members)", accounts.Members, l.members(w))
	for _, p := range []stacksync.OperationsParams{
		{IDs: operationIDs(sc.op), Limit: 10}, {Workspaces: []stacksync.WorkspaceID{w}, Limit: 10}, {Users: []stacksync.UserID{sc.h.user.ID}, Limit: 10},
	} {
		sameList(t, promise+" (Operations)", accounts.Operations, l.operations(p))
	}
	got := l.load(stacksync.LoadParams{
		Access:   []stacksync.AccessKey{accessKey(w, sc.h.user.ID, sc.d.ID)},
		Items:    itemKeys(sc.a, sc.b, sc.new),
		Names:    []stacksync.NameKey{nameKeyOf(sc.a), nameKeyOf(sc.a2), nameKeyOf(sc.b), nameKeyOf(sc.new)},
		Subtrees: []stacksync.ItemKey{{Workspace: w}},
		Versions: []stacksync.VersionKey{versionKeyOf(sc.a), versionKeyOf(sc.a2)},
		Chunks:   []stacksync.ChunkKey{chunkKeyOf(sc.c)},
	})
	sameAccess(t, promise+" (Load)", stacksync.AccessRows{
		Workspaces: accounts.Workspaces, Owners: accounts.Users[:1], Members: accounts.Members, Devices: devices,
	}, got.AccessRows)
	sameSet(t, promise+" (Load)", items, got.Items)
	sameSet(t, promise+" (Load)", superseded, got.Versions)
	sameSet(t, promise+" (Load)", chunks, got.Chunks)
	sameSet(t, promise+" (Children)", items, l.children(stacksync.ChildrenParams{Workspace: w, PageBound: stacksync.PageBound{Limit: 10}}))
	sameList(t, promise+" (Changes)", items, l.changes(stacksync.ChangesParams{Workspace: w, PageBound: stacksync.PageBound{Limit: 10}}).Items)
	sameSet(t, promise+" (Versions)", append(superseded[:len(superseded):len(superseded)], versionOf(items, sc.a.ID)),
		l.versions(stacksync.VersionsParams{Workspace: w, Item: sc.a.ID, PageBound: stacksync.PageBound{Limit: 10}}))
}

func versionOf(rows []stacksync.ItemRow, id stacksync.ItemID) (found stacksync.ItemRow) {
	for _, row := range rows {
		if row.ID == id {
			found = row
		}
	}
	return found
}

// isolation needs no goroutine: it looks from inside the closure of an open Update.
func isolation(t T, s Suite) {
	sc := newScene(t, s)
	sc.update(func(c change) {
		c.lock(locksOf(sc.change))
		c.put(sc.change)
		sc.requireAfter(c.look, "a Tx sees its own rows")
		err := tryView(sc.ctx, sc.store, func(l look) {
			sc.requireBefore(l, "nobody sees a row before the transaction that Put it has committed")
		})
		require.NoError(t, err, "readers never wait for writers: a View inside the closure of an Update")
	})
	sc.read(func(l look) { sc.requireAfter(l, "what an Update has committed is there for all when it has returned") })
}

// isolationOfUpdates has one Update read while another is open. A store that runs them one at a time shows nothing either.
func isolationOfUpdates(t T, s Suite) {
	r := newRig(t, s)
	u := r.user()
	var open, seen atomic.Bool
	put, done := make(chan struct{}), make(chan struct{})
	putOnce, doneOnce := sync.OnceFunc(func() { close(put) }), sync.OnceFunc(func() { close(done) })
	r.together(func() error {
		defer putOnce() // also after an error: the other one waits
		return tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(lockUsers(u.ID))
			c.put(stacksync.PutParams{Users: []stacksync.User{u}})
			open.Store(true)
			putOnce()
			select {
			case <-done:
			case <-time.After(r.grace):
			}
			open.Store(false)
		})
	}, func() error {
		<-put
		return tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(lockUsers("somebody else"))
			found := len(c.users(u.ID)) > 0
			if found && open.Load() {
				seen.Store(true)
			}
			doneOnce()
		})
	})
	require.False(t, seen.Load(), "promised: nobody sees a row before the transaction that Put it has committed\nbut another Update did")
}

func rollback(t T, s Suite) {
	sc := newScene(t, s)
	reason := errors.New("reason")
	for _, err := range []error{reason, fmt.Errorf("wrapped: %w", reason), &stacksync.QuotaError{}, context.Canceled, stacksync.ErrClosed} {
		got := sc.store.Update(sc.ctx, func(ctx context.Context, tx stacksync.Tx) error {
			failed := caught(func() {
				c := change{look{ctx, tx}, tx}
				c.lock(locksOf(sc.change))
				c.put(sc.change)
			})
			return errors.Join(failed, err)
		})
		require.ErrorIs(t, got, err, "a closure's error is returned as it is")
		sc.read(func(l look) { sc.requireBefore(l, "when Update returns its closure's error, nothing was saved") })
	}
	sc.save(sc.change)
	sc.read(func(l look) { sc.requireAfter(l, "after failed Updates, the next one can save") })
}

func panics(t T, s Suite) {
	sc := newScene(t, s)
	func() {
		defer func() {
			require.NotNil(t, recover(), "the panic of a closure must reach the caller, who must not think that all is well")
		}()
		_ = tryUpdate(sc.ctx, sc.store, func(c change) {
			c.lock(locksOf(sc.change))
			c.put(sc.change)
			panic("from the closure of an Update")
		})
	}()
	func() {
		defer func() { require.NotNil(t, recover(), "the panic of a closure must reach the caller") }()
		_ = tryView(sc.ctx, sc.store, func(look) { panic("from the closure of a View") })
	}()
	sc.read(func(l look) { sc.requireBefore(l, "an Update whose closure panicked saved nothing") })
	sc.save(sc.change)
	sc.read(func(l look) { sc.requireAfter(l, "after a panic, the next Update can lock and save the same rows") })
}

// goexits does what t.FailNow does in a closure.
func goexits(t T, s Suite) {
	sc := newScene(t, s)
	for _, leave := range []func(){
		func() {
			_ = tryUpdate(sc.ctx, sc.store, func(c change) {
				c.lock(locksOf(sc.change))
				c.put(sc.change)
				runtime.Goexit()
			})
		},
		func() { _ = tryView(sc.ctx, sc.store, func(look) { runtime.Goexit() }) },
	} {
		left := make(chan struct{})
		go func() {
			defer close(left)
			leave()
		}()
		<-left
	}
	sc.read(func(l look) { sc.requireBefore(l, "an Update whose goroutine ended in the closure saved nothing") })
	sc.save(sc.change)
	sc.read(func(l look) { sc.requireAfter(l, "after that, the next Update can lock and save the same rows") })
}

func viewError(t T, s Suite) {
	r := newRig(t, s)
	reason := errors.New("reason")
	err := r.store.View(r.ctx, func(context.Context, stacksync.Reader) error { return fmt.Errorf("wrapped: %w", reason) })
	require.ErrorIs(t, err, reason, "a closure's error is returned as it is")
}

func endedContext(t T, s Suite) {
	r := newRig(t, s)
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	err := tryUpdate(ctx, r.store, func(change) { t.Errorf("Update ran its closure though ctx had ended before") })
	require.ErrorIs(t, err, context.Canceled, "Update returns the error of a ctx that has ended")
	err = tryView(ctx, r.store, func(look) { t.Errorf("View ran its closure though ctx had ended before") })
	require.ErrorIs(t, err, context.Canceled, "View returns the error of a ctx that has ended")
}

func contextEndsInside(t T, s Suite) {
	sc := newScene(t, s)
	ctx, cancel := context.WithCancel(sc.ctx)
	err := tryUpdate(ctx, sc.store, func(c change) {
		c.lock(locksOf(sc.change))
		c.put(sc.change)
		cancel()
		require.Error(t, c.ctx.Err(), "the ctx of a closure ends with that of its Update")
		c.users("anyone")
		t.Errorf("a method returned no error though ctx had ended")
	})
	require.ErrorIs(t, err, context.Canceled, "Update returns the error of its ctx")
	sc.read(func(l look) { sc.requireBefore(l, "when ctx ends in the closure, nothing was saved") })

	ctx, cancel = context.WithCancel(sc.ctx)
	err = tryUpdate(ctx, sc.store, func(c change) {
		c.lock(locksOf(sc.change))
		c.put(sc.change)
		cancel()
	})
	if err == nil {
		sc.read(func(l look) {
			sc.requireAfter(l, "Update returned nil, so all was saved, though ctx had ended before the commit")
		})
		return
	}
	require.ErrorIs(t, err, context.Canceled, "Update returns the error of its ctx")
	sc.read(func(l look) {
		sc.requireBefore(l, "Update returned the error of a ctx that ended before the commit: nothing was saved")
	})
	sc.save(sc.change)
	sc.read(func(l look) { sc.requireAfter(l, "after that, the next Update can lock and save the same rows") })
}

func viewAfterUpdate(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	row := r.file(h.id(), stacksync.ItemID{})
	r.save(putItems(row))
	for range 50 {
		row = r.next(row)
		r.save(putItems(row))
		r.view(func(l look) {
			sameSet(t, "the reads of a View see at least all that was committed before it began", []stacksync.ItemRow{row}, l.items(itemKeys(row)...))
		})
	}
}

// snapshot commits in the middle of a View.
func snapshot(t T, s Suite) {
	sc := newScene(t, s)
	saved := false
	sc.view(func(l look) {
		if saved { // the store runs the closure again
			return
		}
		sc.requireBefore(l, "a View sees what was committed before it began")
		sc.save(sc.change)
		saved = true
		sc.requireBefore(l, "all reads of a View see the state that the first one saw")
	})
	sc.read(func(l look) { sc.requireAfter(l, "what an Update has committed is there for all when it has returned") })
}
