package metastoretest

import (
	"context"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

func pageFaults() []fault {
	return []fault{
		{name: "orders children backwards", breaks: []string{"Children returns the live items of a folder by NameKey"}, bend: func(b *bent) {
			b.children = func(r *stacksync.ChildrenResult) { slices.Reverse(r.Items) }
		}},
		{
			name:   "orders children by their folded case",
			breaks: []string{"Children orders name keys by their bytes, and pages exactly"},
			bend: func(b *bent) {
				b.children = func(r *stacksync.ChildrenResult) {
					slices.SortStableFunc(r.Items, func(a, b stacksync.ItemRow) int {
						return strings.Compare(strings.ToLower(a.NameKey), strings.ToLower(b.NameKey))
					})
				}
			},
		},
		{name: "starts anew after a key that is gone", breaks: []string{"Children continues after a key that is gone"}, bend: func(b *bent) {
			b.childrenParams = func(ctx context.Context, below stacksync.Reader, p *stacksync.ChildrenParams) {
				key := stacksync.NameKey{Workspace: p.Workspace, Parent: p.Parent, Key: p.After}
				if at, err := below.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{key}}); err == nil && len(at.Items) == 0 {
					p.After = ""
				}
			}
		}},
		{name: "orders versions backwards", breaks: []string{"Versions returns all versions, newest first"}, bend: func(b *bent) {
			b.versions = func(r *stacksync.VersionsResult) { slices.Reverse(r.Items) }
		}},
		{name: "has a default for Limit", breaks: []string{"a Limit below 1 is refused"}, bend: func(b *bent) {
			b.versionsParams = func(p *stacksync.VersionsParams) {
				if p.Limit < 1 {
					p.Limit = 1000
				}
			}
		}},
		{name: "counts no chunks", breaks: []string{"a page ends with the row that brings its chunks to the bound"}, bend: func(b *bent) {
			b.changesParams = func(p *stacksync.ChangesParams) { p.Chunks = 0 }
		}},
		{name: "counts After in", breaks: []string{"Changes returns current versions by revision"}, bend: func(b *bent) {
			b.changesParams = func(p *stacksync.ChangesParams) { p.After-- }
		}},
		{
			name:   "shows all tombstones",
			breaks: []string{"Changes returns tombstones, but for those through LiveThrough"},
			bend: func(b *bent) {
				b.changesParams = func(p *stacksync.ChangesParams) { p.LiveThrough = 0 }
			},
		},
		{
			name:   "brings the parents only",
			breaks: []string{"Changes brings unseen ancestors, as far as their line is unbroken"},
			bend: func(b *bent) {
				b.changes = func(_ context.Context, _ stacksync.Reader, _ stacksync.ChangesParams, r *stacksync.ChangesRows) error {
					r.Ancestors = slices.DeleteFunc(r.Ancestors, func(row stacksync.ItemRow) bool {
						return !slices.ContainsFunc(r.Items, func(child stacksync.ItemRow) bool { return child.Parent == row.ID })
					})
					return nil
				}
			},
		},
		{
			name:   "brings ancestors past one that was seen",
			breaks: []string{"Changes brings unseen ancestors, as far as their line is unbroken"},
			bend: func(b *bent) {
				b.changes = func(ctx context.Context, below stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error {
					up, err := below.Load(ctx, stacksync.LoadParams{Ancestors: itemKeys(r.Items...)})
					in := map[stacksync.ItemID]bool{}
					for _, row := range r.Items {
						in[row.ID] = true
					}
					r.Ancestors = slices.DeleteFunc(up.Items, func(row stacksync.ItemRow) bool { return in[row.ID] || row.Revision <= p.After })
					return err
				}
			},
		},
		{name: "brings the ancestors of tombstones too", breaks: []string{"Changes brings no ancestors of tombstones"}, bend: func(b *bent) {
			b.changes = func(ctx context.Context, below stacksync.Reader, p stacksync.ChangesParams, r *stacksync.ChangesRows) error {
				for _, row := range r.Items {
					if row.Deleted {
						up, err := below.Load(ctx, stacksync.LoadParams{Ancestors: itemKeys(row)})
						if err != nil {
							return err
						}
						r.Ancestors = append(r.Ancestors, up.Items...)
					}
				}
				return nil
			}
		}},
		{name: "skips a change between pages", breaks: []string{"Changes in pages gives the current tree while it changes"}, bend: func(b *bent) {
			b.changesParams = func(p *stacksync.ChangesParams) {
				if p.After > 0 {
					p.After++
				}
			}
		}},
		{name: "counts Before in", breaks: []string{"random transactions answer as a model does"}, bend: func(b *bent) {
			b.versionsParams = func(p *stacksync.VersionsParams) {
				if p.Before > 0 {
					p.Before++
				}
			}
		}},
	}
}
