package metastoretest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

// outboxFaults has most faults twice: of what a store does with workspaces, and with users.
func outboxFaults() []fault {
	w, u := workspaceBender(), userBender()
	early := bendClaim(func(p *stacksync.ClaimHintsParams) { p.Now = p.Now.Add(time.Minute) })
	tooFew := bendClaim(func(p *stacksync.ClaimHintsParams) { p.Limit = min(faultRows-1, p.Limit) })
	return []fault{
		{name: "claims what is not due yet", breaks: []string{
			"ClaimHints returns the workspaces that owe a hint and are due", "what is claimed is not due until then",
			"random transactions answer as a model does",
		}, bend: early},
		{name: "claims users that are not due yet", breaks: []string{
			"ClaimHints returns the users that owe a hint and are due", "a claimed user is not due until then",
		}, bend: early},
		{name: "claims what is due before Now only", breaks: []string{
			"ClaimHints returns the workspaces that owe a hint and are due", "what is Put owes a hint and is due in the same transaction",
		}, bend: bendClaim(func(p *stacksync.ClaimHintsParams) { p.Now = p.Now.Add(-time.Microsecond) })},
		{name: "claims workspaces only", breaks: []string{
			"ClaimHints returns the users that owe a hint and are due", "random transactions answer as a model does",
		}, bend: u.bendClaimed(func(stacksync.ClaimHintsParams, []stacksync.User) []stacksync.User { return nil })},
		{name: "returns what it has claimed as it was", breaks: []string{"what is claimed is not due until then"}, bend: w.claimAsItWas()},
		{name: "returns users as they were", breaks: []string{"a claimed user is not due until then"}, bend: u.claimAsItWas()},
		{name: "claims without saying so to others", breaks: []string{"what is claimed is not due until then"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				until := p.Until
				p.Until = p.Now
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = dueAt(until, result.Workspaces...)
				return result, err
			}
		}},
		{name: "claims the shortest due first", breaks: []string{"ClaimHints takes the longest due first"}, bend: w.claimShortestDue},
		{name: "claims the shortest due users first", breaks: []string{
			"ClaimHints takes the longest due users first, and counts them on their own",
		}, bend: u.claimShortestDue},
		{name: "has one Limit for workspaces and users", breaks: []string{
			"ClaimHints takes the longest due users first, and counts them on their own",
		}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				result, err := below.ClaimHints(ctx, p)
				if err == nil {
					result.Users = result.Users[:min(len(result.Users), p.Limit-len(result.Workspaces))]
				}
				return result, err
			}
		}},
		{name: "has a default for ClaimHints's Limit", breaks: []string{"a ClaimHints with a Limit below 1 is refused"}, bend: bendClaim(
			func(p *stacksync.ClaimHintsParams) { p.Limit = max(1, p.Limit) },
		)},
		{name: "marks what others have Put since", breaks: []string{
			"MarkNotified raises Notified, up to Revision, and never lowers it",
		}, bend: w.markAhead()},
		{name: "marks users for what is yet to come", breaks: []string{
			"MarkNotified raises Notified of users, up to Revision, and never lowers it",
		}, bend: u.markAhead()},
		{name: "marks workspaces or users", breaks: []string{"MarkNotified raises Notified of users, up to Revision, and never lowers it"}, bend: func(b *bent) {
			b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
				if len(p.Notified) > 0 {
					p.Users = nil
				}
				_, err := below.MarkNotified(ctx, p)
				return err
			}
		}},
		{name: "lowers Notified", breaks: []string{
			"MarkNotified raises Notified, up to Revision, and never lowers it", "random transactions answer as a model does",
		}, bend: w.bendMarked(lowered)},
		{name: "lowers Notified of users", breaks: []string{
			"MarkNotified raises Notified of users, up to Revision, and never lowers it", "random transactions answer as a model does",
		}, bend: u.bendMarked(lowered)},
		{name: "sets HintDue only where it raises", breaks: []string{
			"MarkNotified sets HintDue where a hint is still owed, and nowhere else",
		}, bend: w.bendMarked(dueWhereRaised)},
		{name: "sets HintDue of users only where it raises", breaks: []string{
			"MarkNotified sets HintDue of users where a hint is still owed, and nowhere else",
		}, bend: u.bendMarked(dueWhereRaised)},
		{name: "makes what it is to mark", breaks: []string{"MarkNotified ignores unknown workspaces"}, bend: w.markUnknown()},
		{name: "makes the users that it is to mark", breaks: []string{"MarkNotified ignores unknown users"}, bend: u.markUnknown()},
		{name: "keeps a HintDue that nobody needs", breaks: []string{"a workspace that owes no hint has no HintDue"}, bend: w.keepHintDue},
		{name: "keeps a HintDue that no user needs", breaks: []string{"a user that owes no hint has no HintDue"}, bend: u.keepHintDue},
		{name: "claims what is committed only", breaks: []string{
			"what is Put owes a hint and is due in the same transaction",
		}, bend: w.claimCommitted},
		{name: "claims users that are committed only", breaks: []string{
			"a user that is Put owes a hint and is due in the same transaction",
		}, bend: u.claimCommitted},
		{name: "remembers a ClaimHints that failed", breaks: []string{"a failed Update has claimed and marked nothing"}, bend: w.claimOnce()},
		{name: "remembers the users of a ClaimHints that failed", breaks: []string{"a failed Update has claimed and marked no user"}, bend: u.claimOnce()},
		{name: "claims one workspace too few", breaks: []string{"thousands of workspaces in one ClaimHints and one MarkNotified"}, bend: tooFew},
		{name: "claims one user too few", breaks: []string{"thousands of users in one ClaimHints and one MarkNotified"}, bend: tooFew},
		{name: "marks one workspace too few", breaks: []string{
			"thousands of workspaces in one ClaimHints and one MarkNotified",
		}, bend: w.markTooFew()},
		{name: "marks one user too few", breaks: []string{"thousands of users in one ClaimHints and one MarkNotified"}, bend: u.markTooFew()},
	}
}

// bender makes faults of what a store does with the hints of a kind of rows.
type bender[ID comparable, R indebted] struct {
	debtor[ID, R]
	blank func(id ID) R // a row with no more than it needs to be saved
}

func workspaceBender() bender[stacksync.WorkspaceID, stacksync.Workspace] {
	return bender[stacksync.WorkspaceID, stacksync.Workspace]{workspaceDebtor(), func(id stacksync.WorkspaceID) stacksync.Workspace {
		return stacksync.Workspace{ID: id, Owner: "nobody"}
	}}
}

func userBender() bender[stacksync.UserID, stacksync.User] {
	return bender[stacksync.UserID, stacksync.User]{userDebtor(), func(id stacksync.UserID) stacksync.User { return stacksync.User{ID: id} }}
}

// bendClaim changes what ClaimHints is asked.
func bendClaim(change func(p *stacksync.ClaimHintsParams)) func(b *bent) {
	return func(b *bent) {
		b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
			change(&p)
			return below.ClaimHints(ctx, p)
		}
	}
}

// bendClaimed changes what ClaimHints answers.
func (d bender[ID, R]) bendClaimed(change func(p stacksync.ClaimHintsParams, claimed []R) []R) func(b *bent) {
	return func(b *bent) {
		b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
			result, err := below.ClaimHints(ctx, p)
			if rows := d.claimed(&result); err == nil {
				*rows = change(p, slices.Clone(*rows))
			}
			return result, err
		}
	}
}

func (d bender[ID, R]) claimAsItWas() func(b *bent) {
	return d.bendClaimed(func(p stacksync.ClaimHintsParams, claimed []R) []R { return dueAt(p.Now, claimed...) })
}

func (d bender[ID, R]) claimShortestDue(b *bent) {
	b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
		limit := p.Limit
		p.Limit = 1000
		result, err := below.ClaimHints(ctx, p)
		rows := d.claimed(&result)
		*rows = (*rows)[max(0, len(*rows)-limit):]
		return result, err
	}
}

func (d bender[ID, R]) claimCommitted(b *bent) {
	b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
		result, err := below.ClaimHints(ctx, p)
		if err != nil {
			return result, err
		}
		rows := d.claimed(&result)
		err = tryView(ctx, b.MetadataStore, func(committed look) {
			known := map[ID]bool{}
			for _, row := range d.read(committed, *rows...) {
				known[d.id(row)] = true
			}
			*rows = slices.DeleteFunc(slices.Clone(*rows), func(row R) bool { return !known[d.id(row)] })
		})
		return result, err
	}
}

// claimOnce never claims a row again.
func (d bender[ID, R]) claimOnce() func(b *bent) {
	return func(b *bent) {
		before := map[ID]bool{}
		d.bendClaimed(func(_ stacksync.ClaimHintsParams, claimed []R) []R {
			return slices.DeleteFunc(claimed, func(row R) bool {
				seen := before[d.id(row)]
				before[d.id(row)] = true
				return seen
			})
		})(b)
	}
}

// bendMark changes what MarkNotified is asked.
func (d bender[ID, R]) bendMark(change func(c change, revisions map[ID]int64)) func(b *bent) {
	return func(b *bent) {
		b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
			return caught(func() {
				c := changeIn(ctx, below)
				asked := d.revisions(&p)
				*asked = maps.Clone(*asked)
				change(c, *asked)
				c.mark(p)
			})
		}
	}
}

func changeIn(ctx context.Context, tx stacksync.Tx) change { return change{look{ctx, tx}, tx} }

// markAhead marks each row at a revision that is yet to come.
func (d bender[ID, R]) markAhead() func(b *bent) {
	return d.bendMark(func(_ change, revisions map[ID]int64) {
		for id := range revisions {
			revisions[id]++
		}
	})
}

func (d bender[ID, R]) markTooFew() func(b *bent) {
	return d.bendMark(func(_ change, revisions map[ID]int64) {
		for id := range revisions {
			if len(revisions) > faultRows-1 {
				delete(revisions, id)
			}
		}
	})
}

func (d bender[ID, R]) markUnknown() func(b *bent) {
	return d.bendMark(func(c change, revisions map[ID]int64) {
		for id := range revisions {
			if row := d.blank(id); len(d.read(c.look, row)) == 0 {
				c.put(d.putAlone(row))
			}
		}
	})
}

// bendMarked has rows marked by a Put of what mark makes of them.
func (d bender[ID, R]) bendMarked(mark func(h *hints, revision int64, due time.Time)) func(b *bent) {
	return func(b *bent) {
		b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
			return caught(func() {
				d.putMarked(changeIn(ctx, below), p, func(row R, revision int64) R {
					return withHints(row, func(h *hints) { mark(h, revision, p.Due) })
				})
			})
		}
	}
}

// putMarked Puts what mark makes of the rows of p.
func (d bender[ID, R]) putMarked(c change, p stacksync.MarkNotifiedParams, mark func(row R, revision int64) R) {
	revisions := *d.revisions(&p)
	asked := make([]R, 0, len(revisions))
	for id := range revisions {
		asked = append(asked, d.blank(id))
	}
	rows := slices.Clone(d.read(c.look, asked...))
	for i, row := range rows {
		rows[i] = mark(row, revisions[d.id(row)])
	}
	c.put(d.putAlone(rows...))
}

func lowered(h *hints, revision int64, due time.Time) { h.Notified, h.HintDue = revision, due }

func dueWhereRaised(h *hints, revision int64, due time.Time) {
	if revision > h.Notified {
		h.Notified, h.HintDue = revision, due
	}
}

// keepHintDue reads each HintDue as it was Put.
func (d bender[ID, R]) keepHintDue(b *bent) {
	put := map[ID]time.Time{}
	b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
		for _, row := range *d.puts(p) {
			put[d.id(row)] = hintsOf(row).HintDue
		}
		return nil
	}
	bend := func(read any) {
		rows, _ := read.([]R) // those of the other kind stay as they are
		for i, row := range rows {
			rows[i] = dueAt(put[d.id(row)], row)[0]
		}
	}
	b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
		bend(r.Workspaces)
		return nil
	}
	b.users = func(_ stacksync.UsersParams, r *stacksync.UsersResult) { bend(r.Users) }
}
