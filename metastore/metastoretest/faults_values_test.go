package metastoretest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

func putFaults() []fault {
	return []fault{
		{name: "saves some lists of a Put", breaks: []string{"Put saves all its lists at once"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				if len(p.Items) > 0 {
					p.Chunks = nil
				}
				return nil
			}
		}},
		{name: "never changes a parent", breaks: []string{"Put replaces an item in all its fields"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			first := map[stacksync.ItemID]stacksync.ItemID{}
			return func(row *stacksync.ItemRow) { row.Parent = firstOf(first, row.ID, row.Parent) }
		})},
		{name: "refuses an empty Put", breaks: []string{"Put of nothing saves nothing"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				if len(p.Users)+len(p.Workspaces)+len(p.Items)+len(p.Chunks) == 0 {
					return errors.New("nothing to save")
				}
				return nil
			}
		}},
		{name: "reads what is committed only", breaks: []string{"Puts of one transaction build on each other"}, bend: func(b *bent) {
			b.load = func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				return b.MetadataStore.View(ctx, func(ctx context.Context, committed stacksync.Reader) (err error) {
					*r, err = committed.Load(ctx, p)
					return err
				})
			}
		}},
		{
			name:   "holds names to be unique",
			breaks: []string{"two items swap names in one Put", "two items swap names in two Puts"},
			bend: func(b *bent) {
				b.put = func(ctx context.Context, below stacksync.Tx, p *stacksync.PutParams) error {
					for _, row := range p.Items {
						held, err := below.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{nameKeyOf(row)}})
						if err != nil {
							return err
						}
						if len(held.Items) > 0 && held.Items[0].ID != row.ID {
							return errors.New("name is taken")
						}
					}
					return nil
				}
			},
		},
		{name: "supersedes in all workspaces", breaks: []string{"a Put of one workspace leaves the others alone"}, bend: func(b *bent) {
			var put []stacksync.ItemRow
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				if len(p.Superseded) > 0 {
					for _, row := range put {
						if row.Workspace != p.Items[0].Workspace {
							row.Revision += 100
							p.Items = append(p.Items, row)
						}
					}
				}
				put = append(put, p.Items...)
				return nil
			}
		}},
		{name: "saves what it was given at the end", breaks: []string{"Put keeps nothing of its params"}, open: func() func() stacksync.MetadataStore {
			store := &loose{MetadataStore: newMemory()}
			return func() stacksync.MetadataStore { return store }
		}},
	}
}

func valueFaults() []fault {
	return []fault{
		{name: "trims strings", breaks: []string{"strings come back byte for byte"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			return func(row *stacksync.ItemRow) { row.Name = strings.TrimSpace(row.Name) }
		})},
		{
			name:   "keeps times to the millisecond",
			breaks: []string{"times are kept to the microsecond, in UTC, over years 1 to 9999"},
			bend: bendItems(func() func(row *stacksync.ItemRow) {
				return func(row *stacksync.ItemRow) { row.ModifiedAt = row.ModifiedAt.Truncate(time.Millisecond) }
			}),
		},
		{
			name:   "keeps times as nanoseconds since 1970",
			breaks: []string{"times are kept to the microsecond, in UTC, over years 1 to 9999"},
			bend: bendItems(func() func(row *stacksync.ItemRow) {
				return func(row *stacksync.ItemRow) { row.CommittedAt = time.Unix(0, row.CommittedAt.UnixNano()) }
			}),
		},
		{
			name:   "gives times in the zone of the machine",
			breaks: []string{"times are kept to the microsecond, in UTC, over years 1 to 9999"},
			bend: func(b *bent) {
				b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
					for i := range r.Items {
						r.Items[i].ModifiedAt = r.Items[i].ModifiedAt.In(time.FixedZone("CET", 3600))
					}
					return nil
				}
			},
		},
		{name: "keeps numbers as floats", breaks: []string{"64-bit numbers come back at their extremes"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			return func(row *stacksync.ItemRow) { row.Size = int64(min(float64(row.Size), 1<<62)) }
		})},
		{name: "knows four statuses", breaks: []string{"every kind, status, role and state comes back"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			return func(row *stacksync.ItemRow) { row.Status = min(row.Status, stacksync.StatusMoved) }
		})},
		{name: "forgets the highest id", breaks: []string{"ids of any bytes come back"}, bend: func(b *bent) {
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				p.Devices = slices.DeleteFunc(p.Devices, func(d stacksync.Device) bool { return d.ID.UUID == uuid.Max })
				return nil
			}
		}},
		{name: "fills empty attributes", breaks: []string{"zero values and empty lists come back empty"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			return func(row *stacksync.ItemRow) {
				if row.Attrs == nil {
					row.Attrs = map[string]string{"": ""}
				}
			}
		})},
		{name: "has room for 16,384 chunks", breaks: []string{"an item of 20,000 chunks"}, bend: bendItems(func() func(row *stacksync.ItemRow) {
			return func(row *stacksync.ItemRow) { row.Chunks = row.Chunks[:min(len(row.Chunks), 16_384)] }
		})},
	}
}

// bendItems changes each of Put's Items with a function that is made for each store.
func bendItems(bend func() func(row *stacksync.ItemRow)) func(b *bent) {
	return func(b *bent) {
		change := bend()
		b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
			p.Items = slices.Clone(p.Items)
			for i := range p.Items {
				change(&p.Items[i])
			}
			return nil
		}
	}
}
