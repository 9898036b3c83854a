package metastoretest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// outboxLockChecks has each check for both kinds of debtors, but for two handles: one kind shows
// that they share their locks. A function in place of a method is of one kind alone, or checks
// workspaces and users together.
func outboxLockChecks() []check {
	w, u := workspaceDebtor(), userDebtor()
	return []check{
		{Name: "ClaimHints passes over what another transaction has locked, without waiting", Run: w.claimPassesOver},
		{Name: "ClaimHints passes over users that another transaction has locked, without waiting", Run: u.claimPassesOver},
		{Name: "ClaimHints passes over the owners of workspaces that another transaction has locked", Run: claimPassesOverOwners},

		{Name: "ClaimHints passes over what another transaction has claimed or marked", Run: w.claimPassesOverOutbox},
		{Name: "ClaimHints passes over users that another transaction has claimed or marked", Run: u.claimPassesOverOutbox},

		{Name: "concurrent Claims never return a workspace twice", Run: w.claimsShare},
		{Name: "concurrent Claims never return a user twice", Run: u.claimsShare},
		{Name: "concurrent Claims through two handles never return a workspace twice", Run: w.claimsShareHandles},

		{Name: "MarkNotified waits for who has locked a workspace, and neither loses its work", Run: w.markBesidePut},
		{Name: "MarkNotified waits for who has locked a user, and neither loses its work", Run: u.markBesidePut},

		{Name: "a Put waits for who has marked a workspace, and neither loses its work", Run: w.putBesideMark},
		{Name: "a Put waits for who has marked a user, and neither loses its work", Run: u.putBesideMark},

		{Name: "a Put waits for who has claimed a workspace, and neither loses its work", Run: w.putBesideClaim},
		{Name: "a Put waits for who has claimed a user, and neither loses its work", Run: u.putBesideClaim},

		{Name: "concurrent MarkNotifieds of many workspaces don't deadlock", Run: marksOfWorkspacesDontDeadlock},
		{Name: "concurrent MarkNotifieds of many users and workspaces don't deadlock", Run: marksOfBothDontDeadlock},
	}
}

// requirePassedOver has a transaction lock the first of three due rows, by what hold returns, and
// claims beside it.
func (d debtor[ID, R]) requirePassedOver(t T, s Suite, hold func(r *rig, first R) func(c change)) {
	t.Helper()
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	rows := d.owing(r, now.Add(-time.Hour), now, now)
	promise := "ClaimHints passes over " + d.kind + " that other transactions have locked"
	var claimed []R
	beside, err := r.beside(hold(r, rows[0]), func(c change, _ bool) {
		claimed = d.claim(c, stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 2})
	})
	require.NoError(t, err, "%s, and does not wait for them", promise)
	if !beside { // then the first transaction is over
		return
	}
	sameOnce(t, promise+", which do not count for Limit", dueAt(until, rows[1:]...), claimed)
	r.view(func(l look) { d.requireKept(t, l, promise+", but takes the rest", dueAt(until, rows[1:]...)...) })
}

func (d debtor[ID, R]) claimPassesOver(t T, s Suite) {
	d.requirePassedOver(t, s, func(_ *rig, first R) func(c change) {
		return func(c change) { c.lock(locksOf(d.putAlone(first))) }
	})
}

// claimPassesOverOwners locks a workspace, which itself owes nothing, of the first user.
func claimPassesOverOwners(t T, s Suite) {
	userDebtor().requirePassedOver(t, s, func(r *rig, first stacksync.User) func(c change) {
		w := r.workspace(first.ID)
		w.Notified = w.Revision
		r.save(stacksync.PutParams{Workspaces: []stacksync.Workspace{w}})
		return func(c change) { c.lock(lockWorkspaces(w.ID)) }
	})
}

func (d debtor[ID, R]) claimPassesOverOutbox(t T, s Suite) {
	d.requirePassedOver(t, s, func(_ *rig, first R) func(c change) {
		due := hintsOf(first).HintDue
		return func(c change) { d.claim(c, stacksync.ClaimHintsParams{Now: due, Until: due, Limit: 1}) }
	})
	d.requirePassedOver(t, s, func(_ *rig, first R) func(c change) {
		return func(c change) { c.mark(d.marksUp(hintsOf(first).HintDue, -1, first)) }
	})
}

func (d debtor[ID, R]) claimsShare(t T, s Suite) {
	r := newRig(t, s)
	d.requireShared(r, r.store)
}

// claimsShareHandles is passed by a store that keeps nothing outside its handle too: its second
// handle has nothing to claim.
func (d debtor[ID, R]) claimsShareHandles(t T, s Suite) {
	r := newRig(t, s)
	d.requireShared(r, r.store, r.open())
}

func (d debtor[ID, R]) requireShared(r *rig, stores ...stacksync.MetadataStore) {
	r.t.Helper()
	now := r.time()
	until := now.Add(time.Hour)
	rows := d.owing(r, slices.Repeat([]time.Time{now}, 60)...)
	claimed := claimTogether(r, func(c change) []R {
		return d.claim(c, stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 3})
	}, stores...)
	sameOnce(r.t, "of many callers that claim "+d.kind+", one gets each", dueAt(until, rows...), claimed)
}

// owesTwo saves a row that owes hints for two revisions: marked for one of them it comes out the
// same, whether another transaction has raised its Revision before that or does after it.
func (d debtor[ID, R]) owesTwo(r *rig) R {
	r.t.Helper()
	return only(r.t, d.save(r, 1, func(_ int, h *hints) { h.Notified = h.Revision - 2 }))
}

// markBesidePut marks a row while another transaction, which has locked and read it, has yet to Put
// it.
func (d debtor[ID, R]) markBesidePut(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	row := d.owesTwo(r)
	var read R
	r.overlap("MarkNotified locks the "+d.kind, r.store, r.store, func(c change) {
		c.lock(locksOf(d.putAlone(row)))
		read = only(failer{}, d.read(c.look, row))
	}, func(c change) {
		c.mark(d.marksUp(due, -1, row))
	}, func(c change) {
		read = withHints(read, func(h *hints) { h.Revision++ })
		c.put(d.putAlone(read))
	})
	want := withHints(row, func(h *hints) { *h = hints{Revision: h.Revision + 1, Notified: h.Revision - 1, HintDue: due} })
	r.view(func(l look) {
		d.requireKept(t, l, "a mark that is made beside a transaction that Puts the row is not lost, and does not undo the Put", want)
	})
}

// putBesideMark locks, reads and Puts a row while another transaction, which has marked it, has yet
// to commit.
func (d debtor[ID, R]) putBesideMark(t T, s Suite) {
	d.requirePutAfter(t, s, func(c change, row R) R {
		due := hintsOf(row).HintDue.Add(time.Hour)
		c.mark(d.marksUp(due, -1, row))
		return dueAt(due, notified(row, hintsOf(row).Revision-1))[0]
	})
}

func (d debtor[ID, R]) putBesideClaim(t T, s Suite) {
	d.requirePutAfter(t, s, func(c change, row R) R {
		due := hintsOf(row).HintDue
		until := due.Add(time.Hour)
		d.claim(c, stacksync.ClaimHintsParams{Now: due, Until: until, Limit: 10})
		return dueAt(until, row)[0]
	})
}

// requirePutAfter has a transaction lock, read and Put a row while the transaction of first has yet
// to commit. first returns the row as it leaves it.
func (d debtor[ID, R]) requirePutAfter(t T, s Suite, first func(c change, row R) R) {
	t.Helper()
	r := newRig(t, s)
	row := d.owesTwo(r)
	var want R
	r.overlap("what MarkNotified or ClaimHints works on is locked: "+d.kind, r.store, r.store, func(c change) {
		want = first(c, row)
	}, func(c change) {
		d.raise(c, locksOf(d.putAlone(row)), row)
	}, nil)
	want = withHints(want, func(h *hints) { h.Revision++ })
	r.view(func(l look) {
		d.requireKept(t, l, "a Put that comes after a MarkNotified or a ClaimHints does not undo it", want)
	})
}

// raise takes the locks, reads the rows, and Puts each at its next revision.
func (d debtor[ID, R]) raise(c change, locks stacksync.LockParams, rows ...R) {
	c.lock(locks)
	read := slices.Clone(d.read(c.look, rows...)) // rows handed out may be shared
	if len(read) != len(rows) {
		panic(failure{fmt.Errorf("read %d of %d %s", len(read), len(rows), d.kind)})
	}
	for i, row := range read {
		read[i] = withHints(row, func(h *hints) { h.Revision++ })
	}
	runtime.Gosched() // lets others come between
	c.put(d.putAlone(read...))
}

// raised returns the rows as requireNoDeadlock leaves them.
func (d debtor[ID, R]) raised(rows []R, by []int64, last int64) []R {
	rows = slices.Clone(rows)
	for i, row := range rows {
		rows[i] = withHints(row, func(h *hints) { h.Revision, h.Notified = h.Revision+by[i], last })
	}
	return rows
}

// marksOfWorkspacesDontDeadlock marks workspaces of one owner.
func marksOfWorkspacesDontDeadlock(t T, s Suite) {
	r := newRig(t, s)
	w := workspaceDebtor()
	now := r.time()
	ws := w.save(r, 12, func(_ int, h *hints) { h.Notified, h.HintDue = 0, now })
	raised, last := r.requireNoDeadlock(now, len(ws), func(c change, revision int64) {
		c.mark(w.marks(now, ws, slices.Repeat([]int64{revision}, len(ws))...))
	}, func(c change, picked []int) {
		rows := pick(ws, picked)
		w.raise(c, locksOf(w.putAlone(rows...)), rows...)
	})
	r.view(func(l look) { w.requireKept(t, l, "no mark and no Put is lost", w.raised(ws, raised, last)...) })
}

// marksOfBothDontDeadlock marks users together with workspaces of theirs, and locks one workspace,
// of any user, with the users that it raises.
func marksOfBothDontDeadlock(t T, s Suite) {
	r := newRig(t, s)
	w, u := workspaceDebtor(), userDebtor()
	const n = 10
	now := r.time()
	users := u.save(r, n, func(_ int, h *hints) { h.Notified, h.HintDue = 0, now })
	ws := make([]stacksync.Workspace, n)
	for i := range ws {
		ws[i] = r.workspace(users[(i*7+3)%n].ID)
		ws[i].Notified, ws[i].HintDue = 0, now
	}
	r.save(w.putAlone(ws...))
	raised, last := r.requireNoDeadlock(now, n, func(c change, revision int64) {
		p := u.marks(now, users, slices.Repeat([]int64{revision}, n)...)
		p.Notified = w.marks(now, ws, slices.Repeat([]int64{revision}, n)...).Notified
		c.mark(p)
	}, func(c change, picked []int) {
		rows := pick(users, picked)
		locks := locksOf(u.putAlone(rows...))
		locks.Workspaces = []stacksync.WorkspaceID{ws[picked[0]].ID}
		u.raise(c, locks, rows...)
	})
	r.view(func(l look) {
		u.requireKept(t, l, "no mark and no Put is lost", u.raised(users, raised, last)...)
		w.requireKept(t, l, "no mark is lost", w.raised(ws, make([]int64, n), last)...)
	})
}

// requireNoDeadlock has nine callers at a time: three mark, at revision 1, 2, …; three raise half
// of n rows, again and again; three claim. It returns how often each of the n rows was raised, and
// the last revision that was marked.
func (r *rig) requireNoDeadlock(now time.Time, n int, mark func(c change, revision int64), raise func(c change, picked []int)) (raised []int64, last int64) {
	r.t.Helper()
	const callers, rounds, seed = 9, 8, 20_261_123
	r.t.Logf("seed %d", seed)
	puts := make([]atomic.Int64, n)
	fs := make([]func() error, callers)
	for i := range fs {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		fs[i] = func() error {
			for round := range int64(rounds) {
				picked := random.Perm(n)[:n/2]
				err := tryUpdate(r.ctx, r.store, func(c change) {
					switch i % 3 {
					case 0:
						mark(c, round+1)
					case 1:
						raise(c, picked)
					default:
						c.claim(stacksync.ClaimHintsParams{Now: now, Until: now, Limit: n})
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
	for i := range puts {
		raised = append(raised, puts[i].Load())
	}
	return raised, rounds
}

// pick returns the rows at these places.
func pick[R any](rows []R, places []int) []R {
	picked := make([]R, len(places))
	for i, place := range places {
		picked[i] = rows[place]
	}
	return picked
}
