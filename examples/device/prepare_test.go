package device

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// preparer answers a queue as a service does, and notes how much it was asked for.
type preparer struct {
	*queue
	t       *testing.T
	clock   time.Time
	expires time.Time
	chunks  []stacksync.Chunk
	refuse  func(chunks []stacksync.Chunk) error // may be nil
	stored  map[string]bool
	asked   []int
}

func newPreparer(t *testing.T, chunks int) *preparer {
	p := &preparer{t: t, clock: time.Now(), stored: map[string]bool{}}
	p.expires = p.clock.Add(time.Hour)
	d := &Device{cfg: Config{Now: func() time.Time { return p.clock }}}
	p.queue = (&job{Device: d}).newQueue(func(_ context.Context, chunks []stacksync.Chunk) (answer, error) {
		p.asked = append(p.asked, len(chunks))
		if p.refuse != nil {
			if err := p.refuse(chunks); err != nil {
				return answer{}, err
			}
		}
		a := answer{via: stacksync.ViaSigned, expires: p.expires}
		for _, c := range chunks {
			if !p.stored[c.Name] {
				a.transfers = append(a.transfers, stacksync.Transfer{Chunk: c, Request: stacksync.SignedRequest{URL: fmt.Sprint(c.Name, " ", len(p.asked))}})
			}
		}
		return a, nil
	})
	for i := range chunks {
		p.chunks = append(p.chunks, stacksync.Chunk{Name: fmt.Sprintf("c%04d", i), Size: 1})
	}
	p.expect(p.chunks...)
	p.expect(p.chunks[0])
	return p
}

// take takes the turn of a chunk, and returns its URL.
func (p *preparer) take(i int) string {
	p.t.Helper()
	w, err := p.next(p.t.Context(), p.chunks[i])
	require.NoError(p.t, err)
	if w == nil {
		return "stored"
	}
	p.done(p.chunks[i])
	return w.request.URL
}

func TestQueueAsksForMany(t *testing.T) {
	p := newPreparer(t, 2300)
	p.stored["c0007"] = true
	for i := range p.chunks {
		require.Equal(t, i == 7, p.take(i) == "stored")
	}
	require.Equal(t, []int{1000, 1000, 300}, p.asked)
	require.Equal(t, "c0003 1", p.take(3), "once more, by what was prepared")
	require.Len(t, p.asked, 3)
}

func TestQueueOfWhatNobodyExpected(t *testing.T) {
	p := newPreparer(t, 3)
	_, err := p.next(t.Context(), stacksync.Chunk{Name: "new"})
	require.NoError(t, err)
	p.take(0)
	require.Equal(t, []int{1, 3}, p.asked)
}

func TestQueueByTheClock(t *testing.T) {
	p := newPreparer(t, 10)
	require.Equal(t, "c0000 1", p.take(0))
	p.clock = p.expires.Add(-6 * time.Second)
	require.Equal(t, "c0001 1", p.take(1))
	p.clock = p.expires.Add(-4 * time.Second)
	p.expires = p.expires.Add(time.Hour)
	require.Equal(t, "c0004 2", p.take(4))
	require.Equal(t, "c0002 3", p.take(2), "it was not after the one that was asked for")
	require.Equal(t, []int{10, 6, 2}, p.asked, "those that are left")
	// By this clock, nothing that comes is of use: it must be wrong.
	p.clock = p.clock.Add(24 * time.Hour)
	require.Equal(t, "c0005 4", p.take(5))
	require.Equal(t, "c0006 4", p.take(6))
}

func TestQueueByTheStorage(t *testing.T) {
	p := newPreparer(t, 10)
	w, err := p.next(t.Context(), p.chunks[0])
	require.NoError(t, err)
	p.reject(w)
	p.reject(w)
	require.Equal(t, "c0000 2", p.take(0))
	require.Equal(t, "c0001 2", p.take(1))
	require.Equal(t, []int{10, 10}, p.asked)
}

// What the service won't have holds up nothing else.
func TestQueueAsksForFewer(t *testing.T) {
	p := newPreparer(t, 1000)
	bad := &stacksync.FieldError{Field: "Chunks[0].Size", Reason: "is too large"}
	limit := &stacksync.FieldError{Field: "Chunks", Reason: "are more than 300", Err: stacksync.ErrLimit}
	p.refuse = func(chunks []stacksync.Chunk) error {
		if len(chunks) > 300 {
			return limit
		}
		for _, c := range chunks {
			if c.Name == "c0500" {
				return bad
			}
		}
		return nil
	}
	for i := range p.chunks {
		if i == 500 {
			_, err := p.next(t.Context(), p.chunks[i])
			require.Equal(t, bad, err)
			continue
		}
		p.take(i)
	}
	require.Less(t, len(p.asked), 40)
}

func TestQueueOfMissingChunks(t *testing.T) {
	p := newPreparer(t, 10)
	p.refuse = func(chunks []stacksync.Chunk) error {
		var missing []string
		for _, c := range chunks {
			if c.Name == "c0000" || c.Name == "c0005" {
				missing = append(missing, c.Name)
			}
		}
		if missing != nil {
			return &stacksync.ChunksMissingError{Names: missing}
		}
		return nil
	}
	for i := range p.chunks {
		if i%5 == 0 {
			_, err := p.next(t.Context(), p.chunks[i])
			require.ErrorIs(t, err, errContent)
			require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
			continue
		}
		p.take(i)
	}
	require.Equal(t, []int{10, 8}, p.asked)
	p = newPreparer(t, 1)
	p.refuse = func([]stacksync.Chunk) error { return &stacksync.ChunksMissingError{Names: []string{"another"}} }
	_, err := p.next(t.Context(), p.chunks[0])
	require.ErrorIs(t, err, stacksync.ErrChunksMissing)
}

func TestQueuePassesErrorsOn(t *testing.T) {
	p := newPreparer(t, 10)
	broken := errors.New("broken")
	p.refuse = func([]stacksync.Chunk) error { return broken }
	_, err := p.next(t.Context(), p.chunks[0])
	require.Equal(t, broken, err)
	p.refuse = nil
	require.Equal(t, "c0000 2", p.take(0), "nothing was noted")
}
