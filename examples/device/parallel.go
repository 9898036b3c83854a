package device

import (
	"context"
	"sync"
)

// forEach calls f for each item, in some goroutines. It returns the first error, after which no more calls are begun, once all calls
// have returned.
func forEach[T any](ctx context.Context, workers int, items []T, f func(ctx context.Context, item T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for item := range queue {
				if ctx.Err() != nil {
					continue
				}
				if err := f(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}
