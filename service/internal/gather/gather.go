package gather

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// Bounds of what is gathered into one transaction. They keep a transaction short; a single request
// may be heavier than maxWeight.
const (
	maxJobs   = 512
	maxWeight = 4096
)

// Gatherable is a request that can share a transaction with others. It embeds a Job.
type Gatherable[K comparable] interface {
	base() *Job[K]
}

// Job is the part of a request that the Gatherer needs. Key and Weight are set by the caller of Do.
type Job[K comparable] struct {
	Key    K   // requests of one key run in order, in one batch at a time
	Weight int // about how many rows the request reads and writes
	// Ctx is that of the caller of Do.
	Ctx context.Context
	// Err is the answer. Run sets it.
	Err error

	done    chan struct{}
	dropped atomic.Bool // the caller waits no longer
}

func (j *Job[K]) base() *Job[K] { return j }

// Run runs a batch. It sets Err of each job, or asks for the batch to run again at the next stage,
// the jobs of each key by themselves.
type Run[J any] func(ctx context.Context, batch []J, s Stage) (again bool)

// Gatherer runs requests that come while others run as one batch: none waits when a batch can
// begin, and a busy key costs one transaction for many requests. Its goroutines live only while
// there is work.
type Gatherer[K comparable, J Gatherable[K]] struct {
	writers int
	wg      *sync.WaitGroup
	turn    *sync.Mutex

	mu      sync.Mutex
	lanes   map[K]*lane[J]        // of the keys that have jobs
	ready   []*lane[J]            // those that can run, the longest ready first
	running int                   // loops
	slots   [stages]chan struct{} // of the later stages: one for each batch that runs
}

// New makes a gatherer that runs up to writers batches at once; wg counts its goroutines. turn, if
// not nil, is shared by gatherers of which one is to gather while the other runs: a commit that
// waits for the batch before it has time for its lookup. 64 callers on SQLite then need a tenth of
// the reads.
func New[K comparable, J Gatherable[K]](writers int, wg *sync.WaitGroup, turn *sync.Mutex) *Gatherer[K, J] {
	g := &Gatherer[K, J]{writers: writers, wg: wg, turn: turn, lanes: make(map[K]*lane[J])}
	for s := Apart; s < stages; s++ {
		g.slots[s] = make(chan struct{}, writers)
	}
	return g
}

// Stage is how a batch is run. Those of the later stages run beside the writers, as many at once at
// each: what has to wait holds up no request of other keys, and takes no more than its share of the
// store's connections.
type Stage int

// The stages, in order.
const (
	Together Stage = iota
	Apart          // a batch is of one key
	Waiting        // it may have to wait for long
	stages
)

// lane is the queue of one key. While some of its jobs run the others wait and gather, rather than
// for a lock that their own process holds.
type lane[J any] struct {
	queue []J
	busy  bool // jobs of it are in a batch
}

// Do runs j in a batch, by run, and returns its error. When ctx ends first, j may still run: the
// error says so. All calls on one gatherer hand in the same run.
func (g *Gatherer[K, J]) Do(ctx context.Context, j J, run Run[J]) error {
	b := j.base()
	b.Ctx, b.done = ctx, make(chan struct{})
	g.mu.Lock()
	g.enqueue(j)
	g.start(run)
	g.mu.Unlock()
	select {
	case <-b.done:
		return b.Err
	case <-ctx.Done():
		b.dropped.Store(true)
		return fmt.Errorf("stopped waiting, it may have been done: %w", context.Cause(ctx))
	}
}

func (g *Gatherer[K, J]) enqueue(j J) {
	key := j.base().Key
	l := g.lanes[key]
	if l == nil {
		l = new(lane[J])
		g.lanes[key] = l
		g.ready = append(g.ready, l)
	}
	l.queue = append(l.queue, j)
}

// Counts returns how many jobs wait for others, and how many keys have jobs in a batch.
func (g *Gatherer[K, J]) Counts() (queued, busy int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lanes {
		queued += len(l.queue)
		if l.busy {
			busy++
		}
	}
	return queued, busy
}

// start makes sure that what is ready runs.
func (g *Gatherer[K, J]) start(run Run[J]) {
	if len(g.ready) > 0 && g.running < g.writers {
		g.running++
		alive.Persist(g.wg, func() { g.loop(run) })
	}
}

func (g *Gatherer[K, J]) loop(run Run[J]) {
	for g.runNext(run) {
	}
}

// runNext runs a batch. It reports false when there was none, and the loop has ended.
func (g *Gatherer[K, J]) runNext(run Run[J]) (more bool) {
	if g.turn != nil {
		g.turn.Lock()
		defer g.turn.Unlock()
	}
	batch := g.takeBatch()
	if batch == nil {
		return false
	}
	g.runBatch(batch, Together, run)
	return true
}

// takeBatch returns the next batch, or ends the loop with nil.
func (g *Gatherer[K, J]) takeBatch() []J {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []J
	for weight := 0; len(g.ready) > 0; g.ready = g.ready[1:] {
		l, n := g.ready[0], 0
		for n < len(l.queue) && len(batch)+n < maxJobs {
			next := weight + l.queue[n].base().Weight
			if len(batch)+n > 0 && next > maxWeight {
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
func (g *Gatherer[K, J]) runBatch(batch []J, s Stage, run Run[J]) {
	again, returned := false, false
	defer func() {
		if again {
			for _, part := range ByKey(batch) {
				g.wg.Go(func() {
					slots := g.slots[s+1]
					slots <- struct{}{}
					defer func() { <-slots }()
					g.runBatch(part, s+1, run)
				})
			}
			return
		}
		if !returned {
			// What panicked belongs to the host (its store, its observer), and the goroutine to
			// nobody who could recover.
			err := fmt.Errorf("%w: %v", alive.ErrPanicked, recover())
			for _, j := range batch {
				j.base().Err = err
			}
		}
		for _, j := range batch {
			close(j.base().done)
		}
		g.release(batch, run)
	}()
	live := slices.DeleteFunc(slices.Clone(batch), func(j J) bool { return j.base().dropped.Load() })
	if len(live) > 0 {
		again = run(Context(live), live, s) && s < Waiting
	}
	returned = true
}

// release lets what has waited for the keys of a batch run.
func (g *Gatherer[K, J]) release(batch []J, run Run[J]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, j := range batch {
		key := j.base().Key
		l := g.lanes[key]
		if l == nil || !l.busy {
			continue // an earlier job of the batch was of the same key
		}
		if l.busy = false; len(l.queue) > 0 {
			g.ready = append(g.ready, l)
		} else {
			delete(g.lanes, key)
		}
	}
	g.start(run)
}

// ByKey divides a batch. The jobs of each key stay in order.
func ByKey[K comparable, J Gatherable[K]](batch []J) map[K][]J {
	parts := make(map[K][]J)
	for _, j := range batch {
		key := j.base().Key
		parts[key] = append(parts[key], j)
	}
	return parts
}

// Context is what a batch runs under. It must not end because one of its callers went away, so only
// a caller alone in its batch lends its values (a trace) and none its end.
func Context[K comparable, J Gatherable[K]](batch []J) context.Context {
	if len(batch) == 1 {
		return context.WithoutCancel(batch[0].base().Ctx)
	}
	return context.Background()
}
