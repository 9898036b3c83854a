package metastoretest

import (
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

// indebted are the kinds of rows that owe hints.
type indebted interface {
	stacksync.Workspace | stacksync.User
}

// hints is what a row says of the hints it owes.
type hints struct {
	Revision, Notified int64
	HintDue            time.Time
}

func hintsOf[R indebted](row R) (h hints) {
	withHints(row, func(now *hints) { h = *now })
	return h
}

// withHints returns row with what change makes of its hints.
func withHints[R indebted](row R, change func(h *hints)) R {
	switch row := any(&row).(type) {
	case *stacksync.Workspace:
		h := hints{row.Revision, row.Notified, row.HintDue}
		change(&h)
		row.Revision, row.Notified, row.HintDue = h.Revision, h.Notified, h.HintDue
	case *stacksync.User:
		h := hints{row.Revision, row.Notified, row.HintDue}
		change(&h)
		row.Revision, row.Notified, row.HintDue = h.Revision, h.Notified, h.HintDue
	}
	return row
}

// kept returns row as a store keeps it, which has no HintDue where nothing is owed.
func kept[R indebted](row R) R {
	return withHints(row, func(h *hints) {
		if h.Notified >= h.Revision {
			h.HintDue = time.Time{}
		}
	})
}

// notified returns row as MarkNotified leaves it.
func notified[R indebted](row R, revision int64) R {
	return kept(withHints(row, func(h *hints) { h.Notified = revision }))
}

// dueAt returns copies of the rows with another HintDue.
func dueAt[R indebted](due time.Time, rows ...R) []R {
	rows = slices.Clone(rows)
	for i, row := range rows {
		rows[i] = withHints(row, func(h *hints) { h.HintDue = due })
	}
	return rows
}

// debtor is how the checks of the outbox reach the rows of one kind: each check is a method,
// written once for both kinds.
type debtor[ID comparable, R indebted] struct {
	kind string // in the plural, for promises
	// fresh makes n rows that owe hints, and what has to be saved with them, and saves nothing.
	fresh func(r *rig, n int) (rows []R, with stacksync.PutParams)
	id    func(row R) ID
	read  func(l look, rows ...R) []R // as they are now
	// The places of the rows, or of their revisions, in what a store is given and what it returns:
	puts      func(p *stacksync.PutParams) *[]R
	claimed   func(result *stacksync.ClaimHintsResult) *[]R
	revisions func(p *stacksync.MarkNotifiedParams) *map[ID]int64
}

// workspaceDebtor makes all workspaces of a call for one owner.
func workspaceDebtor() debtor[stacksync.WorkspaceID, stacksync.Workspace] {
	return debtor[stacksync.WorkspaceID, stacksync.Workspace]{
		kind: "workspaces",
		fresh: func(r *rig, n int) ([]stacksync.Workspace, stacksync.PutParams) {
			owner := r.user()
			ws := make([]stacksync.Workspace, n)
			for i := range ws {
				ws[i] = r.workspace(owner.ID)
			}
			return ws, stacksync.PutParams{Users: []stacksync.User{owner}}
		},
		id:        func(w stacksync.Workspace) stacksync.WorkspaceID { return w.ID },
		read:      look.workspaces,
		puts:      func(p *stacksync.PutParams) *[]stacksync.Workspace { return &p.Workspaces },
		claimed:   func(result *stacksync.ClaimHintsResult) *[]stacksync.Workspace { return &result.Workspaces },
		revisions: func(p *stacksync.MarkNotifiedParams) *map[stacksync.WorkspaceID]int64 { return &p.Notified },
	}
}

func userDebtor() debtor[stacksync.UserID, stacksync.User] {
	return debtor[stacksync.UserID, stacksync.User]{
		kind: "users",
		fresh: func(r *rig, n int) ([]stacksync.User, stacksync.PutParams) {
			users := make([]stacksync.User, n)
			for i := range users {
				users[i] = r.user()
			}
			return users, stacksync.PutParams{}
		},
		id:        func(u stacksync.User) stacksync.UserID { return u.ID },
		read:      func(l look, users ...stacksync.User) []stacksync.User { return l.users(userIDs(users...)...) },
		puts:      func(p *stacksync.PutParams) *[]stacksync.User { return &p.Users },
		claimed:   func(result *stacksync.ClaimHintsResult) *[]stacksync.User { return &result.Users },
		revisions: func(p *stacksync.MarkNotifiedParams) *map[stacksync.UserID]int64 { return &p.Users },
	}
}

func userIDs(users ...stacksync.User) []stacksync.UserID {
	ids := make([]stacksync.UserID, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	return ids
}

// put returns what saves rows, and what goes with them.
func (d debtor[ID, R]) put(with stacksync.PutParams, rows ...R) stacksync.PutParams {
	*d.puts(&with) = rows
	return with
}

// putAlone returns what replaces rows that are saved already.
func (d debtor[ID, R]) putAlone(rows ...R) stacksync.PutParams {
	return d.put(stacksync.PutParams{}, rows...)
}

// save saves n rows and returns them as a store keeps them.
func (d debtor[ID, R]) save(r *rig, n int, change func(i int, h *hints)) []R {
	r.t.Helper()
	rows, with := d.fresh(r, n)
	for i, row := range rows {
		rows[i] = withHints(row, func(h *hints) { change(i, h) })
	}
	r.save(d.put(with, rows...))
	for i, row := range rows {
		rows[i] = kept(row)
	}
	return rows
}

// owing saves a row for each due time that owes a hint for its last revision.
func (d debtor[ID, R]) owing(r *rig, due ...time.Time) []R {
	r.t.Helper()
	return d.save(r, len(due), func(i int, h *hints) { h.Notified, h.HintDue = h.Revision-1, due[i] })
}

func (d debtor[ID, R]) claim(c change, p stacksync.ClaimHintsParams) []R {
	result := c.claim(p)
	return *d.claimed(&result)
}

// claimAlone claims in a transaction of its own.
func (d debtor[ID, R]) claimAlone(r *rig, now, until time.Time, limit int) (claimed []R) {
	r.t.Helper()
	r.update(func(c change) {
		claimed = d.claim(c, stacksync.ClaimHintsParams{Now: now, Until: until, Limit: limit})
	})
	return claimed
}

// marks returns what marks each row at the revision in its place.
func (d debtor[ID, R]) marks(due time.Time, rows []R, revisions ...int64) stacksync.MarkNotifiedParams {
	p := stacksync.MarkNotifiedParams{Due: due}
	marked := map[ID]int64{}
	for i, row := range rows {
		marked[d.id(row)] = revisions[i]
	}
	*d.revisions(&p) = marked
	return p
}

// marksUp returns what marks each row at its Revision plus by.
func (d debtor[ID, R]) marksUp(due time.Time, by int64, rows ...R) stacksync.MarkNotifiedParams {
	revisions := make([]int64, len(rows))
	for i, row := range rows {
		revisions[i] = hintsOf(row).Revision + by
	}
	return d.marks(due, rows, revisions...)
}

// requireKept ends the check unless the store has exactly these rows under their ids, each once.
func (d debtor[ID, R]) requireKept(t tester, l look, promise string, want ...R) {
	t.Helper()
	sameOnce(t, promise, want, d.read(l, want...))
}
