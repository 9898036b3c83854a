package metastoretest

import (
	"context"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

func directFaults() []fault {
	return []fault{
		{name: "reads no ancestors without a closure", breaks: []string{
			"Load and Changes of the store bring what those of a View do", "Changes.Access brings what Load.Access does, beside the page",
			"random transactions answer as a model does",
		}, bend: func(b *bent) {
			b.directChanges = func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
				rows, err := b.MetadataStore.Changes(ctx, p)
				rows.Ancestors = nil
				return rows, err
			}
		}},
		{name: "loads from a cache", breaks: []string{"Load and Changes of the store see what was committed before them"}, bend: func(b *bent) {
			var cached stacksync.LoadResult
			b.directLoad = func(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
				if len(cached.Items) > 0 {
					return cached, nil
				}
				var err error
				cached, err = b.MetadataStore.Load(ctx, p)
				return cached, err
			}
		}},
		{
			name: "makes its own reads wait for writers", hangs: true,
			breaks: []string{"Load and Changes of the store don't wait for an open Update, and see nothing of it"},
			bend: func(b *bent) {
				b.directLoad = func(ctx context.Context, p stacksync.LoadParams) (result stacksync.LoadResult, err error) {
					err = b.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
						result, err = tx.Load(ctx, p)
						return err
					})
					return result, err
				}
			},
		},
		{
			name: "reads what is not committed", breaks: []string{"Load and Changes of the store don't wait for an open Update, and see nothing of it"},
			bend: func(b *bent) {
				var open stacksync.Tx
				b.put = func(_ context.Context, below stacksync.Tx, _ *stacksync.PutParams) error {
					open = below
					return nil
				}
				b.directChanges = func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
					return open.Changes(ctx, p)
				}
			},
		},
		{name: "reads whatever ctx says", breaks: []string{"Load and Changes of the store don't run with a ctx that has ended"}, bend: func(b *bent) {
			b.directChanges = func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
				return b.MetadataStore.Changes(context.WithoutCancel(ctx), p)
			}
		}},
		{name: "has a default for Limit without a closure", breaks: []string{"Changes of the store refuses a Limit below 1"}, bend: func(b *bent) {
			b.directChanges = func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
				p.Limit = max(1, p.Limit)
				return b.MetadataStore.Changes(ctx, p)
			}
		}},
		{name: "loads access rows as the Load before saw them", breaks: []string{"a Load is one snapshot, of the store too"}, bend: func(b *bent) {
			var before atomic.Pointer[stacksync.AccessRows]
			b.directLoad = func(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
				result, err := b.MetadataStore.Load(ctx, p)
				if old := before.Swap(&stacksync.AccessRows{Workspaces: result.Workspaces}); old != nil {
					result.Workspaces = old.Workspaces
				}
				return result, err
			}
		}},
		{name: "pages with access rows as the page before saw them", breaks: []string{"the access rows of a Changes are of the page's snapshot"}, bend: func(b *bent) {
			var before atomic.Pointer[stacksync.AccessRows]
			b.directChanges = func(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
				rows, err := b.MetadataStore.Changes(ctx, p)
				if old := before.Swap(&stacksync.AccessRows{Workspaces: rows.Workspaces}); old != nil {
					rows.Workspaces = old.Workspaces
				}
				return rows, err
			}
		}},
		{name: "closes its closures only", breaks: []string{"after Close, every method returns ErrClosed"}, bend: func(b *bent) {
			b.directLoad = func(context.Context, stacksync.LoadParams) (stacksync.LoadResult, error) {
				return stacksync.LoadResult{}, nil
			}
		}},

		{name: "knows no Access in Changes", breaks: []string{
			"Changes.Access brings what Load.Access does, beside the page", "Changes.Access brings no items to who is no member",
			"random transactions answer as a model does",
		}, bend: func(b *bent) {
			b.changesParams = func(p *stacksync.ChangesParams) { p.Access = stacksync.AccessKey{} }
		}},
		{
			name: "brings items to everybody", breaks: []string{"Changes.Access brings no items to who is no member"},
			bend: bendAccess(func(ctx context.Context, below stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				p.Access = stacksync.AccessKey{}
				all, err := below.Changes(ctx, p)
				r.Items, r.Ancestors = all.Items, all.Ancestors
				return err
			}),
		},
		{
			name: "brings items to unrevoked devices only", breaks: []string{"Changes.Access brings items whatever the device and the role"},
			bend: bendAccess(func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				if len(r.Devices) == 0 || r.Devices[0].Revoked {
					r.Items, r.Ancestors = nil, nil
				}
				return nil
			}),
		},
		{
			name: "joins access rows with items", breaks: []string{"Changes.Access comes with an empty page too"},
			bend: bendAccess(func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				if len(r.Items) == 0 {
					r.AccessRows = stacksync.AccessRows{}
				}
				return nil
			}),
		},
		{
			name: "takes no Access for a stranger", breaks: []string{"Changes without Access brings no access rows"},
			bend: func(b *bent) {
				b.changes = func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
					if len(r.Members) == 0 {
						r.Items, r.Ancestors = nil, nil
					}
					return nil
				}
			},
		},
		{
			name: "asks for access what is committed", breaks: []string{"Changes.Access sees the rows of its own Tx"},
			bend: func(b *bent) {
				b.changes = func(ctx context.Context, _ stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error {
					committed, err := b.MetadataStore.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{p.Access}})
					r.AccessRows = committed.AccessRows
					return err
				}
			},
		},
		{
			name: "skips a revision between pages", breaks: []string{"no page passes a revision that is yet to come"},
			bend: func(b *bent) {
				b.changesParams = func(p *stacksync.ChangesParams) {
					if p.After > 0 {
						p.After++
					}
				}
			},
		},
	}
}

// bendAccess changes what a Changes with an Access answers.
func bendAccess(change func(context.Context, stacksync.Reader, stacksync.ChangesParams, *stacksync.ChangesRows) error) func(b *bent) {
	return func(b *bent) {
		b.changes = func(ctx context.Context, below stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error {
			if p.Access == (stacksync.AccessKey{}) {
				return nil
			}
			return change(ctx, below, p, r)
		}
	}
}
