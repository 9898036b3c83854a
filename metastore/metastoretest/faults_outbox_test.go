package metastoretest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

func outboxFaults() []fault {
	return []fault{
		{name: "claims what is not due yet", breaks: []string{
			"ClaimHints returns the workspaces that owe a hint and are due", "what is claimed is not due until then",
			"random transactions answer as a model does",
		}, bend: bendClaim(func(p *stacksync.ClaimHintsParams) { p.Now = p.Now.Add(time.Minute) })},
		{name: "claims what is due before Now only", breaks: []string{
			"ClaimHints returns the workspaces that owe a hint and are due", "what is Put owes a hint and is due in the same transaction",
		}, bend: bendClaim(func(p *stacksync.ClaimHintsParams) { p.Now = p.Now.Add(-time.Microsecond) })},
		{name: "returns what it has claimed as it was", breaks: []string{"what is claimed is not due until then"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = dueAt(p.Now, result.Workspaces...)
				return result, err
			}
		}},
		{name: "claims without saying so to others", breaks: []string{"what is claimed is not due until then"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				until := p.Until
				p.Until = p.Now
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = dueAt(until, result.Workspaces...)
				return result, err
			}
		}},
		{name: "claims the shortest due first", breaks: []string{"ClaimHints takes the longest due first"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				limit := p.Limit
				p.Limit = 1000
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = result.Workspaces[max(0, len(result.Workspaces)-limit):]
				return result, err
			}
		}},
		{name: "has a default for ClaimHints's Limit", breaks: []string{"a ClaimHints with a Limit below 1 is refused"}, bend: bendClaim(
			func(p *stacksync.ClaimHintsParams) { p.Limit = max(1, p.Limit) },
		)},
		{name: "claims one workspace too few", breaks: []string{"thousands of workspaces in one ClaimHints and one MarkNotified"}, bend: bendClaim(
			func(p *stacksync.ClaimHintsParams) { p.Limit = min(faultRows-1, p.Limit) },
		)},
		{name: "marks one workspace too few", breaks: []string{"thousands of workspaces in one ClaimHints and one MarkNotified"}, bend: bendMark(
			func(_ context.Context, _ stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id := range p.Notified {
					if len(p.Notified) > faultRows-1 {
						delete(p.Notified, id)
					}
				}
				return nil
			},
		)},
		{name: "marks what others have Put since", breaks: []string{"MarkNotified raises Notified, up to Revision, and never lowers it"}, bend: bendMark(
			func(_ context.Context, _ stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id, revision := range p.Notified {
					p.Notified[id] = revision + 1
				}
				return nil
			},
		)},
		{name: "lowers Notified", breaks: []string{"MarkNotified raises Notified, up to Revision, and never lowers it", "random transactions answer as a model does"}, bend: func(b *bent) {
			b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
				return putMarked(ctx, below, p, func(w *stacksync.Workspace) { w.Notified, w.HintDue = p.Notified[w.ID], p.Due })
			}
		}},
		{name: "sets HintDue only where it raises", breaks: []string{
			"MarkNotified sets HintDue where a hint is still owed, and nowhere else",
		}, bend: func(b *bent) {
			b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
				return putMarked(ctx, below, p, func(w *stacksync.Workspace) {
					if p.Notified[w.ID] > w.Notified {
						w.Notified, w.HintDue = p.Notified[w.ID], p.Due
					}
				})
			}
		}},
		{name: "makes what it is to mark", breaks: []string{"MarkNotified ignores unknown workspaces"}, bend: bendMark(
			func(ctx context.Context, below stacksync.Tx, p *stacksync.MarkNotifiedParams) error {
				for id := range p.Notified {
					known, err := below.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: id}}})
					if err != nil || len(known.Workspaces) > 0 {
						return err
					}
					if _, err := below.Put(ctx, stacksync.PutParams{Workspaces: []stacksync.Workspace{{ID: id, Owner: "nobody"}}}); err != nil {
						return err
					}
				}
				return nil
			},
		)},
		{name: "keeps a HintDue that nobody needs", breaks: []string{"a workspace that owes no hint has no HintDue"}, bend: func(b *bent) {
			put := map[stacksync.WorkspaceID]time.Time{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, w := range p.Workspaces {
					put[w.ID] = w.HintDue
				}
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				for i, w := range r.Workspaces {
					r.Workspaces[i].HintDue = put[w.ID]
				}
				return nil
			}
		}},
		{name: "claims what is committed only", breaks: []string{"what is Put owes a hint and is due in the same transaction"}, bend: func(b *bent) {
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = slices.DeleteFunc(result.Workspaces, func(w stacksync.Workspace) bool {
					committed, err := b.MetadataStore.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ID}}})
					return err != nil || len(committed.Workspaces) == 0
				})
				return result, err
			}
		}},
		{name: "remembers a ClaimHints that failed", breaks: []string{"a failed Update has claimed and marked nothing"}, bend: func(b *bent) {
			claimed := map[stacksync.WorkspaceID]bool{}
			b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
				result, err := below.ClaimHints(ctx, p)
				result.Workspaces = slices.DeleteFunc(result.Workspaces, func(w stacksync.Workspace) bool {
					before := claimed[w.ID]
					claimed[w.ID] = true
					return before
				})
				return result, err
			}
		}},
	}
}

func outboxLockFaults() []fault {
	return []fault{
		{
			name: "waits for locks to claim", hangs: true,
			breaks: []string{
				"ClaimHints passes over what another transaction has locked, without waiting",
				"ClaimHints passes over what another transaction has claimed or marked",
				"ClaimHints passes over users that another transaction has locked, without waiting",
				"ClaimHints passes over users that another transaction has claimed or marked",
			},
			open: shared(func(l *loose) { l.waitsToClaim = true }),
		},
		{
			name: "claims without a lock",
			breaks: []string{
				"ClaimHints passes over what another transaction has locked, without waiting",
				"ClaimHints passes over what another transaction has claimed or marked",
				"concurrent Claims never return a workspace twice",
				"concurrent Claims through two handles never return a workspace twice",
				"a Put waits for who has claimed a workspace, and neither loses its work",
				"ClaimHints passes over users that another transaction has locked, without waiting",
				"ClaimHints passes over users that another transaction has claimed or marked",
				"concurrent Claims never return a user twice",
				"a Put waits for who has claimed a user, and neither loses its work",
			},
			open: shared(func(l *loose) { l.claimsBlindly = true }),
		},
		{
			name:   "has locks of its own in each handle",
			breaks: []string{"concurrent Claims through two handles never return a workspace twice"},
			open:   separate,
		},
		{
			name: "marks without a lock",
			breaks: []string{
				"MarkNotified waits for who has locked a workspace, and neither loses its work",
				"a Put waits for who has marked a workspace, and neither loses its work",
				"MarkNotified waits for who has locked a user, and neither loses its work",
				"a Put waits for who has marked a user, and neither loses its work",
			},
			open: shared(func(l *loose) { l.marksBlindly = true }),
		},
		{
			name:  "marks a row that it has read before it had the lock",
			hangs: true, // so that it does not wait long: who marks is held off
			breaks: []string{
				"MarkNotified waits for who has locked a workspace, and neither loses its work",
			},
			bend: func(b *bent) {
				before := map[stacksync.WorkspaceID]stacksync.Workspace{}
				b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
					for _, w := range p.Workspaces {
						firstOf(before, w.ID, w)
					}
					return nil
				}
				b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
					return putMarked(ctx, below, p, func(w *stacksync.Workspace) {
						*w = before[w.ID]
						w.Notified, w.HintDue = p.Notified[w.ID], p.Due
					})
				}
			},
		},
		{
			name: "locks what it marks in no order", hangs: true,
			breaks: []string{
				"concurrent MarkNotifieds of many workspaces don't deadlock", "concurrent MarkNotifieds of many users and workspaces don't deadlock",
			},
			open: shared(func(l *loose) { l.marksAsAsked = true }),
		},
	}
}

func bendClaim(change func(p *stacksync.ClaimHintsParams)) func(b *bent) {
	return func(b *bent) {
		b.claim = func(ctx context.Context, below stacksync.Tx, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
			change(&p)
			return below.ClaimHints(ctx, p)
		}
	}
}

func bendMark(change func(ctx context.Context, below stacksync.Tx, p *stacksync.MarkNotifiedParams) error) func(b *bent) {
	return func(b *bent) {
		b.mark = func(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams) error {
			p.Notified = maps.Clone(p.Notified)
			if err := change(ctx, below, &p); err != nil {
				return err
			}
			_, err := below.MarkNotified(ctx, p)
			return err
		}
	}
}

// putMarked changes the workspaces of p by Put.
func putMarked(ctx context.Context, below stacksync.Tx, p stacksync.MarkNotifiedParams, change func(w *stacksync.Workspace)) error {
	var load stacksync.LoadParams
	for id := range p.Notified {
		load.Access = append(load.Access, stacksync.AccessKey{Workspace: id})
	}
	got, err := below.Load(ctx, load)
	if err != nil {
		return err
	}
	ws := slices.Clone(got.Workspaces)
	for i := range ws {
		change(&ws[i])
	}
	_, err = below.Put(ctx, stacksync.PutParams{Workspaces: ws})
	return err
}
