package metastoretest

import (
	"context"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

func loadFaults() []fault {
	return []fault{
		{name: "hides tombstones from Load.Items", breaks: []string{"Load.Items brings current versions, tombstones too"}, bend: filterItems(
			func(_ stacksync.LoadParams, row stacksync.ItemRow) bool { return !row.Deleted },
		)},
		{name: "finds items by the names they had", breaks: []string{"Load.Names brings live items by the names they hold now"}, bend: func(b *bent) {
			var put []stacksync.ItemRow
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				put = append(put, p.Items...)
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				for _, row := range put {
					if slices.Contains(p.Names, nameKeyOf(row)) {
						r.Items = append(r.Items, row)
					}
				}
				return nil
			}
		}},
		{name: "takes the current version for a superseded one", breaks: []string{"Load.Versions brings superseded versions"}, bend: func(b *bent) {
			b.load = func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				var items stacksync.LoadParams
				for _, k := range p.Versions {
					items.Items = append(items.Items, stacksync.ItemKey{Workspace: k.Workspace, Item: k.Item})
				}
				current, err := below.Load(ctx, items)
				r.Versions = append(r.Versions, current.Items...)
				return err
			}
		}},
		{name: "knows every chunk", breaks: []string{"Load.Chunks brings those that are stored"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				for _, k := range p.Chunks {
					r.Chunks = append(r.Chunks, stacksync.ChunkRow{Workspace: k.Workspace, Chunk: stacksync.Chunk{Name: k.Name}})
				}
				return nil
			}
		}},
		{name: "keys chunks by name only", breaks: []string{"the same id in two workspaces is two rows"}, bend: func(b *bent) {
			put := map[string]stacksync.ChunkRow{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, c := range p.Chunks {
					put[c.Name] = c
				}
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				for i, c := range r.Chunks {
					r.Chunks[i] = put[c.Name]
				}
				return nil
			}
		}},
		{name: "answers one list a call", breaks: []string{"one Load answers all its lists"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				if len(p.Access) > 0 {
					r.Chunks = nil
				}
				return nil
			}
		}},
		{name: "takes no keys for all keys", breaks: []string{"a Load of nothing brings nothing"}, bend: func(b *bent) {
			var put []stacksync.ChunkRow
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				put = append(put, p.Chunks...)
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				if len(p.Chunks) == 0 {
					r.Chunks = put
				}
				return nil
			}
		}},

		{name: "counts an item among its ancestors", breaks: []string{"Load.Ancestors walks up to the root"}, bend: func(b *bent) {
			b.loadParams = func(p *stacksync.LoadParams) { p.Items = append(p.Items, p.Ancestors...) }
		}},
		{
			name:   "hides tombstones from Load.Ancestors",
			breaks: []string{"Load.Ancestors walks through tombstones, in current versions"},
			bend: filterItems(func(p stacksync.LoadParams, row stacksync.ItemRow) bool {
				return len(p.Ancestors) == 0 || !row.Deleted
			}),
		},
		{name: "goes down one level", breaks: []string{"Load.Subtrees brings what is live below, at any depth"}, bend: filterItems(
			func(p stacksync.LoadParams, row stacksync.ItemRow) bool {
				parent := stacksync.ItemKey{Workspace: row.Workspace, Item: row.Parent}
				return len(p.Subtrees) == 0 || slices.Contains(p.Subtrees, parent)
			},
		)},
		{name: "knows no root", breaks: []string{"Load.Subtrees of the root brings the whole tree"}, bend: func(b *bent) {
			b.loadParams = func(p *stacksync.LoadParams) {
				p.Subtrees = slices.DeleteFunc(p.Subtrees, func(k stacksync.ItemKey) bool { return k.Item.IsZero() })
			}
		}},
		{name: "walks in the workspace of the first key", breaks: []string{"trees stay in their workspace"}, bend: func(b *bent) {
			b.loadParams = func(p *stacksync.LoadParams) {
				for i := range p.Subtrees {
					p.Subtrees[i].Workspace = p.Subtrees[0].Workspace
				}
			}
		}},
		{name: "gives up after a thousand levels", breaks: []string{"trees of thousands of levels"}, bend: func(b *bent) {
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				r.Items = r.Items[:min(len(r.Items), 1000)]
				return nil
			}
		}},
		{name: "walks in circles", hangs: true, breaks: []string{"a cycle of parents does not hang a Load"}, bend: func(b *bent) {
			b.load = func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, _ *stacksync.LoadResult) error {
				for _, k := range p.Ancestors {
					for ctx.Err() == nil {
						up, err := below.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{k}})
						if err != nil || len(up.Items) == 0 {
							return err
						}
						k.Item = up.Items[0].Parent
					}
				}
				return ctx.Err()
			}
		}},
		{name: "matches names by their folded case", breaks: []string{"names are compared by their bytes"}, bend: func(b *bent) {
			var put []stacksync.ItemRow
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				put = append(put, p.Items...)
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				for _, row := range put {
					if len(p.Names) == 1 && strings.EqualFold(p.Names[0].Key, row.NameKey) {
						r.Items = append(r.Items, row)
					}
				}
				return nil
			}
		}},
		{name: "takes one row too few", breaks: []string{"thousands of rows of a kind in one call"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Items = p.Items[:min(len(p.Items), faultRows-1)]
				return nil
			}
		}},
	}
}

// filterItems leaves out what keep says no to from Load's Items.
func filterItems(keep func(p stacksync.LoadParams, row stacksync.ItemRow) bool) func(b *bent) {
	return func(b *bent) {
		b.load = func(_ context.Context, _ stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
			r.Items = slices.DeleteFunc(r.Items, func(row stacksync.ItemRow) bool { return !keep(p, row) })
			return nil
		}
	}
}
