package metastoretest

import (
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// outboxChecks has each check for both kinds of debtors. A function in place of a debtor's method
// checks workspaces and users together.
func outboxChecks() []check {
	w, u := workspaceDebtor(), userDebtor()
	return []check{
		{Name: "ClaimHints returns the workspaces that owe a hint and are due", Run: w.claimDue},
		{Name: "ClaimHints returns the users that owe a hint and are due", Run: u.claimDue},

		{Name: "what is claimed is not due until then", Run: w.claimAgain},
		{Name: "a claimed user is not due until then", Run: u.claimAgain},

		{Name: "ClaimHints takes the longest due first", Run: w.claimLongestDue},
		{Name: "ClaimHints takes the longest due users first, and counts them on their own", Run: claimLongestDueUsers},

		{Name: "a ClaimHints with a Limit below 1 is refused", Run: claimLimitBelowOne},

		{Name: "MarkNotified raises Notified, up to Revision, and never lowers it", Run: w.markRaises},
		{Name: "MarkNotified raises Notified of users, up to Revision, and never lowers it", Run: markRaisesUsers},

		{Name: "MarkNotified sets HintDue where a hint is still owed, and nowhere else", Run: w.markDue},
		{Name: "MarkNotified sets HintDue of users where a hint is still owed, and nowhere else", Run: u.markDue},

		{Name: "MarkNotified ignores unknown workspaces", Run: w.markUnknown},
		{Name: "MarkNotified ignores unknown users", Run: u.markUnknown},

		{Name: "a workspace that owes no hint has no HintDue", Run: w.noHintDue},
		{Name: "a user that owes no hint has no HintDue", Run: u.noHintDue},

		{Name: "what is Put owes a hint and is due in the same transaction", Run: w.claimOwn},
		{Name: "a user that is Put owes a hint and is due in the same transaction", Run: u.claimOwn},

		{Name: "a failed Update has claimed and marked nothing", Run: w.outboxRollback},
		{Name: "a failed Update has claimed and marked no user", Run: u.outboxRollback},

		{Name: "thousands of workspaces in one ClaimHints and one MarkNotified", Run: w.outboxMany},
		{Name: "thousands of users in one ClaimHints and one MarkNotified", Run: u.outboxMany},
	}
}

func (d debtor[ID, R]) claimDue(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	rows := d.save(r, 7, func(i int, h *hints) {
		h.Notified, h.HintDue = h.Revision-1, now.Add(-time.Hour)
		switch i {
		case 1:
			h.Notified, h.HintDue = 0, now
		case 2:
			h.Notified, h.HintDue = h.Revision-100, time.Time{}
		case 3:
			h.HintDue = now.Add(time.Microsecond)
		case 4:
			h.Notified = h.Revision
		case 5:
			h.Notified = h.Revision + 1
		case 6:
			*h = hints{} // of a new row there is nothing to tell
		}
	})
	until := now.Add(time.Minute)
	claimed := dueAt(until, rows[:3]...)
	after := slices.Concat(claimed, rows[3:])
	r.update(func(c change) {
		promise := "ClaimHints picks " + d.kind + " that owe a hint and whose HintDue is not after Now"
		result := c.claim(stacksync.ClaimHintsParams{
			Now: now.In(time.FixedZone("somewhere", 5*3600+1800)), Until: until.In(time.FixedZone("elsewhere", -3600)), Limit: 10,
		})
		got := *d.claimed(&result)
		sameOnce(t, promise+", and returns them with HintDue set to Until", claimed, got)
		require.Equal(t, len(got), len(result.Workspaces)+len(result.Users), "nothing is due but %s", d.kind)
		for _, row := range got {
			requireTime(t, "HintDue of what ClaimHints returns", until, hintsOf(row).HintDue)
		}
		d.requireKept(t, c.look, "a Tx sees what it has claimed, and ClaimHints changes nothing else", after...)
	})
	r.read(func(l look) {
		d.requireKept(t, l, "a committed ClaimHints has set HintDue of what it returned, and changed nothing else", after...)
	})
}

func (d debtor[ID, R]) claimAgain(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	rows := d.owing(r, now, now)
	sameOnce(t, "ClaimHints returns what is due", dueAt(until, rows...), d.claimAlone(r, now, until, 10))
	const promise = "ClaimHints sets HintDue, so that nobody else claims until then"
	require.Empty(t, d.claimAlone(r, now, until, 10), promise)
	require.Empty(t, d.claimAlone(r, until.Add(-time.Microsecond), until, 10), promise)
	later := until.Add(time.Hour)
	sameOnce(t, "what was claimed and never marked is due again", dueAt(later, rows...), d.claimAlone(r, until, later, 10))
	require.Empty(t, d.claimAlone(r, until, later, 10), promise)
	sameOnce(t, "an Until that is over keeps nobody off", dueAt(now, rows...), d.claimAlone(r, later, now, 10))
	sameOnce(t, "an Until that is over keeps nobody off", dueAt(later, rows...), d.claimAlone(r, now, later, 10))
}

func (d debtor[ID, R]) claimLongestDue(t T, s Suite) {
	r := newRig(t, s)
	d.requireLongestDue(r, r.time(), func(int, stacksync.ClaimHintsResult) {})
}

// claimLongestDueUsers has workspaces due beside the users: Limit is that of workspaces, and of as
// many users.
func claimLongestDueUsers(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	left := 8
	workspaceDebtor().save(r, left, func(_ int, h *hints) { h.Notified, h.HintDue = 0, now.Add(-time.Hour) })
	userDebtor().requireLongestDue(r, now, func(limit int, result stacksync.ClaimHintsResult) {
		require.Len(t, result.Workspaces, min(limit, left), "Limit is that of workspaces, and of as many users")
		left -= len(result.Workspaces)
	})
}

// requireLongestDue saves eight rows that are due at now, and claims them in parts. beside is given
// what was claimed in each part.
func (d debtor[ID, R]) requireLongestDue(r *rig, now time.Time, beside func(limit int, result stacksync.ClaimHintsResult)) {
	r.t.Helper()
	var due []time.Time
	for _, seconds := range []int{5, 2, 7, 1, 0, 4, 6, 3} {
		due = append(due, now.Add(-time.Duration(seconds)*time.Second))
	}
	due[7] = time.Time{} // the longest of all
	rows := d.owing(r, due...)
	slices.SortFunc(rows, func(a, b R) int { return hintsOf(a).HintDue.Compare(hintsOf(b).HintDue) })
	until := now.Add(time.Hour)
	for _, part := range [][]R{rows[:1], rows[1:4], rows[4:7], rows[7:], nil} {
		limit := max(1, min(3, len(part)))
		var result stacksync.ClaimHintsResult
		r.update(func(c change) { result = c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit}) })
		sameOnce(r.t, "where Limit cuts, ClaimHints picks the longest due ones", dueAt(until, part...), *d.claimed(&result))
		beside(limit, result)
	}
}

func claimLimitBelowOne(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	w, u := workspaceDebtor(), userDebtor()
	workspaces, users := w.owing(r, now), u.owing(r, now)
	for _, limit := range []int{0, -1} {
		r.requireLimitRefused(func(c change) {
			c.claim(stacksync.ClaimHintsParams{Now: now, Until: now.Add(time.Hour), Limit: limit})
		})
	}
	r.view(func(l look) {
		w.requireKept(t, l, "a refused ClaimHints claims nothing", workspaces...)
		u.requireKept(t, l, "a refused ClaimHints claims nothing", users...)
	})
}

func (d debtor[ID, R]) markRaises(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	rows := d.save(r, 6, func(_ int, h *hints) { h.Notified = h.Revision - 10 })
	p := d.marks(due, rows[:5], hintsOf(rows[0]).Revision, hintsOf(rows[1]).Notified+1, hintsOf(rows[2]).Notified,
		hintsOf(rows[3]).Notified-1, hintsOf(rows[4]).Revision+1)
	want := slices.Clone(rows)
	copy(want[1:], dueAt(due, rows[1:4]...))
	want[0] = notified(rows[0], hintsOf(rows[0]).Revision)
	want[1] = notified(want[1], hintsOf(rows[1]).Notified+1)
	want[4] = notified(rows[4], hintsOf(rows[4]).Revision)
	for range 2 { // the second time it changes nothing
		r.update(func(c change) {
			c.mark(p)
			d.requireKept(t, c.look, "a Tx sees what it has marked", want...)
		})
		r.read(func(l look) {
			d.requireKept(t, l, "MarkNotified raises Notified where it is lower, but not above Revision, and leaves other "+d.kind+" alone", want...)
		})
	}
	r.update(func(c change) { c.mark(stacksync.MarkNotifiedParams{}) })
	r.update(func(c change) { c.mark(d.marks(r.time(), nil)) })
	r.view(func(l look) { d.requireKept(t, l, "a MarkNotified of nothing marks nothing", want...) })
}

// markRaisesUsers also marks a user and a workspace in one call.
func markRaisesUsers(t T, s Suite) {
	w, u := workspaceDebtor(), userDebtor()
	u.markRaises(t, s)

	r := newRig(t, s)
	due := r.time()
	workspace, user := only(t, w.owing(r, due)), only(t, u.owing(r, due))
	both := u.marksUp(due, 0, user)
	both.Notified = w.marksUp(due, 0, workspace).Notified
	r.update(func(c change) { c.mark(both) })
	r.read(func(l look) {
		u.requireKept(t, l, "one MarkNotified marks workspaces and users", notified(user, user.Revision))
		w.requireKept(t, l, "one MarkNotified marks workspaces and users", notified(workspace, workspace.Revision))
	})
}

func (d debtor[ID, R]) markDue(t T, s Suite) {
	r := newRig(t, s)
	for _, due := range []time.Time{r.time(), r.time().In(time.FixedZone("somewhere", 5*3600+1800)), {}} {
		rows := d.save(r, 4, func(i int, h *hints) {
			h.Notified = h.Revision - 2
			if i == 3 {
				h.Notified = h.Revision
			}
		})
		first, third := hintsOf(rows[0]), hintsOf(rows[2])
		want := slices.Clone(rows)
		want[0] = dueAt(due, notified(rows[0], first.Revision-1))[0] // still owed
		want[1] = dueAt(due, rows[1])[0]                             // still owed: the mark is too low
		want[2] = notified(rows[2], third.Revision)                  // paid now
		r.update(func(c change) { c.mark(d.marks(due, rows, first.Revision-1, 1, third.Revision, 1)) })
		r.read(func(l look) {
			d.requireKept(t, l, "MarkNotified sets HintDue to Due where a hint is still owed afterwards, and nowhere else", want...)
			requireTime(t, "HintDue", due, hintsOf(only(t, d.read(l, rows[0]))).HintDue)
		})
		until := r.time().Add(time.Hour)
		sameOnce(t, "what is marked in full can't be claimed, what is not can when it is due", dueAt(until, want[:2]...), d.claimAlone(r, due, until, 10))
		r.update(func(c change) { c.mark(d.marksUp(time.Time{}, 0, rows[:2]...)) })
	}
}

func (d debtor[ID, R]) markUnknown(t T, s Suite) {
	r := newRig(t, s)
	rows, with := d.fresh(r, 2)
	known, unknown := rows[0], rows[1]
	r.save(d.put(with, known))
	r.update(func(c change) { c.mark(d.marksUp(r.time(), 0, unknown, known)) })
	r.update(func(c change) { c.mark(d.marksUp(r.time(), 0, unknown)) })
	want := []R{notified(known, hintsOf(known).Revision)}
	r.read(func(l look) {
		sameOnce(t, "unknown "+d.kind+" are ignored, and not made", want, d.read(l, known, unknown))
	})
}

func (d debtor[ID, R]) noHintDue(t T, s Suite) {
	r := newRig(t, s)
	const promise = "where nothing is owed, a store keeps no HintDue"
	rows, with := d.fresh(r, 3)
	even := withHints(rows[0], func(h *hints) { h.Notified = h.Revision })
	ahead := withHints(rows[1], func(h *hints) { h.Notified = h.Revision + 1 })
	owes := rows[2]
	r.saveAndRead(d.put(with, even, ahead, owes), func(l look) {
		for _, row := range d.read(l, even, ahead) {
			require.Zero(t, hintsOf(row).HintDue, promise)
		}
		d.requireKept(t, l, promise, kept(even), kept(ahead), owes)
	})
	paid := withHints(owes, func(h *hints) { h.Notified = h.Revision })
	r.saveAndRead(d.putAlone(paid), func(l look) {
		d.requireKept(t, l, promise+", also where a row is replaced", kept(paid))
	})
	r.saveAndRead(d.putAlone(owes), func(l look) {
		d.requireKept(t, l, "where a hint is owed again, HintDue is kept", owes)
	})
}

func (d debtor[ID, R]) claimOwn(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	rows, with := d.fresh(r, 1)
	row := withHints(rows[0], func(h *hints) { h.Notified, h.HintDue = h.Revision-1, now })
	next := withHints(row, func(h *hints) { h.Revision++ })
	last := notified(next, hintsOf(row).Revision)
	p := stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10}
	r.update(func(c change) {
		first := d.put(with, row)
		c.lock(locksOf(first))
		c.put(first)
		sameOnce(t, "ClaimHints sees what its Tx has Put", dueAt(until, row), d.claim(c, p))
		require.Empty(t, d.claim(c, p), "ClaimHints sees what its Tx has claimed")
		c.mark(d.marksUp(time.Time{}, 0, row))
		c.put(d.putAlone(next))
		sameOnce(t, "Put replaces what ClaimHints and MarkNotified have set", dueAt(until, next), d.claim(c, p))
		c.mark(d.marksUp(now, 0, row))
		sameOnce(t, "ClaimHints sees what its Tx has marked", dueAt(until, last), d.claim(c, p))
	})
	r.read(func(l look) {
		d.requireKept(t, l, "the last of Put, ClaimHints and MarkNotified counts", dueAt(until, last)...)
	})
}

func (d debtor[ID, R]) outboxRollback(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	rows := d.owing(r, now, now, until)
	reason := errors.New("reason")
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.mark(d.marks(now, rows[1:], hintsOf(rows[1]).Revision, 1))
		d.claim(c, stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10})
		r.view(func(l look) {
			d.requireKept(t, l, "nobody sees a ClaimHints or a MarkNotified before its transaction has committed", rows...)
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	r.read(func(l look) {
		d.requireKept(t, l, "when Update returns its closure's error, nothing is claimed or marked", rows...)
	})
	sameOnce(t, "what a failed Update has claimed can be claimed at once", dueAt(until, rows[:2]...), d.claimAlone(r, now, until, 10))
}

func (d debtor[ID, R]) outboxMany(t T, s Suite) {
	r := newRig(t, s)
	n := s.many(t)
	now := r.time()
	until := now.Add(time.Hour)
	rows := d.owing(r, slices.Repeat([]time.Time{now}, n)...)
	sameOnce(t, "a ClaimHints may pick 10,000 "+d.kind, dueAt(until, rows...), d.claimAlone(r, now, until, n))
	want := slices.Clone(rows)
	for i, row := range rows {
		want[i] = notified(row, hintsOf(row).Revision)
	}
	r.update(func(c change) { c.mark(d.marksUp(time.Time{}, 0, rows...)) })
	r.view(func(l look) { d.requireKept(t, l, "a MarkNotified may have 10,000 "+d.kind, want...) })
}
