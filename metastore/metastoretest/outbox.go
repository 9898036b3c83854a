package metastoretest

import (
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func outboxChecks() []check {
	return []check{
		{Name: "ClaimHints returns the workspaces that owe a hint and are due", Run: claimDue},
		{Name: "what is claimed is not due until then", Run: claimAgain},
		{Name: "ClaimHints takes the longest due first", Run: claimLongestDue},
		{Name: "a ClaimHints with a Limit below 1 is refused", Run: claimLimitBelowOne},
		{Name: "MarkNotified raises Notified, up to Revision, and never lowers it", Run: markRaises},
		{Name: "MarkNotified sets HintDue where a hint is still owed, and nowhere else", Run: markDue},
		{Name: "MarkNotified ignores unknown workspaces", Run: markUnknown},
		{Name: "a workspace that owes no hint has no HintDue", Run: noHintDue},
		{Name: "what is Put owes a hint and is due in the same transaction", Run: claimOwnRows},
		{Name: "a failed Update has claimed and marked nothing", Run: outboxRollback},
		{Name: "thousands of workspaces in one ClaimHints and one MarkNotified", Run: outboxMany},
	}
}

// owing saves a workspace for each due time, all of one owner, that owes a hint for its last revision.
func (r *rig) owing(due ...time.Time) []stacksync.Workspace {
	r.t.Helper()
	return r.saveWorkspaces(len(due), func(i int, w *stacksync.Workspace) {
		w.Notified, w.HintDue = w.Revision-1, due[i]
	})
}

// saveWorkspaces saves n workspaces of one owner and returns them as a store keeps them.
func (r *rig) saveWorkspaces(n int, change func(i int, w *stacksync.Workspace)) []stacksync.Workspace {
	r.t.Helper()
	u := r.user()
	ws := make([]stacksync.Workspace, n)
	for i := range ws {
		ws[i] = r.workspace(u.ID)
		change(i, &ws[i])
	}
	r.save(stacksync.PutParams{Users: []stacksync.User{u}, Workspaces: ws})
	for i, w := range ws {
		ws[i] = kept(w)
	}
	return ws
}

// notified returns w as MarkNotified leaves it.
func notified(w stacksync.Workspace, revision int64) stacksync.Workspace {
	w.Notified = revision
	return kept(w)
}

// dueAt returns copies of the rows with another HintDue.
func dueAt(due time.Time, ws ...stacksync.Workspace) []stacksync.Workspace {
	ws = slices.Clone(ws)
	for i := range ws {
		ws[i].HintDue = due
	}
	return ws
}

// claim claims in a transaction of its own.
func (r *rig) claim(now, until time.Time, limit int) (claimed []stacksync.Workspace) {
	r.t.Helper()
	r.update(func(c change) { claimed = c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit}) })
	return claimed
}

func claimDue(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	ws := r.saveWorkspaces(7, func(i int, w *stacksync.Workspace) {
		w.Notified, w.HintDue = w.Revision-1, now.Add(-time.Hour)
		switch i {
		case 1:
			w.Notified, w.HintDue = 0, now
		case 2:
			w.Notified, w.HintDue = w.Revision-100, time.Time{}
		case 3:
			w.HintDue = now.Add(time.Microsecond)
		case 4:
			w.Notified = w.Revision
		case 5:
			w.Notified = w.Revision + 1
		case 6:
			w.Revision, w.Notified, w.HintDue = 0, 0, time.Time{} // a new workspace has nothing to tell
		}
	})
	until := now.Add(time.Minute)
	claimed := dueAt(until, ws[:3]...)
	after := slices.Concat(claimed, ws[3:])
	r.update(func(c change) {
		const promise = "ClaimHints picks workspaces that owe a hint and whose HintDue is not after Now"
		got := c.claim(stacksync.ClaimHintsParams{Now: now.In(time.FixedZone("somewhere", 5*3600+1800)), Until: until.In(time.FixedZone("elsewhere", -3600)), Limit: 10})
		sameOnce(t, promise+", and returns them with HintDue set to Until", claimed, got)
		for _, w := range got {
			requireTime(t, "HintDue of what ClaimHints returns", until, w.HintDue)
		}
		sameSet(t, "a Tx sees what it has claimed, and ClaimHints changes nothing else", after, c.workspaces(ws...))
	})
	r.read(func(l look) {
		sameSet(t, "a committed ClaimHints has set HintDue of what it returned, and changed nothing else", after, l.workspaces(ws...))
	})
}

func claimAgain(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ws := r.owing(now, now)
	sameOnce(t, "ClaimHints returns what is due", dueAt(until, ws...), r.claim(now, until, 10))
	const promise = "ClaimHints sets HintDue, so that nobody else claims until then"
	require.Empty(t, r.claim(now, until, 10), promise)
	require.Empty(t, r.claim(until.Add(-time.Microsecond), until, 10), promise)
	later := until.Add(time.Hour)
	sameOnce(t, "what was claimed and never marked is due again", dueAt(later, ws...), r.claim(until, later, 10))
	require.Empty(t, r.claim(until, later, 10), promise)
	sameOnce(t, "an Until that is over keeps nobody off", dueAt(now, ws...), r.claim(later, now, 10))
	sameOnce(t, "an Until that is over keeps nobody off", dueAt(later, ws...), r.claim(now, later, 10))
}

func claimLongestDue(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	var due []time.Time
	for _, seconds := range []int{5, 2, 7, 1, 0, 4, 6, 3} {
		due = append(due, now.Add(-time.Duration(seconds)*time.Second))
	}
	due[7] = time.Time{} // the longest of all
	ws := r.owing(due...)
	slices.SortFunc(ws, func(a, b stacksync.Workspace) int { return a.HintDue.Compare(b.HintDue) })
	until := now.Add(time.Hour)
	for _, part := range [][]stacksync.Workspace{ws[:1], ws[1:4], ws[4:7], ws[7:], nil} {
		sameOnce(t, "where Limit cuts, ClaimHints picks the longest due ones", dueAt(until, part...), r.claim(now, until, max(1, min(3, len(part)))))
	}
}

func claimLimitBelowOne(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	ws := r.owing(now)
	for _, limit := range []int{0, -1} {
		err := tryUpdate(r.ctx, r.store, func(c change) {
			c.claim(stacksync.ClaimHintsParams{Now: now, Until: now.Add(time.Hour), Limit: limit})
		})
		var field *stacksync.FieldError
		require.ErrorAs(t, err, &field, "a Limit below 1 is a *FieldError")
		require.Equal(t, "Limit", field.Field, "the *FieldError names the field")
	}
	r.view(func(l look) { sameSet(t, "a refused ClaimHints claims nothing", ws, l.workspaces(ws...)) })
}

func markRaises(t T, s Suite) {
	r := newRig(t, s)
	due := r.time()
	ws := r.saveWorkspaces(6, func(_ int, w *stacksync.Workspace) { w.Notified = w.Revision - 10 })
	p := stacksync.MarkNotifiedParams{Due: due, Notified: map[stacksync.WorkspaceID]int64{
		ws[0].ID: ws[0].Revision,
		ws[1].ID: ws[1].Notified + 1,
		ws[2].ID: ws[2].Notified,
		ws[3].ID: ws[3].Notified - 1,
		ws[4].ID: ws[4].Revision + 1,
	}}
	want := slices.Clone(ws)
	copy(want[1:], dueAt(due, ws[1:4]...))
	want[0] = notified(ws[0], ws[0].Revision)
	want[1].Notified++
	want[4] = notified(ws[4], ws[4].Revision)
	for range 2 { // the second time it changes nothing
		r.update(func(c change) {
			c.mark(p)
			sameSet(t, "a Tx sees what it has marked", want, c.workspaces(ws...))
		})
		r.read(func(l look) {
			sameSet(t, "MarkNotified raises Notified where it is lower, and leaves other workspaces alone", want, l.workspaces(ws...))
		})
	}
	r.update(func(c change) { c.mark(stacksync.MarkNotifiedParams{}) })
	r.update(func(c change) {
		c.mark(stacksync.MarkNotifiedParams{Due: r.time(), Notified: map[stacksync.WorkspaceID]int64{}})
	})
	r.view(func(l look) { sameSet(t, "a MarkNotified of nothing marks nothing", want, l.workspaces(ws...)) })
}

func markDue(t T, s Suite) {
	r := newRig(t, s)
	for _, due := range []time.Time{r.time(), r.time().In(time.FixedZone("somewhere", 5*3600+1800)), {}} {
		ws := r.saveWorkspaces(4, func(i int, w *stacksync.Workspace) {
			w.Notified = w.Revision - 2
			if i == 3 {
				w.Notified = w.Revision
			}
		})
		want := slices.Clone(ws)
		want[0].Notified, want[0].HintDue = ws[0].Revision-1, due // still owed
		want[1].HintDue = due                                     // still owed: the mark is too low
		want[2] = notified(ws[2], ws[2].Revision)                 // paid now
		r.update(func(c change) {
			c.mark(stacksync.MarkNotifiedParams{Due: due, Notified: map[stacksync.WorkspaceID]int64{
				ws[0].ID: ws[0].Revision - 1, ws[1].ID: 1, ws[2].ID: ws[2].Revision, ws[3].ID: 1,
			}})
		})
		r.read(func(l look) {
			sameSet(t, "MarkNotified sets HintDue to Due where a hint is still owed afterwards, and nowhere else", want, l.workspaces(ws...))
			requireTime(t, "HintDue", due, only(t, l.workspaces(ws[0])).HintDue)
		})
		until := r.time().Add(time.Hour)
		sameOnce(t, "what is marked in full can't be claimed, what is not can when it is due", dueAt(until, want[:2]...), r.claim(due, until, 10))
		r.update(func(c change) {
			c.mark(stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{ws[0].ID: ws[0].Revision, ws[1].ID: ws[1].Revision}})
		})
	}
}

func markUnknown(t T, s Suite) {
	r := newRig(t, s)
	ws := r.owing(r.time())
	unknown := r.workspace(ws[0].Owner)
	want := []stacksync.Workspace{notified(ws[0], ws[0].Revision)}
	r.update(func(c change) {
		c.mark(stacksync.MarkNotifiedParams{Due: r.time(), Notified: map[stacksync.WorkspaceID]int64{unknown.ID: 7, ws[0].ID: ws[0].Revision}})
	})
	r.update(func(c change) {
		c.mark(stacksync.MarkNotifiedParams{Due: r.time(), Notified: map[stacksync.WorkspaceID]int64{unknown.ID: 7}})
	})
	r.read(func(l look) {
		sameSet(t, "unknown workspaces are ignored, and not made", want, l.workspaces(ws[0], unknown))
	})
}

func claimOwnRows(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	u := r.user()
	w := r.workspace(u.ID)
	w.Notified, w.HintDue = w.Revision-1, now
	p := stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10}
	next := w
	next.Revision++
	r.update(func(c change) {
		c.lock(stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w.ID}, Users: []stacksync.UserID{u.ID}})
		c.put(stacksync.PutParams{Users: []stacksync.User{u}, Workspaces: []stacksync.Workspace{w}})
		sameOnce(t, "ClaimHints sees what its Tx has Put", dueAt(until, w), c.claim(p))
		require.Empty(t, c.claim(p), "ClaimHints sees what its Tx has claimed")
		c.mark(stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{w.ID: w.Revision}})
		c.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{next}})
		sameOnce(t, "Put replaces what ClaimHints and MarkNotified have set", dueAt(until, next), c.claim(p))
		c.mark(stacksync.MarkNotifiedParams{Due: now, Notified: map[stacksync.WorkspaceID]int64{w.ID: w.Revision}})
		sameOnce(t, "ClaimHints sees what its Tx has marked", dueAt(until, notified(next, w.Revision)), c.claim(p))
	})
	r.read(func(l look) {
		sameSet(t, "the last of Put, ClaimHints and MarkNotified counts", dueAt(until, notified(next, w.Revision)), l.workspaces(w))
	})
}

func noHintDue(t T, s Suite) {
	r := newRig(t, s)
	const promise = "where nothing is owed, a store keeps no HintDue"
	u := r.user()
	even, ahead, owes := r.workspace(u.ID), r.workspace(u.ID), r.workspace(u.ID)
	even.Notified, ahead.Notified = even.Revision, ahead.Revision+1
	p := stacksync.PutParams{Users: []stacksync.User{u}, Workspaces: []stacksync.Workspace{even, ahead, owes}}
	r.saveAndRead(p, func(l look) {
		for _, w := range l.workspaces(even, ahead) {
			require.Zero(t, w.HintDue, promise)
		}
		sameSet(t, promise, []stacksync.Workspace{kept(even), kept(ahead), owes}, l.workspaces(even, ahead, owes))
	})
	paid := owes
	paid.Notified = paid.Revision
	r.saveAndRead(stacksync.PutParams{Workspaces: []stacksync.Workspace{paid}}, func(l look) {
		sameSet(t, promise+", also where a row is replaced", []stacksync.Workspace{kept(paid)}, l.workspaces(paid))
	})
	r.saveAndRead(stacksync.PutParams{Workspaces: []stacksync.Workspace{owes}}, func(l look) {
		sameSet(t, "where a hint is owed again, HintDue is kept", []stacksync.Workspace{owes}, l.workspaces(owes))
	})
}

func outboxRollback(t T, s Suite) {
	r := newRig(t, s)
	now := r.time()
	until := now.Add(time.Hour)
	ws := r.owing(now, now, until)
	reason := errors.New("reason")
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.mark(stacksync.MarkNotifiedParams{Due: now, Notified: map[stacksync.WorkspaceID]int64{ws[1].ID: ws[1].Revision, ws[2].ID: 1}})
		c.claim(stacksync.ClaimHintsParams{Now: now, Until: until, Limit: 10})
		r.view(func(l look) {
			sameSet(t, "nobody sees a ClaimHints or a MarkNotified before its transaction has committed", ws, l.workspaces(ws...))
		})
		panic(failure{reason})
	})
	require.ErrorIs(t, err, reason)
	r.read(func(l look) {
		sameSet(t, "when Update returns its closure's error, nothing is claimed or marked", ws, l.workspaces(ws...))
	})
	sameOnce(t, "what a failed Update has claimed can be claimed at once", dueAt(until, ws[:2]...), r.claim(now, until, 10))
}

func outboxMany(t T, s Suite) {
	r := newRig(t, s)
	n := s.many(t)
	now := r.time()
	until := now.Add(time.Hour)
	ws := r.saveWorkspaces(n, func(_ int, w *stacksync.Workspace) { w.Notified, w.HintDue = w.Revision-1, now })
	sameOnce(t, "a ClaimHints may pick 10,000 workspaces", dueAt(until, ws...), r.claim(now, until, n))

	p := stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{}}
	want := dueAt(until, ws...)
	for i := range want {
		want[i] = notified(want[i], want[i].Revision)
		p.Notified[want[i].ID] = want[i].Revision
	}
	r.update(func(c change) { c.mark(p) })
	r.view(func(l look) { sameSet(t, "a MarkNotified may have 10,000 workspaces", want, l.workspaces(ws...)) })
}
