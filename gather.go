package stacksync

import (
	"context"
	"fmt"
	"slices"
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
	workspace WorkspaceID
	weight    int // how many rows it is about
	ctx       context.Context
	err       error
	done      chan struct{}
	dropped   atomic.Bool // nobody waits for it any more
}

func (j *job) base() *job { return j }

// gatherer runs requests that come while others run as one batch: none waits when a batch can begin, and a busy workspace costs one
// transaction for many commits. Its goroutines live only while there is work.
type gatherer[J gatherable] struct {
	// run sets err of each job, or asks to run the batch again, each workspace by itself, at the next stage.
	run     func(ctx context.Context, batch []J, s stage) (again bool)
	writers int             // how many batches run at once; at least 1
	wg      *sync.WaitGroup // what Close waits for
	// turn, if not nil, is shared by gatherers of which one is to gather while the other runs: a commit that waits for the batch before
	// it has time for its lookup. 64 callers on SQLite then need a tenth of the reads.
	turn *sync.Mutex

	mu      sync.Mutex
	lanes   map[WorkspaceID]*lane[J] // of the workspaces that have jobs
	ready   []*lane[J]               // those that can run, the longest ready first
	running int                      // loops
	slots   [stages]chan struct{}    // of the later stages: one for each batch that runs
}

// stage is how a batch is run. Those of the later stages run beside the writers, as many at once at each: what has to wait holds up
// no commit to other workspaces, and takes no more than its share of the store's connections.
type stage int

const (
	together stage = iota
	apart          // a batch is of one workspace
	waiting        // it may have to wait for long
	stages
)

// lane is the queue of one workspace. While some of its jobs run the others wait and gather, rather than for their own process's lock.
type lane[J gatherable] struct {
	queue []J
	busy  bool // jobs of it are in a batch
}

// do runs j in a batch and returns its error. When ctx ends first, j may still run: the error says so.
func (g *gatherer[J]) do(ctx context.Context, j J) error {
	b := j.base()
	b.ctx, b.done = ctx, make(chan struct{})
	g.mu.Lock()
	g.enqueue(j)
	g.start()
	g.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		b.dropped.Store(true)
		return fmt.Errorf("stopped waiting, it may have been done: %w", context.Cause(ctx))
	}
}

func (g *gatherer[J]) enqueue(j J) {
	w := j.base().workspace
	l := g.lanes[w]
	if l == nil {
		if g.lanes == nil {
			g.lanes = make(map[WorkspaceID]*lane[J])
		}
		l = new(lane[J])
		g.lanes[w] = l
		g.ready = append(g.ready, l)
	}
	l.queue = append(l.queue, j)
}

// start makes sure that what is ready runs.
func (g *gatherer[J]) start() {
	if len(g.ready) > 0 && g.running < g.writers {
		g.running++
		persist(g.wg, g.loop)
	}
}

func (g *gatherer[J]) loop() {
	for g.next() {
	}
}

// next runs a batch. It reports false when there was none, and the loop has ended.
func (g *gatherer[J]) next() (more bool) {
	if g.turn != nil {
		g.turn.Lock()
		defer g.turn.Unlock()
	}
	batch := g.take()
	if batch == nil {
		return false
	}
	g.runBatch(batch, together)
	return true
}

// take returns the next batch, or ends the loop with nil.
func (g *gatherer[J]) take() []J {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []J
	for weight := 0; len(g.ready) > 0; g.ready = g.ready[1:] {
		l, n := g.ready[0], 0
		for n < len(l.queue) && len(batch)+n < gatherJobs {
			next := weight + l.queue[n].base().weight
			if len(batch)+n > 0 && next > gatherWeight {
				break
			}
			weight = next
			n++
		}
		if n == 0 {
			break
		}
		batch = append(batch, l.queue[:n]...)
		l.queue, l.busy = l.queue[n:], true
	}
	if batch == nil {
		g.running--
	}
	return batch
}

// runBatch runs a batch and answers its callers.
func (g *gatherer[J]) runBatch(batch []J, s stage) {
	again, returned := false, false
	defer func() {
		if again {
			for _, part := range byWorkspace(batch) {
				g.wg.Go(func() {
					slots := g.slots[s+1]
					slots <- struct{}{}
					defer func() { <-slots }()
					g.runBatch(part, s+1)
				})
			}
			return
		}
		if !returned {
			// What panicked belongs to the host (its store, its observer), and the goroutine to nobody who could recover.
			err := fmt.Errorf("%w: %v", errPanicked, recover())
			for _, j := range batch {
				j.base().err = err
			}
		}
		for _, j := range batch {
			close(j.base().done)
		}
		g.release(batch)
	}()
	live := slices.DeleteFunc(slices.Clone(batch), func(j J) bool { return j.base().dropped.Load() })
	if len(live) > 0 {
		again = g.run(batchContext(live), live, s) && s < waiting
	}
	returned = true
}

// release lets what has waited for the workspaces of a batch run.
func (g *gatherer[J]) release(batch []J) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, j := range batch {
		w := j.base().workspace
		l := g.lanes[w]
		if l == nil || !l.busy {
			continue // an earlier job of the batch was of the same workspace
		}
		if l.busy = false; len(l.queue) > 0 {
			g.ready = append(g.ready, l)
		} else {
			delete(g.lanes, w)
		}
	}
	g.start()
}

// byWorkspace divides a batch. The jobs of each workspace stay in order.
func byWorkspace[J gatherable](batch []J) map[WorkspaceID][]J {
	parts := make(map[WorkspaceID][]J)
	for _, j := range batch {
		w := j.base().workspace
		parts[w] = append(parts[w], j)
	}
	return parts
}

// batchContext is what a batch runs under. It must not end because one of its callers went away, so only a caller alone in its batch
// lends its values (a trace) and none its end.
func batchContext[J gatherable](batch []J) context.Context {
	if len(batch) == 1 {
		return context.WithoutCancel(batch[0].base().ctx)
	}
	return context.Background()
}

// persist runs f in a goroutine that wg counts. Should a host's function in it end the goroutine (runtime.Goexit), f begins anew in
// another.
func persist(wg *sync.WaitGroup, f func()) {
	wg.Go(func() {
		ended := false
		defer func() {
			if !ended {
				persist(wg, f)
			}
		}()
		f()
		ended = true
	})
}
