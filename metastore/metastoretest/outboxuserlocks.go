package metastoretest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func outboxUserLockChecks() []check {
	return []check{
		{Name: "ClaimHints passes over users that another transaction has locked, without waiting", Run: claimPassesOverUsers},
		{Name: "ClaimHints passes over the owners of workspaces that another transaction has locked", Run: claimPassesOverOwners},
		{Name: "ClaimHints passes over users that another transaction has claimed or marked", Run: claimPassesOverOutboxUsers},
		{Name: "concurrent Claims never return a user twice", Run: claimsShareUsers},
		{Name: "MarkNotified waits for who has locked a user, and neither loses its work", Run: markBesidePutOfUser},
		{Name: "a Put waits for who has marked a user, and neither loses its work", Run: putBesideMarkOfUser},
		{Name: "a Put waits for who has claimed a user, and neither loses its work", Run: putBesideClaimOfUser},
		{Name: "concurrent MarkNotifieds of many users and workspaces don't deadlock", Run: marksOfUsersDontDeadlock},
	}
}

// requireUserPassedOver has hold keep the first of three due users, and claims beside it.
func requireUserPassedOver(t T, s Suite, hold func(c change, u stacksync.User, of stacksync.Workspace)) {
	t.Helper()
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	users := r.owingUsers(now.Add(-time.Hour), now, now)
	w := r.workspace(users[0].ID)
	w.Notified = w.Revision
	r.save(stacksync.PutParams{Workspaces: []stacksync.Workspace{w}})
	const promise = "ClaimHints passes over what other transactions have locked: users too"
	var claimed []stacksync.User
	beside, err := r.beside(func(c change) { hold(c, users[0], w) }, func(c change, _ bool) {
		claimed = c.claimUsers(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 2})
	})
	require.NoError(t, err, "%s, and does not wait for them", promise)
	if !beside { // then the first transaction is over
		return
	}
	sameOnce(t, promise+", which do not count for Limit", usersDueAt(until, users[1:]...), claimed)
	r.view(func(l look) {
		sameSet(t, promise+", but takes the rest", usersDueAt(until, users[1:]...), l.users(userIDs(users[1:]...)...))
	})
}

func claimPassesOverUsers(t T, s Suite) {
	requireUserPassedOver(t, s, func(c change, u stacksync.User, _ stacksync.Workspace) { c.lock(lockUsers(u.ID)) })
}

func claimPassesOverOwners(t T, s Suite) {
	requireUserPassedOver(t, s, func(c change, _ stacksync.User, of stacksync.Workspace) { c.lock(lockWorkspaces(of.ID)) })
}

func claimPassesOverOutboxUsers(t T, s Suite) {
	requireUserPassedOver(t, s, func(c change, u stacksync.User, _ stacksync.Workspace) {
		c.claimUsers(stacksync.ClaimHintsParams{Now: u.HintDue, Until: u.HintDue, Limit: 1})
	})
	requireUserPassedOver(t, s, func(c change, u stacksync.User, _ stacksync.Workspace) { c.mark(markOf(u.HintDue, -1, u)) })
}

func claimsShareUsers(t T, s Suite) {
	r := newRig(t, s)
	const callers, n, limit = 8, 60, 3
	now := r.time()
	until := now.Add(time.Hour)
	users := r.owingUsers(slices.Repeat([]time.Time{now}, n)...)
	var mu sync.Mutex
	var all []stacksync.User
	fs := make([]func() error, callers)
	for i := range fs {
		fs[i] = func() error {
			for {
				var claimed []stacksync.User
				if err := tryUpdate(r.ctx, r.store, func(c change) {
					claimed = c.claimUsers(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit})
					runtime.Gosched() // lets others come between
				}); err != nil {
					return err
				}
				if len(claimed) == 0 {
					return nil
				}
				mu.Lock()
				all = append(all, claimed...)
				mu.Unlock()
			}
		}
	}
	r.together(fs...)
	sameOnce(t, "of many callers, each user is claimed by one", usersDueAt(until, users...), all)
}

// userOwesTwo is owesTwo of a user.
func (r *rig) userOwesTwo() stacksync.User {
	r.t.Helper()
	return only(r.t, r.saveUsers(1, func(_ int, u *stacksync.User) { u.Notified = u.Revision - 2 }))
}

// raiseUser reads a user and Puts it at its next revision.
func raiseUser(c change, id stacksync.UserID) {
	read := only(failer{}, c.users(id))
	read.Revision++
	c.put(stacksync.PutParams{Users: []stacksync.User{read}})
}

func markBesidePutOfUser(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	u := r.userOwesTwo()
	var read stacksync.User
	r.overlap("MarkNotified locks the users", r.store, r.store, func(c change) {
		c.lock(lockUsers(u.ID))
		read = only(failer{}, c.users(u.ID))
	}, func(c change) {
		c.mark(markOf(due, -1, u))
	}, func(c change) {
		read.Revision++
		c.put(stacksync.PutParams{Users: []stacksync.User{read}})
	})
	want := u
	want.Revision, want.Notified, want.HintDue = u.Revision+1, u.Revision-1, due
	r.view(func(l look) {
		sameList(t, "a mark that is made beside a transaction that Puts the user is not lost, and does not undo the Put",
			[]stacksync.User{want}, l.users(u.ID))
	})
}

func putBesideMarkOfUser(t T, s Suite) {
	requirePutOfUserAfter(t, s, func(c change, u stacksync.User) stacksync.User {
		due := u.HintDue.Add(time.Hour)
		c.mark(markOf(due, -1, u))
		return usersDueAt(due, notifiedUser(u, u.Revision-1))[0]
	})
}

func putBesideClaimOfUser(t T, s Suite) {
	requirePutOfUserAfter(t, s, func(c change, u stacksync.User) stacksync.User {
		until := u.HintDue.Add(time.Hour)
		c.claimUsers(stacksync.ClaimHintsParams{Now: u.HintDue, Until: until, Limit: 10})
		return usersDueAt(until, u)[0]
	})
}

// requirePutOfUserAfter is requirePutAfter of a user.
func requirePutOfUserAfter(t T, s Suite, first func(c change, u stacksync.User) stacksync.User) {
	t.Helper()
	r := newRig(t, s)
	u := r.userOwesTwo()
	var want stacksync.User
	r.overlap("what MarkNotified or ClaimHints works on is locked: users too", r.store, r.store, func(c change) {
		want = first(c, u)
	}, func(c change) {
		c.lock(lockUsers(u.ID))
		raiseUser(c, u.ID)
	}, nil)
	want.Revision++
	r.view(func(l look) {
		sameList(t, "a Put that comes after a MarkNotified or a ClaimHints does not undo it", []stacksync.User{want}, l.users(u.ID))
	})
}

// marksOfUsersDontDeadlock marks the same users and workspaces from many callers, beside others that lock and Put, or claim.
func marksOfUsersDontDeadlock(t T, s Suite) {
	r := newRig(t, s)
	const callers, rounds, n, seed = 9, 8, 10, 20_261_123
	t.Logf("seed %d", seed)
	now := r.time()
	users := r.saveUsers(n, func(_ int, u *stacksync.User) { u.Notified, u.HintDue = 0, now })
	var ws []stacksync.Workspace
	for i := range n {
		w := r.workspace(users[(i*7+3)%n].ID)
		w.Notified, w.HintDue = 0, now
		ws = append(ws, w)
	}
	r.save(stacksync.PutParams{Workspaces: ws})
	var puts [n]atomic.Int64
	fs := make([]func() error, callers)
	for i := range fs {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		fs[i] = func() error {
			for round := range int64(rounds) {
				picked := random.Perm(n)[:n/2]
				err := tryUpdate(r.ctx, r.store, func(c change) {
					switch i % 3 {
					case 0:
						p := stacksync.MarkNotifiedParams{Due: now, Notified: map[stacksync.WorkspaceID]int64{}, Users: map[stacksync.UserID]int64{}}
						for k := range n {
							p.Users[users[k].ID], p.Notified[ws[k].ID] = round+1, round+1
						}
						c.mark(p)
					case 1:
						raiseUsers(c, users, ws, picked)
					default:
						c.claimUsers(stacksync.ClaimHintsParams{Now: now, Until: now, Limit: n})
					}
				})
				if err != nil {
					return fmt.Errorf("promised: MarkNotified locks the workspaces, then the users, by id, and ClaimHints waits for nobody, so that they never deadlock: %w", err)
				}
				for _, k := range picked {
					if i%3 == 1 {
						puts[k].Add(1)
					}
				}
			}
			return nil
		}
	}
	r.together(fs...)
	for k := range users {
		users[k].Revision += puts[k].Load()
		users[k].Notified, ws[k].Notified = rounds, rounds
	}
	r.view(func(l look) {
		sameSet(t, "no mark and no Put is lost", users, l.users(userIDs(users...)...))
		sameSet(t, "no mark is lost", ws, l.workspaces(ws...))
	})
}

// raiseUsers locks the picked users, and a workspace of somebody, reads the users, and Puts each at its next revision.
func raiseUsers(c change, users []stacksync.User, ws []stacksync.Workspace, picked []int) {
	locks := lockWorkspaces(ws[picked[0]].ID)
	for _, k := range picked {
		locks.Users = append(locks.Users, users[k].ID)
	}
	c.lock(locks)
	rows := slices.Clone(c.users(locks.Users...)) // rows handed out may be shared
	for i := range rows {
		rows[i].Revision++
	}
	runtime.Gosched() // lets others come between
	c.put(stacksync.PutParams{Users: rows})
}
