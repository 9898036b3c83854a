package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// maxBatch bounds what is asked of the service in one call.
const maxBatch = 1000

// queue has the chunks that are to be transferred, and says how, one by one. It asks the service for many at a time, for those that are
// next; and again for those whose signed requests have expired before their turn.
type queue struct {
	ask func(ctx context.Context, chunks []stacksync.Chunk) (answer, error)
	now func() time.Time

	mu    sync.Mutex // held while asking, too: the others wait for the same answer
	turns []*turn
	named map[string]*turn
	most  int // to ask for at a time: fewer after the service did not want them all
}

// turn is a chunk in a queue.
type turn struct {
	chunk  stacksync.Chunk
	at     int   // in queue.turns
	way    *way  // nil: not prepared yet
	done   bool  // was transferred: ask no more, unless somebody wants it once more
	stored bool  // need not be transferred
	err    error // can't be transferred
}

// way is how a chunk is transferred.
type way struct {
	*batch
	request stacksync.SignedRequest // where via is ViaSigned
}

// batch is what one call has prepared.
type batch struct {
	via     stacksync.Via
	until   time.Time // when the requests expire; zero: the storage is going to tell
	expired bool      // the storage has told
}

// answer is that of PrepareUpload and of PrepareDownload.
type answer struct {
	via       stacksync.Via
	transfers []stacksync.Transfer
	expires   time.Time
}

func (j *job) newQueue(ask func(context.Context, []stacksync.Chunk) (answer, error)) *queue {
	return &queue{ask: ask, now: j.cfg.Now, named: map[string]*turn{}, most: maxBatch}
}

// expect puts chunks at the end of the queue, unless they are in it.
func (q *queue) expect(chunks ...stacksync.Chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range chunks {
		q.add(c)
	}
}

func (q *queue) add(c stacksync.Chunk) *turn {
	t := q.named[c.Name]
	if t == nil {
		t = &turn{chunk: c, at: len(q.turns)}
		q.named[c.Name] = t
		q.turns = append(q.turns, t)
	}
	return t
}

// next returns how to transfer a chunk now; nil if it need not be.
func (q *queue) next(ctx context.Context, c stacksync.Chunk) (*way, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.add(c)
	t.done = false
	if q.pending(t) {
		if err := q.prepare(ctx, t); err != nil {
			return nil, err
		}
	}
	if t.err != nil || t.stored {
		return nil, t.err
	}
	return t.way, nil
}

// pending reports whether the service has to be asked for a turn.
func (q *queue) pending(t *turn) bool {
	if t.done || t.stored || t.err != nil {
		return false
	}
	w := t.way
	return w == nil || w.expired || !w.until.IsZero() && !q.now().Before(w.until)
}

// done takes note that a chunk was transferred.
func (q *queue) done(c stacksync.Chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.named[c.Name].done = true
}

// reject takes note that the storage refuses a request: so it will those that were prepared along with it.
func (q *queue) reject(w *way) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.expired = true
}

// prepare asks for a turn and those after it. Afterwards the turn is pending no more.
func (q *queue) prepare(ctx context.Context, first *turn) error {
	var turns []*turn
	for _, t := range q.turns[first.at:] {
		if len(turns) < maxBatch && q.pending(t) {
			turns = append(turns, t)
		}
	}
	for first.err == nil {
		some := turns[:min(len(turns), q.most)]
		a, err := q.ask(ctx, theirChunks(some))
		var missing *stacksync.ChunksMissingError
		switch {
		case err == nil:
			q.most = min(2*q.most, maxBatch)
			return q.note(some, a)
		case errors.As(err, &missing):
			rest := q.giveUp(turns, missing.Names)
			if len(rest) == len(turns) {
				return err
			}
			turns = rest
		case !unwanted(err):
			return err
		case len(some) == 1:
			first.err = err
		default:
			q.most = len(some) / 2
		}
	}
	return nil
}

func theirChunks(turns []*turn) []stacksync.Chunk {
	chunks := make([]stacksync.Chunk, len(turns))
	for i, t := range turns {
		chunks[i] = t.chunk
	}
	return chunks
}

// giveUp takes note that chunks are not stored, and returns the other turns.
func (q *queue) giveUp(turns []*turn, missing []string) []*turn {
	for _, name := range missing {
		if t := q.named[name]; t != nil {
			t.err = fmt.Errorf("%w: %q: %w", errContent, name, stacksync.ErrChunkNotFound)
		}
	}
	return slices.DeleteFunc(slices.Clone(turns), func(t *turn) bool { return t.err != nil })
}

// note takes what the service has prepared. What it left out need not be transferred.
func (q *queue) note(turns []*turn, a answer) error {
	// So soon before its end a request could expire on its way to the storage.
	const margin = 5 * time.Second
	b := &batch{via: a.via}
	switch a.via {
	case stacksync.ViaHost:
	case stacksync.ViaSigned:
		// Where it has expired before it came, the clock here goes wrong.
		if until := a.expires.Add(-margin); q.now().Before(until) {
			b.until = until
		}
	default:
		return fmt.Errorf("transfer via %q: %w", a.via, errors.ErrUnsupported)
	}
	for _, t := range turns {
		t.stored = true
	}
	for i := range a.transfers {
		if t := q.named[a.transfers[i].Name]; t != nil {
			t.stored, t.way = false, &way{batch: b, request: a.transfers[i].Request}
		}
	}
	return nil
}
