package gather

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// Bounds of the jobs in one batch, so that a transaction stays short. A job that alone is heavier
// than maxWeight makes a batch of its own.
const (
	maxJobs   = 512
	maxWeight = 4096
)

// Gatherable is a request that can share a transaction with others. It embeds a Job.
type Gatherable[K comparable] interface {
	base() *Job[K]
}

// Job is the part of a request that the Gatherer needs. The caller of Do sets Key and Weight.
type Job[K comparable] struct {
	Key    K   // jobs of one key run in order, in one batch at a time
	Weight int // about how many rows the request reads and writes
	// Ctx is the ctx of the call of Do.
	Ctx context.Context
	// Err is the error that Do returns. Run sets it.
	Err error

	done    chan struct{}
	dropped atomic.Bool // the caller has stopped waiting
}

func (j *Job[K]) base() *Job[K] { return j }

// Run runs a batch. It sets Err of each job. Or it returns true and sets none: then the jobs of
// each key run again by themselves, at the next stage.
type Run[J any] func(ctx context.Context, batch []J, s Stage) (again bool)

// Gatherer runs requests that come while others run as one batch. So a request on an idle store
// waits for nothing, and a busy key costs one transaction for many requests. Its goroutines live
// only while there is work. Its methods may be called from many goroutines.
type Gatherer[K comparable, J Gatherable[K]] struct {
	writers int
	wg      *sync.WaitGroup
	turn    *sync.Mutex

	mu      sync.Mutex
	lanes   map[K]*lane[J]        // the lanes of the keys that have jobs
	ready   []*lane[J]            // the lanes that can run, the longest ready first
	running int                   // how many loops run
	slots   [stages]chan struct{} // of the later stages: each has a slot for each batch that runs
}

// New makes a gatherer that runs up to writers batches at once. wg counts its goroutines. turn may
// be nil. Gatherers that share a turn run one batch at a time between them, and while one of them
// runs, the requests of the other gather: a commit that waits for the batch before it has time for
// its look-up of chunks. With 64 callers on SQLite that saves nine tenths of the reads.
func New[K comparable, J Gatherable[K]](writers int, wg *sync.WaitGroup, turn *sync.Mutex) *Gatherer[K, J] {
	g := &Gatherer[K, J]{writers: writers, wg: wg, turn: turn, lanes: make(map[K]*lane[J])}
	for s := Apart; s < stages; s++ {
		g.slots[s] = make(chan struct{}, writers)
	}
	return g
}

// Stage says how a batch is run. Batches of the later stages run beside the writers, at each stage
// up to as many at once as there are writers. So a batch that has to wait holds up no request of
// other keys, and takes no more than its share of the store's connections.
type Stage int

// The stages, in order.
const (
	// Together is the first try: a batch may have jobs of many keys.
	Together Stage = iota
	// Apart is the second try: a batch has jobs of one key.
	Apart
	// Waiting is the last try: a batch has jobs of one key, and may have to wait for long.
	Waiting
	stages
)

// lane is the queue of one key. While some of its jobs run, the others wait and gather here, rather
// than for a lock that their own process holds.
type lane[J any] struct {
	queue []J
	busy  bool // jobs of the lane are in a batch
}

// Do runs j in a batch, by run, and returns its Err. When ctx ends first, Do returns the error of
// ctx; the job may run all the same. All calls on one gatherer must hand in the same run.
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

// start starts a loop if a lane is ready and fewer loops than writers run. g.mu is held.
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

// runNext runs a batch. It returns false when no lane is ready; then the caller's loop must end.
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

// takeBatch returns the next batch, or nil: then it has counted the caller's loop out.
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
			// The code that panicked belongs to the host (its store, its observer), and this
			// goroutine has no caller who could recover.
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

// release makes the lanes of a batch ready again if jobs wait in them.
func (g *Gatherer[K, J]) release(batch []J, run Run[J]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, j := range batch {
		key := j.base().Key
		l := g.lanes[key]
		if l == nil || !l.busy {
			continue // an earlier job of the batch had the same key
		}
		if l.busy = false; len(l.queue) > 0 {
			g.ready = append(g.ready, l)
		} else {
			delete(g.lanes, key)
		}
	}
	g.start(run)
}

// ByKey divides a batch by keys. The jobs of each key stay in order.
func ByKey[K comparable, J Gatherable[K]](batch []J) map[K][]J {
	parts := make(map[K][]J)
	for _, j := range batch {
		key := j.base().Key
		parts[key] = append(parts[key], j)
	}
	return parts
}

// Context returns the ctx for a batch. It does not end when a caller goes away, since a batch may
// have other callers. A batch of one job has the values (a trace, say) of the ctx of its caller.
func Context[K comparable, J Gatherable[K]](batch []J) context.Context {
	if len(batch) == 1 {
		return context.WithoutCancel(batch[0].base().Ctx)
	}
	return context.Background()
}
