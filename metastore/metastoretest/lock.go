package metastoretest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func lockChecks() []check {
	return []check{
		{Name: "Lock holds off those that lock one of the same ids", Run: lockHoldsOff},
		{Name: "Lock also locks the owners of the workspaces", Run: lockOwners},
		{Name: "Lock locks users that don't exist yet", Run: lockUnknownUser},
		{Name: "Lock ignores unknown workspaces and repeated ids", Run: lockOddIDs},
		{Name: "an Update that waits ends with its ctx", Run: lockWaitEnds},
		{Name: "reads after Lock see all that was committed before it returned", Run: lockThenRead},
		{Name: "locks end with a failed transaction", Run: lockAfterFailure},
	}
}

func lockWorkspaces(ids ...stacksync.WorkspaceID) stacksync.LockParams {
	return stacksync.LockParams{Workspaces: ids}
}

func lockUsers(ids ...stacksync.UserID) stacksync.LockParams { return stacksync.LockParams{Users: ids} }

func lockHoldsOff(t T, s Suite) {
	r := newRig(t, s)
	a, b, c := r.home(), r.home(), r.home()
	const promise = "Lock holds off every other transaction that locks one of the same ids, until this one ends"
	for _, pair := range [][2]stacksync.LockParams{
		{lockWorkspaces(a.id()), lockWorkspaces(a.id())},
		{lockWorkspaces(a.id(), b.id()), lockWorkspaces(c.id(), b.id())},
		{lockUsers(a.user.ID), lockUsers(a.user.ID)},
		{lockUsers(c.user.ID, b.user.ID), lockUsers(a.user.ID, b.user.ID)},
	} {
		r.requireHeldOff(promise, r.store, r.store, pair[0], pair[1])
	}
}

func lockOwners(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	second := r.workspace(h.user.ID)
	r.save(stacksync.PutParams{Workspaces: []stacksync.Workspace{second}})
	const promise = "Lock locks the workspaces, and the owners of them"
	r.requireHeldOff(promise, r.store, r.store, lockWorkspaces(h.id()), lockUsers(h.user.ID))
	r.requireHeldOff(promise, r.store, r.store, lockUsers(h.user.ID), lockWorkspaces(second.ID))
	r.requireHeldOff(promise, r.store, r.store, lockWorkspaces(h.id()), lockWorkspaces(second.ID))
}

func lockUnknownUser(t T, s Suite) {
	r := newRig(t, s)
	r.requireHeldOff("an unknown user is locked too", r.store, r.store, lockUsers("nobody"), lockUsers("somebody", "nobody"))

	// Sixteen callers make the same user unless it is there: one of them does.
	u := r.user()
	var made atomic.Int64
	make1 := func() error {
		var mine bool
		err := tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(lockUsers(u.ID))
			mine = len(c.users(u.ID)) == 0
			if mine {
				c.put(stacksync.PutParams{Users: []stacksync.User{u}})
			}
		})
		if err == nil && mine {
			made.Add(1)
		}
		return err
	}
	callers := make([]func() error, 16)
	for i := range callers {
		callers[i] = make1
	}
	r.together(callers...)
	require.EqualValues(t, 1, made.Load(), "an unknown user is locked too: two transactions may be about to make it")
}

func lockOddIDs(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	unknown := stacksync.WorkspaceID{UUID: r.uuid()}
	r.update(func(c change) {
		c.lock(stacksync.LockParams{})
		c.lock(stacksync.LockParams{
			Workspaces: []stacksync.WorkspaceID{unknown, h.id(), h.id(), unknown},
			Users:      []stacksync.UserID{"nobody", h.user.ID, "nobody", h.user.ID},
		})
		c.lock(lockWorkspaces(h.id())) // a transaction does not hold off itself
		c.lock(lockUsers(h.user.ID, "nobody"))
		sameSet(t, "Lock saves and makes nothing", []stacksync.User{h.user}, c.users(h.user.ID, "nobody"))
		got := c.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(unknown, h.user.ID, stacksync.DeviceID{})}})
		require.Empty(t, got.Workspaces, "Lock saves and makes nothing")
	})
	r.read(func(l look) {
		sameSet(t, "Lock saves and makes nothing", []stacksync.User{h.user}, l.users(h.user.ID, "nobody"))
	})
}

func lockWaitEnds(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.update(func(c change) {
		c.lock(lockWorkspaces(h.id()))
		ctx, cancel := context.WithTimeout(r.ctx, defaultGrace)
		defer cancel()
		waited := make(chan error, 1)
		go func() {
			waited <- tryUpdate(ctx, r.store, func(c change) {
				c.lock(lockWorkspaces(h.id()))
			})
		}()
		select {
		case err := <-waited:
			require.ErrorIs(t, err, context.DeadlineExceeded, "an Update that waits for a lock returns the error of its ctx")
		case <-r.ctx.Done():
			t.Errorf("an Update that waits for a lock must end with its ctx")
		}
	})
}

// lockThenRead has a transaction read, another one commit, and then the first one lock and read again. A store that
// runs its transactions one at a time can't have the other one in between: then there is nothing to see.
func lockThenRead(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	now := h.workspace
	now.Revision++
	p := stacksync.PutParams{Workspaces: []stacksync.Workspace{now}, Users: []stacksync.User{h.user}}
	start := make(chan struct{})
	committed := make(chan struct{})
	startOnce := sync.OnceFunc(func() { close(start) })
	r.together(func() error {
		defer startOnce()
		return tryUpdate(r.ctx, r.store, func(c change) {
			key := stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, stacksync.DeviceID{})}}
			c.load(key)
			startOnce()
			var mustSee bool
			select {
			case <-committed:
				mustSee = true
			case <-time.After(r.grace):
			}
			c.lock(lockWorkspaces(h.id()))
			got := c.load(key).Workspaces
			if mustSee && (len(got) != 1 || got[0].Revision != now.Revision) {
				panic(failure{fmt.Errorf("promised: reads of a transaction after Lock see all that was committed before Lock returned; got %+v", got)})
			}
		})
	}, func() error {
		<-start
		err := tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(locksOf(p))
			c.put(p)
		})
		close(committed)
		return err
	})
}

func lockAfterFailure(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	locks := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{h.id()}, Users: []stacksync.UserID{"nobody"}}
	for i := range 3 {
		reason := fmt.Errorf("reason %d", i)
		err := tryUpdate(r.ctx, r.store, func(c change) {
			c.lock(locks)
			panic(failure{reason})
		})
		require.ErrorIs(t, err, reason, "the lock of a failed transaction must be free again")
	}
	r.update(func(c change) { c.lock(locks) })
}
