package stacksync

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Bounds of what is gathered into one transaction. They keep a transaction short; a single request may be larger than weight.
const (
	gatherJobs   = 512
	gatherWeight = 4096
)

// gatherable is a request that can share a transaction with others.
type gatherable interface {
	base() *job
}

// job is the part of a gathered request that the gatherer needs.
type job struct {
	weight  int // how many rows it is about
	ctx     context.Context
	err     error
	done    chan struct{}
	dropped atomic.Bool // nobody waits for it any more
}

func (j *job) base() *job { return j }

// gatherer runs requests that come while others run as one batch: none waits when nothing runs, and a busy workspace costs one
// transaction for many commits. Its goroutine lives only while there is work.
type gatherer[J gatherable] struct {
	run func(ctx context.Context, batch []J) // sets err of each job
	wg  *sync.WaitGroup                      // what Close waits for
	// turn is shared by gatherers of which one is to gather while the other runs: a commit that waits for the batch before it has
	// time for its lookup. 64 callers on SQLite then need a tenth of the reads.
	turn *sync.Mutex

	mu      sync.Mutex
	queue   []J
	running bool
}

// do runs j in a batch and returns its error. When ctx ends first, j may still run: the error says so.
func (g *gatherer[J]) do(ctx context.Context, j J) error {
	b := j.base()
	b.ctx, b.done = ctx, make(chan struct{})
	g.mu.Lock()
	g.queue = append(g.queue, j)
	if !g.running {
		g.running = true
		g.wg.Go(g.loop)
	}
	g.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		b.dropped.Store(true)
		return fmt.Errorf("stopped waiting, it may have been done: %w", context.Cause(ctx))
	}
}

func (g *gatherer[J]) loop() {
	ended := false
	defer func() {
		if !ended { // a host's function has ended the goroutine: others wait for it
			g.wg.Go(g.loop)
		}
	}()
	for g.next() {
	}
	ended = true
}

// next runs a batch. It reports false when there was none, and the loop has ended.
func (g *gatherer[J]) next() (more bool) {
	g.turn.Lock()
	defer g.turn.Unlock()
	batch := g.take()
	if batch == nil {
		return false
	}
	live := batch[:0:len(batch)]
	for _, j := range batch {
		if !j.base().dropped.Load() {
			live = append(live, j)
		}
	}
	returned := false
	defer func() {
		if !returned {
			// What panicked belongs to the host (its store, its observer), and the goroutine to nobody who could recover.
			err := fmt.Errorf("%w: %v", errPanicked, recover())
			for _, j := range live {
				j.base().err = err
			}
			more = true
		}
		for _, j := range live {
			close(j.base().done)
		}
	}()
	if len(live) > 0 {
		g.run(batchContext(live), live)
	}
	returned = true
	return true
}

// take returns the next batch, or ends the loop with nil.
func (g *gatherer[J]) take() []J {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.running = false
		g.queue = nil
		return nil
	}
	n, weight := 0, 0
	for n < len(g.queue) && n < gatherJobs {
		weight += g.queue[n].base().weight
		if n > 0 && weight > gatherWeight {
			break
		}
		n++
	}
	batch := g.queue[:n:n]
	g.queue = g.queue[n:]
	return batch
}

// batchContext is what a batch runs under. It must not end because one of its callers went away, so only a caller alone in its batch
// lends its values (a trace) and none its end.
func batchContext[J gatherable](batch []J) context.Context {
	if len(batch) == 1 {
		return context.WithoutCancel(batch[0].base().ctx)
	}
	return context.Background()
}
