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

func outboxLockChecks() []check {
	return []check{
		{Name: "ClaimHints passes over what another transaction has locked, without waiting", Run: claimPassesOver},
		{Name: "ClaimHints passes over what another transaction has claimed or marked", Run: claimPassesOverOutbox},
		{Name: "concurrent Claims never return a workspace twice", Run: claimsShare},
		{Name: "concurrent Claims through two handles never return a workspace twice", Run: claimsShareHandles},
		{Name: "MarkNotified waits for who has locked a workspace, and neither loses its work", Run: markBesidePut},
		{Name: "a Put waits for who has marked a workspace, and neither loses its work", Run: putBesideMark},
		{Name: "a Put waits for who has claimed a workspace, and neither loses its work", Run: putBesideClaim},
		{Name: "concurrent MarkNotifieds of many workspaces don't deadlock", Run: marksDontDeadlock},
	}
}

// requirePassedOver has hold keep the first of three due workspaces, and claims beside it.
func requirePassedOver(t T, s Suite, hold func(c change, w stacksync.Workspace)) {
	t.Helper()
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ws := r.owing(now.Add(-time.Hour), now, now)
	const promise = "ClaimHints passes over what other transactions have locked"
	var claimed []stacksync.Workspace
	beside, err := r.beside(func(c change) { hold(c, ws[0]) }, func(c change, _ bool) {
		claimed = c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 2})
	})
	require.NoError(t, err, "%s, and does not wait for them", promise)
	if !beside { // then the first transaction is over
		return
	}
	sameOnce(t, promise+", which do not count for Limit", dueAt(until, ws[1:]...), claimed)
	r.view(func(l look) {
		sameSet(t, promise+", but takes the rest", dueAt(until, ws[1:]...), l.workspaces(ws[1:]...))
	})
}

func claimPassesOver(t T, s Suite) {
	requirePassedOver(t, s, func(c change, w stacksync.Workspace) { c.lock(lockWorkspaces(w.ID)) })
}

func claimPassesOverOutbox(t T, s Suite) {
	requirePassedOver(t, s, func(c change, w stacksync.Workspace) {
		c.claim(stacksync.ClaimHintsParams{Now: w.HintDue, Until: w.HintDue, Limit: 1})
	})
	requirePassedOver(t, s, func(c change, w stacksync.Workspace) {
		c.mark(stacksync.MarkNotifiedParams{Due: w.HintDue, Notified: map[stacksync.WorkspaceID]int64{w.ID: 1}})
	})
}

func claimsShare(t T, s Suite) {
	r := newRig(t, s)
	r.requireShared(r.store, r.store)
}

// claimsShareHandles is passed by a store that keeps nothing outside its handle too: its second handle has nothing to claim.
func claimsShareHandles(t T, s Suite) {
	r := newRig(t, s)
	r.requireShared(r.store, r.open())
}

// requireShared has eight callers claim, over all the stores, until nothing is due any more.
func (r *rig) requireShared(stores ...stacksync.MetadataStore) {
	r.t.Helper()
	const callers, workspaces, limit = 8, 60, 3
	now := r.time()
	until := now.Add(time.Hour)
	ws := r.owing(slices.Repeat([]time.Time{now}, workspaces)...)
	var mu sync.Mutex
	var all []stacksync.Workspace
	fs := make([]func() error, callers)
	for i := range fs {
		fs[i] = func() error {
			for {
				var claimed []stacksync.Workspace
				if err := tryUpdate(r.ctx, stores[i%len(stores)], func(c change) {
					claimed = c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit})
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
	sameOnce(r.t, "of many callers, each workspace is claimed by one", dueAt(until, ws...), all)
}

// owesTwo saves a workspace that owes hints for two revisions: marked for one of them it comes out the same, whether
// another transaction has raised its Revision before that or does after it.
func (r *rig) owesTwo() stacksync.Workspace {
	r.t.Helper()
	return only(r.t, r.saveWorkspaces(1, func(_ int, w *stacksync.Workspace) { w.Notified = w.Revision - 2 }))
}

// markBesidePut marks while another transaction, which has locked and read the workspace, has yet to Put it.
func markBesidePut(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	w := r.owesTwo()
	var read stacksync.Workspace
	r.overlap("MarkNotified locks the workspaces", r.store, r.store, func(c change) {
		c.lock(lockWorkspaces(w.ID))
		read = only(failer{}, c.workspaces(w))
	}, func(c change) {
		c.mark(stacksync.MarkNotifiedParams{Due: due, Notified: map[stacksync.WorkspaceID]int64{w.ID: w.Revision - 1}})
	}, func(c change) {
		read.Revision++
		c.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{read}})
	})
	want := w
	want.Revision, want.Notified, want.HintDue = w.Revision+1, w.Revision-1, due
	r.view(func(l look) {
		sameSet(t, "a mark that is made beside a transaction that Puts the workspace is not lost, and does not undo the Put",
			[]stacksync.Workspace{want}, l.workspaces(w))
	})
}

// putBesideMark is the other way round.
func putBesideMark(t T, s Suite) {
	requirePutAfter(t, s, func(c change, w stacksync.Workspace) stacksync.Workspace {
		due := w.HintDue.Add(time.Hour)
		c.mark(stacksync.MarkNotifiedParams{Due: due, Notified: map[stacksync.WorkspaceID]int64{w.ID: w.Revision - 1}})
		return dueAt(due, notified(w, w.Revision-1))[0]
	})
}

func putBesideClaim(t T, s Suite) {
	requirePutAfter(t, s, func(c change, w stacksync.Workspace) stacksync.Workspace {
		until := w.HintDue.Add(time.Hour)
		c.claim(stacksync.ClaimHintsParams{Now: w.HintDue, Until: until, Limit: 10})
		return dueAt(until, w)[0]
	})
}

// requirePutAfter has a transaction lock, read and Put a workspace while first, which says how it leaves it, has yet to commit.
func requirePutAfter(t T, s Suite, first func(c change, w stacksync.Workspace) stacksync.Workspace) {
	t.Helper()
	r := newRig(t, s)
	w := r.owesTwo()
	var want stacksync.Workspace
	r.overlap("what MarkNotified or ClaimHints works on is locked", r.store, r.store, func(c change) {
		want = first(c, w)
	}, func(c change) {
		c.lock(lockWorkspaces(w.ID))
		read := only(failer{}, c.workspaces(w))
		read.Revision++
		c.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{read}})
	}, nil)
	want.Revision++
	r.view(func(l look) {
		sameSet(t, "a Put that comes after a MarkNotified or a ClaimHints does not undo it", []stacksync.Workspace{want}, l.workspaces(w))
	})
}

// marksDontDeadlock marks the same workspaces from many callers, beside others that lock and Put some, or claim.
func marksDontDeadlock(t T, s Suite) {
	r := newRig(t, s)
	const callers, rounds, workspaces, seed = 9, 8, 12, 20_261_123
	t.Logf("seed %d", seed)
	now := r.time()
	ws := r.saveWorkspaces(workspaces, func(_ int, w *stacksync.Workspace) { w.Notified, w.HintDue = 0, now })
	var puts [workspaces]atomic.Int64
	fs := make([]func() error, callers)
	for i := range fs {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		fs[i] = func() error {
			for round := range int64(rounds) {
				picked := random.Perm(workspaces)[:workspaces/2]
				err := tryUpdate(r.ctx, r.store, func(c change) {
					switch i % 3 {
					case 0:
						all := map[stacksync.WorkspaceID]int64{}
						for _, w := range ws {
							all[w.ID] = round + 1
						}
						c.mark(stacksync.MarkNotifiedParams{Due: now, Notified: all})
					case 1:
						raise(c, ws, picked)
					default:
						c.claim(stacksync.ClaimHintsParams{Now: now, Until: now, Limit: workspaces})
					}
				})
				if err != nil {
					return fmt.Errorf("promised: MarkNotified locks by id, and ClaimHints waits for nobody, so that they never deadlock: %w", err)
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
	for k := range ws {
		ws[k].Revision += puts[k].Load()
		ws[k].Notified = rounds
	}
	r.view(func(l look) { sameSet(t, "no mark and no Put is lost", ws, l.workspaces(ws...)) })
}

// raise locks the picked workspaces, reads them, and Puts each at its next revision.
func raise(c change, ws []stacksync.Workspace, picked []int) {
	var ids []stacksync.WorkspaceID
	var rows []stacksync.Workspace
	for _, k := range picked {
		ids, rows = append(ids, ws[k].ID), append(rows, ws[k])
	}
	c.lock(lockWorkspaces(ids...))
	rows = slices.Clone(c.workspaces(rows...)) // rows handed out may be shared
	for i := range rows {
		rows[i].Revision++
	}
	runtime.Gosched() // lets others come between
	c.put(stacksync.PutParams{Workspaces: rows})
}
