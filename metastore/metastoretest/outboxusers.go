package metastoretest

import (
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func outboxUserChecks() []check {
	return []check{
		{Name: "ClaimHints returns the users that owe a hint and are due", Run: claimDueUsers},
		{Name: "a claimed user is not due until then", Run: claimUsersAgain},
		{Name: "ClaimHints takes the longest due users first, and counts them on their own", Run: claimLongestDueUsers},
		{Name: "MarkNotified raises Notified of users, up to Revision, and never lowers it", Run: markRaisesUsers},
		{Name: "MarkNotified sets HintDue of users where a hint is still owed, and nowhere else", Run: markDueUsers},
		{Name: "MarkNotified ignores unknown users", Run: markUnknownUsers},
		{Name: "a user that owes no hint has no HintDue", Run: noHintDueOfUser},
		{Name: "a user that is Put owes a hint and is due in the same transaction", Run: claimOwnUsers},
		{Name: "a failed Update has claimed and marked no user", Run: outboxRollbackOfUsers},
	}
}

// saveUsers saves n users and returns them as a store keeps them.
func (r *rig) saveUsers(n int, change func(i int, u *stacksync.User)) []stacksync.User {
	r.t.Helper()
	users := make([]stacksync.User, n)
	for i := range users {
		users[i] = r.user()
		change(i, &users[i])
	}
	r.save(stacksync.PutParams{Users: users})
	for i, u := range users {
		users[i] = keptUser(u)
	}
	return users
}

// owingUsers saves a user for each due time that owes a hint for its last revision.
func (r *rig) owingUsers(due ...time.Time) []stacksync.User {
	r.t.Helper()
	return r.saveUsers(len(due), func(i int, u *stacksync.User) { u.Notified, u.HintDue = u.Revision-1, due[i] })
}

func userIDs(users ...stacksync.User) []stacksync.UserID {
	ids := make([]stacksync.UserID, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	return ids
}

// notifiedUser returns u as MarkNotified leaves it.
func notifiedUser(u stacksync.User, revision int64) stacksync.User {
	u.Notified = revision
	return keptUser(u)
}

// usersDueAt returns copies of the rows with another HintDue.
func usersDueAt(due time.Time, users ...stacksync.User) []stacksync.User {
	users = slices.Clone(users)
	for i := range users {
		users[i].HintDue = due
	}
	return users
}

// claimUsers claims in a transaction of its own.
func (r *rig) claimUsers(now, until time.Time, limit int) (claimed []stacksync.User) {
	r.t.Helper()
	r.update(func(c change) {
		claimed = c.claimUsers(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit})
	})
	return claimed
}

// markOf marks users as notified of their revisions plus by.
func markOf(due time.Time, by int64, users ...stacksync.User) stacksync.MarkNotifiedParams {
	p := stacksync.MarkNotifiedParams{Due: due, Users: map[stacksync.UserID]int64{}}
	for _, u := range users {
		p.Users[u.ID] = u.Revision + by
	}
	return p
}

func claimDueUsers(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	users := r.saveUsers(7, func(i int, u *stacksync.User) {
		u.Notified, u.HintDue = u.Revision-1, now.Add(-time.Hour)
		switch i {
		case 1:
			u.Notified, u.HintDue = 0, now
		case 2:
			u.Notified, u.HintDue = u.Revision-100, time.Time{}
		case 3:
			u.HintDue = now.Add(time.Microsecond)
		case 4:
			u.Notified = u.Revision
		case 5:
			u.Notified = u.Revision + 1
		case 6:
			u.Revision, u.Notified, u.HintDue = 0, 0, time.Time{} // a new user has nothing to hear
		}
	})
	until := now.Add(time.Minute)
	claimed := usersDueAt(until, users[:3]...)
	after := slices.Concat(claimed, users[3:])
	r.update(func(c change) {
		const promise = "ClaimHints picks users that owe a hint and whose HintDue is not after Now"
		got := must(c.tx.ClaimHints(c.ctx, stacksync.ClaimHintsParams{
			Now: now.In(time.FixedZone("somewhere", 5*3600+1800)), Until: until.In(time.FixedZone("elsewhere", -3600)), Limit: 10,
		}))
		sameOnce(t, promise+", and returns them with HintDue set to Until", claimed, got.Users)
		require.Empty(t, got.Workspaces, "no workspace owes a hint")
		for _, u := range got.Users {
			requireTime(t, "HintDue of what ClaimHints returns", until, u.HintDue)
		}
		sameSet(t, "a Tx sees what it has claimed, and ClaimHints changes nothing else", after, c.users(userIDs(users...)...))
	})
	r.read(func(l look) {
		sameSet(t, "a committed ClaimHints has set HintDue of what it returned, and changed nothing else", after, l.users(userIDs(users...)...))
	})
}

func claimUsersAgain(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	users := r.owingUsers(now, now)
	sameOnce(t, "ClaimHints returns what is due", usersDueAt(until, users...), r.claimUsers(now, until, 10))
	const promise = "ClaimHints sets HintDue, so that nobody else claims until then"
	require.Empty(t, r.claimUsers(now, until, 10), promise)
	require.Empty(t, r.claimUsers(until.Add(-time.Microsecond), until, 10), promise)
	later := until.Add(time.Hour)
	sameOnce(t, "what was claimed and never marked is due again", usersDueAt(later, users...), r.claimUsers(until, later, 10))
	sameOnce(t, "an Until that is over keeps nobody off", usersDueAt(now, users...), r.claimUsers(later, now, 10))
	sameOnce(t, "an Until that is over keeps nobody off", usersDueAt(later, users...), r.claimUsers(now, later, 10))
}

func claimLongestDueUsers(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	var due []time.Time
	for _, seconds := range []int{5, 2, 7, 1, 0, 4, 6, 3} {
		due = append(due, now.Add(-time.Duration(seconds)*time.Second))
	}
	due[7] = time.Time{} // the longest of all
	users := r.owingUsers(due...)
	slices.SortFunc(users, func(a, b stacksync.User) int { return a.HintDue.Compare(b.HintDue) })
	ws := r.saveWorkspaces(8, func(i int, w *stacksync.Workspace) { w.Notified, w.HintDue = 0, now.Add(-time.Hour) })
	r.save(stacksync.PutParams{Users: []stacksync.User{{ID: ws[0].Owner}}}) // owes nothing
	until := now.Add(time.Hour)
	claimed := 0
	for _, part := range [][]stacksync.User{users[:1], users[1:4], users[4:7], users[7:], nil} {
		limit := max(1, min(3, len(part)))
		r.update(func(c change) {
			got := must(c.tx.ClaimHints(c.ctx, stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit}))
			sameOnce(t, "where Limit cuts, ClaimHints picks the longest due ones", usersDueAt(until, part...), got.Users)
			require.Len(t, got.Workspaces, min(limit, len(ws)-claimed), "Limit is that of workspaces, and of as many users")
		})
		claimed = min(claimed+limit, len(ws))
	}
}

func markRaisesUsers(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	users := r.saveUsers(6, func(_ int, u *stacksync.User) { u.Notified = u.Revision - 10 })
	p := stacksync.MarkNotifiedParams{Due: due, Users: map[stacksync.UserID]int64{
		users[0].ID: users[0].Revision,
		users[1].ID: users[1].Notified + 1,
		users[2].ID: users[2].Notified,
		users[3].ID: users[3].Notified - 1,
		users[4].ID: users[4].Revision + 1,
	}}
	want := slices.Clone(users)
	copy(want[1:], usersDueAt(due, users[1:4]...))
	want[0] = notifiedUser(users[0], users[0].Revision)
	want[1].Notified++
	want[4] = notifiedUser(users[4], users[4].Revision)
	for range 2 { // the second time it changes nothing
		r.update(func(c change) {
			c.mark(p)
			sameSet(t, "a Tx sees what it has marked", want, c.users(userIDs(users...)...))
		})
		r.read(func(l look) {
			sameSet(t, "MarkNotified raises Notified where it is lower, but not above Revision, and leaves other users alone", want, l.users(userIDs(users...)...))
		})
	}
	w := only(t, r.owing(due))
	w.Notified++
	both := markOf(due, 0, users[5])
	both.Notified = map[stacksync.WorkspaceID]int64{w.ID: w.Revision}
	r.update(func(c change) { c.mark(both) })
	r.read(func(l look) {
		sameList(t, "one MarkNotified marks workspaces and users", []stacksync.User{notifiedUser(users[5], users[5].Revision)}, l.users(users[5].ID))
		sameList(t, "one MarkNotified marks workspaces and users", []stacksync.Workspace{kept(w)}, l.workspaces(w))
	})
}

func markDueUsers(t T, s Suite) {
	r := newRig(t, s)
	for _, due := range []time.Time{r.time(), r.time().In(time.FixedZone("somewhere", 5*3600+1800)), {}} {
		users := r.saveUsers(4, func(i int, u *stacksync.User) {
			u.Notified = u.Revision - 2
			if i == 3 {
				u.Notified = u.Revision
			}
		})
		want := slices.Clone(users)
		want[0].Notified, want[0].HintDue = users[0].Revision-1, due // still owed
		want[1].HintDue = due                                        // still owed: the mark is too low
		want[2] = notifiedUser(users[2], users[2].Revision)          // paid now
		r.update(func(c change) {
			c.mark(stacksync.MarkNotifiedParams{Due: due, Users: map[stacksync.UserID]int64{
				users[0].ID: users[0].Revision - 1, users[1].ID: 1, users[2].ID: users[2].Revision, users[3].ID: 1,
			}})
		})
		r.read(func(l look) {
			sameSet(t, "MarkNotified sets HintDue to Due where a hint is still owed afterwards, and nowhere else", want, l.users(userIDs(users...)...))
			requireTime(t, "HintDue", due, only(t, l.users(users[0].ID)).HintDue)
		})
		until := r.time().Add(time.Hour)
		sameOnce(t, "what is marked in full can't be claimed, what is not can when it is due", usersDueAt(until, want[:2]...), r.claimUsers(due, until, 10))
		r.update(func(c change) { c.mark(markOf(time.Time{}, 0, users[:2]...)) })
	}
}

func markUnknownUsers(t T, s Suite) {
	r := newRig(t, s)
	u := only(t, r.owingUsers(r.time()))
	unknown := r.user()
	r.update(func(c change) { c.mark(markOf(r.time(), 0, unknown, u)) })
	r.update(func(c change) { c.mark(markOf(r.time(), 0, unknown)) })
	r.read(func(l look) {
		sameList(t, "unknown users are ignored, and not made", []stacksync.User{notifiedUser(u, u.Revision)}, l.users(u.ID, unknown.ID))
	})
}

func noHintDueOfUser(t T, s Suite) {
	r := newRig(t, s)
	const promise = "where nothing is owed, a store keeps no HintDue"
	even, ahead, owes := r.user(), r.user(), r.user()
	even.Notified, ahead.Notified = even.Revision, ahead.Revision+1
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{even, ahead, owes}}, func(l look) {
		for _, u := range l.users(even.ID, ahead.ID) {
			require.Zero(t, u.HintDue, promise)
		}
		sameSet(t, promise, []stacksync.User{keptUser(even), keptUser(ahead), owes}, l.users(even.ID, ahead.ID, owes.ID))
	})
	paid := owes
	paid.Notified = paid.Revision
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{paid}}, func(l look) {
		sameList(t, promise+", also where a row is replaced", []stacksync.User{keptUser(paid)}, l.users(paid.ID))
	})
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{owes}}, func(l look) {
		sameList(t, "where a hint is owed again, HintDue is kept", []stacksync.User{owes}, l.users(owes.ID))
	})
}

func claimOwnUsers(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	u := r.user()
	u.Notified, u.HintDue = u.Revision-1, now
	p := stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10}
	next := u
	next.Revision++
	r.update(func(c change) {
		c.lock(lockUsers(u.ID))
		c.put(stacksync.PutParams{Users: []stacksync.User{u}})
		sameOnce(t, "ClaimHints sees what its Tx has Put", usersDueAt(until, u), c.claimUsers(p))
		require.Empty(t, c.claimUsers(p), "ClaimHints sees what its Tx has claimed")
		c.mark(markOf(time.Time{}, 0, u))
		c.put(stacksync.PutParams{Users: []stacksync.User{next}})
		sameOnce(t, "Put replaces what ClaimHints and MarkNotified have set", usersDueAt(until, next), c.claimUsers(p))
		c.mark(markOf(now, 0, u))
		sameOnce(t, "ClaimHints sees what its Tx has marked", usersDueAt(until, notifiedUser(next, u.Revision)), c.claimUsers(p))
	})
	r.read(func(l look) {
		sameList(t, "the last of Put, ClaimHints and MarkNotified counts", usersDueAt(until, notifiedUser(next, u.Revision)), l.users(u.ID))
	})
}

func outboxRollbackOfUsers(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	users := r.owingUsers(now, now, until)
	reason := errors.New("reason")
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.mark(markOf(now, 0, users[1:]...))
		c.claimUsers(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10})
		r.view(func(l look) {
			sameSet(t, "nobody sees a ClaimHints or a MarkNotified before its transaction has committed", users, l.users(userIDs(users...)...))
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	r.read(func(l look) {
		sameSet(t, "when Update returns its closure's error, nothing is claimed or marked", users, l.users(userIDs(users...)...))
	})
	sameOnce(t, "what a failed Update has claimed can be claimed at once", usersDueAt(until, users[:2]...), r.claimUsers(now, until, 10))
}
