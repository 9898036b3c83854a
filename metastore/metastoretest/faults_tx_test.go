package metastoretest

import (
	"context"
	"errors"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

func newMemory() stacksync.MetadataStore { return memory.New(memory.Config{}) }

func txFaults() []fault {
	return []fault{
		{name: "shows what is not committed", breaks: []string{"a View sees nothing of an open Update"}, bend: func(b *bent) {
			var open stacksync.Tx
			b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
				return b.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
					open = tx
					defer func() { open = nil }()
					return fn(ctx, tx)
				})
			}
			b.view = func(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
				if open != nil {
					return fn(ctx, open)
				}
				return b.MetadataStore.View(ctx, fn)
			}
		}},
		{name: "makes readers wait for writers", hangs: true, breaks: []string{"a View sees nothing of an open Update"}, bend: func(b *bent) {
			busy := make(chan struct{}, 1)
			b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
				busy <- struct{}{}
				defer func() { <-busy }()
				return b.MetadataStore.Update(ctx, fn)
			}
			b.view = func(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
				select {
				case busy <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				defer func() { <-busy }()
				return b.MetadataStore.View(ctx, fn)
			}
		}},
		{name: "commits what failed", breaks: []string{"a failed Update saves nothing, and returns its closure's error"}, bend: func(b *bent) {
			b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) (failed error) {
				return errors.Join(b.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
					failed = fn(ctx, tx)
					return nil
				}), failed)
			}
		}},
		{
			name:   "hides why a closure failed",
			breaks: []string{"a failed Update saves nothing, and returns its closure's error", "a View returns its closure's error"},
			bend: func(b *bent) {
				b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
					return opaque(b.MetadataStore.Update(ctx, fn))
				}
				b.view = func(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
					return opaque(b.MetadataStore.View(ctx, fn))
				}
			},
		},
		{
			name:   "swallows a panic",
			breaks: []string{"a panic in a closure saves nothing and leaves the store usable"},
			bend: func(b *bent) {
				b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
					defer func() { _ = recover() }()
					return b.MetadataStore.Update(ctx, fn)
				}
			},
		},
		{
			name: "commits when a closure is left",
			breaks: []string{
				"a panic in a closure saves nothing and leaves the store usable",
				"a goroutine that ends in a closure saves nothing and leaves the store usable",
			},
			bend: func(b *bent) {
				b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
					var left any
					err := b.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) (err error) {
						var apart sync.WaitGroup
						apart.Add(1)
						go func() { // so that runtime.Goexit ends no more than this
							defer apart.Done()
							defer func() { left = recover() }()
							err = fn(ctx, tx)
						}()
						apart.Wait()
						return err
					})
					if left != nil {
						panic(left)
					}
					return err
				}
			},
		},
		{
			name:   "knows no ctx",
			breaks: []string{"a ctx that has ended runs no closure", "a ctx that ends in a closure ends its transaction"},
			bend: func(b *bent) {
				b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
					return b.MetadataStore.Update(context.WithoutCancel(ctx), fn)
				}
				b.view = func(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
					return b.MetadataStore.View(context.WithoutCancel(ctx), fn)
				}
			},
		},
		{name: "shows what was committed before", breaks: []string{"each View sees what was committed before it"}, bend: func(b *bent) {
			before, now := map[stacksync.ItemID]stacksync.ItemRow{}, map[stacksync.ItemID]stacksync.ItemRow{}
			b.put = func(_ context.Context, _ stacksync.Tx, p *stacksync.PutParams) error {
				for _, row := range p.Items {
					before[row.ID], now[row.ID] = now[row.ID], row
				}
				return nil
			}
			b.load = func(_ context.Context, _ stacksync.Reader, _ stacksync.LoadParams, r *stacksync.LoadResult) error {
				for i, row := range r.Items {
					r.Items[i] = before[row.ID]
				}
				return nil
			}
		}},

		{name: "reads what is committed meanwhile", breaks: []string{"a View is one snapshot"}, bend: func(b *bent) {
			b.load = func(ctx context.Context, below stacksync.Reader, p stacksync.LoadParams, r *stacksync.LoadResult) error {
				if _, update := below.(stacksync.Tx); update {
					return nil
				}
				return b.MetadataStore.View(ctx, func(ctx context.Context, later stacksync.Reader) (err error) {
					*r, err = later.Load(ctx, p)
					return err
				})
			}
		}},

		{name: "never closes", breaks: []string{"after Close, every method returns ErrClosed"}, bend: func(b *bent) {
			b.close = func() error { return nil }
		}},
		{
			name:   "closes at once",
			breaks: []string{"Close waits for a running Update, which commits", "Close waits for a running View"},
			bend: func(b *bent) {
				b.close = func() error {
					go func() { _ = b.MetadataStore.Close() }()
					return nil
				}
			},
		},
		{
			name:   "has its own error for what is closed",
			breaks: []string{"Close while many work: each call is whole or ErrClosed", "after Close, every method returns ErrClosed"},
			bend: func(b *bent) {
				b.update = func(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
					return opaque(b.MetadataStore.Update(ctx, fn))
				}
			},
		},
		{
			name:   "keeps nothing outside its handle",
			breaks: []string{SecondHandle, SecondHandleLocks, Reopened},
			open:   func() func() stacksync.MetadataStore { return newMemory },
		},
	}
}

// opaque hides what err wraps.
func opaque(err error) error {
	if err != nil {
		err = errors.New("the store failed: " + err.Error())
	}
	return err
}
