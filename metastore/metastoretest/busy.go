package metastoretest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func busyChecks() []check {
	return []check{
		{Name: "Lock waits no longer than Wait, then returns ErrBusy", Run: lockBusy},
		{Name: "after ErrBusy the transaction has failed", Run: busyFails},
		{Name: "Lock with a Wait gets what becomes free in time", Run: lockInTime},
		{Name: "the Wait of one transaction is not that of the next", Run: waitEnds},
		{Name: "a store of many writers runs Updates beside each other", Run: manyWriters},
	}
}

// lockBusy accepts a store whose Updates wait before they begin: it has nothing to wait for in Lock.
func lockBusy(t T, s Suite) {
	r := newRig(t, s)
	a, b := r.home(), r.home()
	second := r.workspace(a.user.ID)
	r.save(stacksync.PutParams{Workspaces: []stacksync.Workspace{second}})
	for _, pair := range [][2]stacksync.LockParams{
		{lockWorkspaces(a.id()), lockWorkspaces(b.id(), a.id())},
		{lockUsers(a.user.ID), lockUsers(b.user.ID, a.user.ID)},
		{lockUsers("nobody"), lockUsers("nobody")},
		{lockWorkspaces(second.ID), lockWorkspaces(a.id())}, // of one owner
	} {
		for _, wait := range []time.Duration{time.Nanosecond, 5 * time.Millisecond} {
			pair[1].Wait = wait
			beside, err := r.beside(func(c change) { c.lock(pair[0]) }, func(c change, _ bool) { c.lock(pair[1]) })
			if beside {
				require.ErrorIs(t, err, stacksync.ErrBusy, "where Wait is over first, Lock returns ErrBusy")
			} else {
				require.NoError(t, err, "Lock of what is free is not busy")
			}
		}
	}
}

// busyFails has a closure go on after ErrBusy, and return nil.
func busyFails(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	u := r.user()
	beside, err := r.beside(func(c change) { c.lock(lockWorkspaces(h.id())) }, func(c change, _ bool) {
		c.lock(lockUsers(u.ID))
		c.put(stacksync.PutParams{Users: []stacksync.User{u}})
		locks := lockWorkspaces(h.id())
		locks.Wait = time.Millisecond
		_, _ = c.tx.Lock(c.ctx, locks)
	})
	saved := []stacksync.User{u}
	if beside {
		require.Error(t, err, "after ErrBusy the transaction has failed, also if its closure returns nil")
		saved = nil
	} else {
		require.NoError(t, err)
	}
	r.read(func(l look) { sameSet(t, "of a transaction that was busy, nothing is saved", saved, l.users(u.ID)) })
	r.save(stacksync.PutParams{Users: []stacksync.User{u}})
	r.read(func(l look) {
		sameSet(t, "after that, the next Update can lock and save the same rows", []stacksync.User{u}, l.users(u.ID))
	})
}

func lockInTime(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	for _, pair := range [][2]stacksync.LockParams{
		{lockWorkspaces(h.id()), lockWorkspaces(h.id())},
		{lockUsers("nobody"), lockUsers("nobody")},
	} {
		pair[1].Wait = r.patience
		r.requireHeldOff("Lock with a Wait holds off like one without", r.store, r.store, pair[0], pair[1])
	}
}

// waitEnds looks for a Wait that stays set in a connection.
func waitEnds(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	locks := lockWorkspaces(h.id())
	locks.Wait = time.Millisecond
	r.update(func(c change) { c.lock(locks) })
	_, err := r.beside(func(c change) { c.lock(lockWorkspaces(h.id())) }, func(c change, _ bool) { c.lock(locks) })
	if err != nil {
		require.ErrorIs(t, err, stacksync.ErrBusy)
	}
	for range 3 { // whichever of its connections the store takes
		r.requireHeldOff("a Lock without a Wait waits longer than an earlier one with it", r.store, r.store, lockWorkspaces(h.id()), lockWorkspaces(h.id()))
	}
}

// manyWriters accepts a store that is not one, or has one writer.
func manyWriters(t T, s Suite) {
	r := newRig(t, s)
	a, b := r.home(), r.home()
	many, ok := stacksync.As[stacksync.ManyWriters](r.store)
	if ok {
		require.GreaterOrEqual(t, many.Writers(), 1, "Writers returns 1 or more")
	}
	beside, err := r.beside(func(c change) { c.lock(lockWorkspaces(a.id())) }, func(c change, _ bool) { c.lock(lockWorkspaces(b.id())) })
	require.NoError(t, err, "who locks other ids does not wait")
	if ok && many.Writers() > 1 {
		require.True(t, beside, "a store that gains from several Updates at once runs them beside each other")
	}
}
