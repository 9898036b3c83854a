package metastoretest

import (
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func removeChecks() []check {
	return []check{
		{Name: "Remove deletes members, workspaces, users and operations in one call", Run: removeAll},
		{Name: "Remove deletes what it is given, and nothing beside it", Run: removeSome},
		{Name: "Remove ignores unknown keys, and may be given nothing", Run: removeUnknown},
		{Name: "the devices of a user are removed with it", Run: removeDevices},
		{Name: "what was removed can be Put again", Run: removeAndPut},
		{Name: "what was removed is not claimed, and can't be marked", Run: removedOwesNothing},
		{Name: "a failed Update has removed and purged nothing", Run: removeRollback},
		{Name: "a View goes on seeing what is removed and purged meanwhile", Run: removeBesideView},
		{Name: "an Update removes what it has Put itself, and shows neither", Run: removeOwnRows},
	}
}

// removeOf is what removes a home: members, workspace and user.
func removeOf(h home) stacksync.RemoveParams {
	return stacksync.RemoveParams{
		Members: memberKeys(h.member), Workspaces: []stacksync.WorkspaceID{h.id()}, Users: []stacksync.UserID{h.user.ID},
	}
}

// locksToRemove returns what the caller of Remove must have locked.
func locksToRemove(p stacksync.RemoveParams) stacksync.LockParams {
	locks := stacksync.LockParams{Workspaces: p.Workspaces, Users: p.Users, Operations: p.Operations}
	for _, key := range p.Members {
		locks.Workspaces, locks.Users = append(locks.Workspaces, key.Workspace), append(locks.Users, key.User)
	}
	return locks
}

// remove removes in a transaction of its own.
func (r *rig) remove(p stacksync.RemoveParams) {
	r.t.Helper()
	r.update(func(c change) {
		c.lock(locksToRemove(p))
		c.remove(p)
	})
}

// removeAndRead is saveAndRead of a Remove.
func (r *rig) removeAndRead(p stacksync.RemoveParams, fn func(l look)) {
	r.t.Helper()
	r.update(func(c change) {
		c.lock(locksToRemove(p))
		c.remove(p)
		fn(c.look)
	})
	r.read(fn)
	r.direct(func(l look) { requireNoAccess(r.t, l, p) })
}

// requireNoAccess looks for what p has removed where the service decides who may do what.
func requireNoAccess(t T, l look, p stacksync.RemoveParams) {
	t.Helper()
	for _, key := range p.Members {
		access := accessKey(key.Workspace, key.User, stacksync.DeviceID{})
		require.Empty(t, l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{access}}).Members, "who was removed has no access")
		page := l.changes(stacksync.ChangesParams{Workspace: key.Workspace, Access: access, PageBound: stacksync.PageBound{Limit: 1}})
		require.Empty(t, page.Members, "who was removed has no access")
		require.Empty(t, page.Items, "no items are read for a user who is not a member")
	}
}

func removeAll(t T, s Suite) {
	r := newRig(t, s)
	h, guest, stays := r.home(), r.home(), r.home()
	invited := r.invited(h.id(), guest.user.ID, stacksync.Viewer)
	d, op := r.device(h.user.ID), r.operation(h.id(), h.user.ID)
	r.save(stacksync.PutParams{
		Members: []stacksync.Member{invited}, Devices: []stacksync.Device{d}, Operations: []stacksync.Operation{op},
	})
	p := removeOf(h)
	p.Members, p.Operations = append(p.Members, memberKeys(invited)...), operationIDs(op)
	r.removeAndRead(p, func(l look) {
		const promise = "Remove deletes rows by key: nobody finds them any more"
		sameSet(t, promise, []stacksync.User{guest.user, stays.user}, l.users(h.user.ID, guest.user.ID, stays.user.ID))
		require.Empty(t, l.devices(h.user.ID), promise)
		require.Empty(t, l.memberships(h.user.ID).Members, promise)
		sameList(t, promise, []stacksync.Member{guest.member}, l.memberships(guest.user.ID).Members)
		require.Empty(t, l.members(h.id()), promise)
		require.Empty(t, l.operations(all(op)), promise)
		require.Empty(t, l.operations(ofWorkspaces(h.id(), op.Source)), promise)
		require.Empty(t, l.operations(ofUsers(h.user.ID)), promise)
		sameAccess(t, promise, stacksync.AccessRows{}, l.load(stacksync.LoadParams{
			Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, d.ID), accessKey(h.id(), guest.user.ID, stacksync.DeviceID{})},
		}).AccessRows)
		const beside = "Remove deletes nothing else"
		sameAccess(t, beside, stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{guest.workspace, stays.workspace}, Owners: []stacksync.User{guest.user, stays.user},
			Members: []stacksync.Member{guest.member, stays.member},
		}, l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{
			accessKey(guest.id(), guest.user.ID, d.ID), accessKey(stays.id(), stays.user.ID, d.ID),
		}}).AccessRows)
	})
}

// removeSome removes one kind of row at a time, each crosswise to what stays: of two users in two workspaces.
func removeSome(t T, s Suite) {
	r := newRig(t, s)
	a, b := r.home(), r.home()
	ab, ba := r.member(a.id(), b.user.ID, stacksync.Viewer), r.member(b.id(), a.user.ID, stacksync.Editor)
	ad, bd := r.device(a.user.ID), r.device(b.user.ID)
	bd.ID = ad.ID
	one, two := r.operation(a.id(), a.user.ID), r.operation(a.id(), a.user.ID)
	second := r.workspace(a.user.ID)
	r.save(stacksync.PutParams{
		Workspaces: []stacksync.Workspace{second}, Members: []stacksync.Member{ab, ba}, Devices: []stacksync.Device{ad, bd},
		Operations: []stacksync.Operation{one, two},
	})
	const promise = "Remove deletes rows by key, and no other"
	r.removeAndRead(stacksync.RemoveParams{Members: memberKeys(ab)}, func(l look) {
		sameList(t, promise, []stacksync.Member{a.member}, l.members(a.id()))
		sameSet(t, promise, []stacksync.Member{b.member, ba}, l.members(b.id()))
		sameSet(t, promise, []stacksync.Member{a.member, ba}, l.memberships(a.user.ID).Members)
		sameList(t, promise, []stacksync.Member{b.member}, l.memberships(b.user.ID).Members)
	})
	r.removeAndRead(stacksync.RemoveParams{Workspaces: []stacksync.WorkspaceID{second.ID}}, func(l look) {
		sameSet(t, promise, []stacksync.Workspace{a.workspace, b.workspace}, l.workspaces(a.workspace, second, b.workspace))
		sameSet(t, promise, []stacksync.User{a.user, b.user}, l.users(a.user.ID, b.user.ID))
	})
	r.removeAndRead(stacksync.RemoveParams{Operations: operationIDs(one)}, func(l look) {
		sameList(t, promise, []stacksync.Operation{two}, l.operations(all(one, two)))
		sameList(t, promise, []stacksync.Operation{two}, l.operations(ofUsers(a.user.ID)))
	})
	p := removeOf(a)
	p.Members = append(p.Members, memberKeys(ba)...)
	r.removeAndRead(p, func(l look) {
		sameSet(t, promise, []stacksync.User{b.user}, l.users(a.user.ID, b.user.ID))
		sameList(t, promise, []stacksync.Device{bd}, l.devices(b.user.ID))
		require.Empty(t, l.devices(a.user.ID), promise)
		sameList(t, promise, []stacksync.Member{b.member}, l.members(a.id(), b.id()))
		sameList(t, promise, []stacksync.Workspace{b.workspace}, l.workspaces(a.workspace, b.workspace))
		sameList(t, promise, []stacksync.Operation{two}, l.operations(ofWorkspaces(a.id())))
	})
}

func removeUnknown(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	d := r.device(h.user.ID)
	r.save(stacksync.PutParams{Devices: []stacksync.Device{d}})
	unknown := stacksync.WorkspaceID{UUID: r.uuid()}
	for _, p := range []stacksync.RemoveParams{
		{},
		{Members: []stacksync.MemberKey{}, Workspaces: []stacksync.WorkspaceID{}, Users: []stacksync.UserID{}, Operations: []stacksync.OperationID{}},
		{
			Members:    []stacksync.MemberKey{{Workspace: unknown, User: h.user.ID}, {Workspace: h.id(), User: "nobody"}, {}},
			Workspaces: []stacksync.WorkspaceID{unknown, {}, unknown}, Users: []stacksync.UserID{"nobody", "", h.user.ID + " "},
			Operations: []stacksync.OperationID{{UUID: r.uuid()}, {}},
		},
	} {
		r.removeAndRead(p, func(l look) {
			const promise = "unknown keys are ignored"
			sameList(t, promise, []stacksync.User{h.user}, l.users(h.user.ID))
			sameList(t, promise, []stacksync.Member{h.member}, l.members(h.id()))
			sameList(t, promise, []stacksync.Device{d}, l.devices(h.user.ID))
		})
	}
	p := removeOf(h)
	p.Members, p.Users = append(p.Members, p.Members...), append(p.Users, "nobody", h.user.ID)
	p.Workspaces = append(p.Workspaces, unknown, h.id())
	for range 2 { // the second time all are unknown
		r.removeAndRead(p, func(l look) {
			require.Empty(t, l.users(h.user.ID), "unknown keys beside known ones, and known ones given twice, are no harm")
			require.Empty(t, l.members(h.id()), "unknown keys beside known ones, and known ones given twice, are no harm")
		})
	}
}

func removeDevices(t T, s Suite) {
	r := newRig(t, s)
	u, other := r.user(), r.user()
	live, revoked, same := r.device(u.ID), r.device(u.ID), r.device(other.ID)
	revoked.Revoked, same.ID = true, live.ID
	r.save(stacksync.PutParams{Users: []stacksync.User{u, other}, Devices: []stacksync.Device{live, revoked, same}})
	const promise = "the devices of a user go with it"
	r.removeAndRead(stacksync.RemoveParams{Users: []stacksync.UserID{u.ID}}, func(l look) {
		require.Empty(t, l.devices(u.ID), promise)
		sameList(t, promise+", and those of others stay", []stacksync.Device{same}, l.devices(other.ID))
	})
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{u}}, func(l look) {
		sameList(t, promise, []stacksync.User{u}, l.users(u.ID))
		require.Empty(t, l.devices(u.ID), promise+", and don't come back with it")
	})
}

func removeAndPut(t T, s Suite) {
	r := newRig(t, s)
	h, guest := r.home(), r.home()
	op := r.operation(h.id(), h.user.ID)
	m := r.member(h.id(), guest.user.ID, stacksync.Editor)
	p := h.put()
	p.Members, p.Operations = append(p.Members, m), []stacksync.Operation{op}
	r.save(p)
	gone := removeOf(h)
	gone.Members, gone.Operations = append(gone.Members, memberKeys(m)...), operationIDs(op)
	const promise = "what was removed can be Put again, in the same transaction too, and is as it was"
	back := func(l look) {
		sameList(t, promise, p.Users, l.users(h.user.ID))
		sameSet(t, promise, p.Members, l.members(h.id()))
		sameSet(t, promise, []stacksync.Member{guest.member, m}, l.memberships(guest.user.ID).Members)
		sameList(t, promise, p.Workspaces, l.memberships(h.user.ID).Workspaces)
		sameList(t, promise, p.Operations, l.operations(ofWorkspaces(h.id())))
	}
	r.remove(gone)
	r.saveAndRead(p, back)
	r.update(func(c change) {
		c.lock(locksOf(p))
		c.remove(gone)
		c.put(p)
		back(c.look)
	})
	r.read(back)
}

func removedOwesNothing(t T, s Suite) {
	r := newRig(t, s)
	h, stays := r.home(), r.home()
	op := r.operation(h.id(), h.user.ID)
	r.save(putOperations(op))
	p := removeOf(h)
	p.Operations = operationIDs(op)
	r.remove(p)
	now := r.time()
	until := now.Add(time.Hour)
	r.update(func(c change) {
		got := c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10})
		sameOnce(t, "what was removed owes no hint", dueAt(until, stays.workspace), got.Workspaces)
		sameOnce(t, "what was removed owes no hint", dueAt(until, stays.user), got.Users)
		require.Empty(t, c.claimOperations(stacksync.ClaimOperationsParams{Now: now, Until: until, Limit: 10}), "what was removed is not claimed")
		c.mark(stacksync.MarkNotifiedParams{
			Due: now, Notified: map[stacksync.WorkspaceID]int64{h.id(): h.workspace.Revision}, Users: map[stacksync.UserID]int64{h.user.ID: h.user.Revision},
		})
	})
	r.read(func(l look) {
		require.Empty(t, l.workspaces(h.workspace), "MarkNotified makes nothing of what was removed")
		require.Empty(t, l.users(h.user.ID), "MarkNotified makes nothing of what was removed")
	})
}

func removeRollback(t T, s Suite) {
	sc := newScene(t, s)
	sc.save(sc.change)
	p := removeOf(sc.h)
	p.Users, p.Operations = append(p.Users, sc.other.ID), operationIDs(sc.op)
	reason := errors.New("reason")
	err := tryUpdate(sc.ctx, sc.store, func(c change) {
		c.lock(locksToRemove(p))
		for c.purge(stacksync.PurgeParams{Workspace: sc.h.id(), Limit: 2}) > 0 {
		}
		c.remove(p)
		require.Empty(t, c.users(sc.h.user.ID, sc.other.ID), "a Tx sees what it has removed")
		require.Empty(t, c.items(itemKeys(sc.a, sc.b, sc.new)...), "a Tx sees what it has purged")
		sc.view(func(l look) {
			sc.requireAfter(l, "nobody sees a Remove or a Purge before its transaction has committed")
		})
		sc.direct(func(l look) {
			sameSet(t, "nobody sees a Purge before its transaction has committed", []stacksync.ItemRow{sc.a2, sc.b, sc.new}, l.items(itemKeys(sc.a, sc.b, sc.new)...))
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	sc.read(func(l look) {
		sc.requireAfter(l, "when Update returns its closure's error, nothing is removed or purged")
	})
}

// removeBesideView commits a removal in the middle of a View.
func removeBesideView(t T, s Suite) {
	sc := newScene(t, s)
	sc.save(sc.change)
	p := removeOf(sc.h)
	p.Users, p.Operations = append(p.Users, sc.other.ID), operationIDs(sc.op)
	removed := false
	sc.view(func(l look) {
		if removed { // the store runs the closure again
			return
		}
		sc.requireAfter(l, "a View sees what was committed before it began")
		sc.purgeToTheEnd(sc.h.id(), 4)
		sc.remove(p)
		removed = true
		sc.requireAfter(l, "all reads of a View see the state that the first one saw")
	})
	sc.read(func(l look) {
		require.Empty(t, l.users(sc.h.user.ID, sc.other.ID), "what an Update has removed is gone for all when it has returned")
		require.Empty(t, l.items(itemKeys(sc.a, sc.b, sc.new)...), "what an Update has purged is gone for all when it has returned")
		require.Empty(t, l.operations(all(sc.op)), "what an Update has removed is gone for all when it has returned")
	})
}

func removeOwnRows(t T, s Suite) {
	r := newRig(t, s)
	u := r.user()
	w := r.workspace(u.ID)
	h := home{u, w, r.member(w.ID, u.ID, stacksync.Owner)}
	p := h.put()
	p.Devices, p.Operations = []stacksync.Device{r.device(u.ID)}, []stacksync.Operation{r.operation(w.ID, u.ID)}
	p.Items, p.Chunks = []stacksync.ItemRow{r.file(w.ID, stacksync.ItemID{})}, []stacksync.ChunkRow{r.chunk(w.ID)}
	gone := removeOf(h)
	gone.Operations = operationIDs(p.Operations...)
	nothing := func(l look) {
		const promise = "what a transaction has both Put and removed was never there"
		require.Empty(t, l.users(u.ID), promise)
		require.Empty(t, l.devices(u.ID), promise)
		require.Empty(t, l.members(w.ID), promise)
		require.Empty(t, l.memberships(u.ID).Members, promise)
		require.Empty(t, l.workspaces(w), promise)
		require.Empty(t, l.items(itemKeys(p.Items...)...), promise)
		require.Empty(t, l.operations(ofWorkspaces(w.ID)), promise)
	}
	r.update(func(c change) {
		c.lock(locksOf(p))
		c.put(p)
		require.Equal(t, 2, c.purge(stacksync.PurgeParams{Workspace: w.ID, Limit: 10}), "Purge deletes what its transaction has Put")
		c.remove(gone)
		nothing(c.look)
	})
	r.read(nothing)
}
