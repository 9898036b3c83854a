package backendtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/conformance"
	metadata "github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

var errAway = errors.New("the server is away")

// stoppable is a cloud whose server can be stopped. It works slowly, so that there is something to stop.
type stoppable struct {
	*cloud
	pace   time.Duration
	away   atomic.Bool
	failed atomic.Int64 // requests, because the server was away

	// What a mutant may change: what calls say while the server is away, and what becomes of a write that is stopped, and of what is
	// stored, when it stops.
	gone    error
	cut     func(w stacksync.WriteChunkParams, content []byte)
	crashes func()

	mu              sync.Mutex
	writing         int
	stopped         bool                         // once
	written, copied []stacksync.CopyChunksParams // one chunk each, in order; From is empty for what was written
}

func newStoppable(t T, change func(*stoppable)) *stoppable {
	s := &stoppable{pace: time.Millisecond, gone: errAway, cut: func(stacksync.WriteChunkParams, []byte) {}, crashes: func() {}}
	s.cloud = newCloud(t, func(*cloud) {})
	guard(s, &s.broken.stat)
	guard(s, &s.broken.list)
	guard(s, &s.broken.read)
	guard(s, &s.broken.create)
	around(&s.broken.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
		content, err := io.ReadAll(p.Content)
		if err != nil {
			return stacksync.WriteChunkResult{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.away.Load() {
			return stacksync.WriteChunkResult{}, errAway
		}
		s.writing++
		s.mu.Unlock()
		time.Sleep(s.pace)
		s.mu.Lock()
		s.writing--
		if s.away.Load() {
			s.cut(p, content)
			return stacksync.WriteChunkResult{}, errAway
		}
		s.written = append(s.written, stacksync.CopyChunksParams{To: p.Container, Names: []string{p.Name}})
		p.Content = bytes.NewReader(content)
		return next(ctx, p)
	})
	around(&s.broken.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (r stacksync.CopyChunksResult, err error) {
		for i := range p.Names {
			time.Sleep(s.pace / 5)
			if s.away.Load() {
				return r, s.gone
			}
			one := stacksync.CopyChunksParams{From: p.From, To: p.To, Names: p.Names[i : i+1]}
			if r, err = next(ctx, one); err != nil {
				return r, err
			}
			s.mu.Lock()
			s.copied = append(s.copied, one)
			s.mu.Unlock()
		}
		return r, nil
	})
	s.objects.store = func(r *http.Request, w stacksync.WriteChunkParams) error {
		if stored, err := s.Storage.StatChunks(r.Context(), stacksync.StatChunksParams{Container: w.Container, Names: []string{w.Name}}); err == nil && len(stored.Chunks) > 0 {
			return errStored
		}
		_, err := s.WriteChunk(r.Context(), w)
		return err
	}
	change(s)
	next := s.objects.serve
	s.objects.serve = func(w http.ResponseWriter, r *http.Request) {
		if !s.away.Load() {
			next(w, r)
			return
		}
		if s.failed.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler) // closes the connection
		}
		if s.failed.Load() == 1 {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return s
}

// guard makes a call fail while the server is away.
func guard[P, R any](s *stoppable, c *call[P, R]) {
	around(c, func(ctx context.Context, next call[P, R], p P) (R, error) {
		if s.away.Load() {
			var none R
			return none, s.gone
		}
		return next(ctx, p)
	})
}

// stop stops the server, the first time in the middle of a write.
func (s *stoppable) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.writing == 0 && !s.stopped; s.mu.Lock() {
		s.mu.Unlock()
		time.Sleep(s.pace / 10)
	}
	s.stopped = true
	s.away.Store(true)
	s.crashes()
	return nil
}

func (s *stoppable) start() error {
	s.away.Store(false)
	return nil
}

// outageOf returns what RunOutage needs for a server of its own.
func outageOf(via stacksync.Via, change func(*stoppable)) Outage {
	var s *stoppable
	return Outage{
		Open:    func(t T) stacksync.StorageProvisioner { s = newStoppable(t, change); return s },
		Stop:    func() error { return s.stop() },
		Start:   func() error { return s.start() },
		Service: newService,
		Via:     via,
		lasts:   100 * time.Millisecond,
	}
}

func TestOutage(t *testing.T) {
	for _, via := range []stacksync.Via{"", stacksync.ViaHost} {
		t.Run(cmp.Or(string(via), "as preferred"), func(t *testing.T) {
			t.Parallel()
			RunOutage(t, outageOf(via, func(*stoppable) {}))
		})
	}
}

// TestOutageExpired: requests that have expired are asked for again.
func TestOutageExpired(t *testing.T) {
	t.Parallel()
	var expired atomic.Int64
	RunOutage(t, outageOf(stacksync.ViaSigned, func(s *stoppable) {
		next := s.objects.serve
		s.objects.serve = func(w http.ResponseWriter, r *http.Request) {
			if n := expired.Add(1); n%10 == 0 {
				w.WriteHeader([]int{http.StatusUnauthorized, http.StatusForbidden}[n/10%2])
				return
			}
			next(w, r)
		}
	}))
	require.Greater(t, expired.Load(), int64(outageChunks))
}

// outageMutants lose or leave something, or say that there is nothing.
var outageMutants = map[string]func(*stoppable){
	"a stored chunk is lost": func(s *stoppable) {
		s.crashes = func() { s.lose(s.written) }
	},
	"copying goes on where it was, and has lost a chunk": func(s *stoppable) {
		s.crashes = func() { s.lose(s.copied) }
		before(&s.broken.copy, func(p *stacksync.CopyChunksParams) {
			s.mu.Lock()
			defer s.mu.Unlock()
			p.Names = p.Names[len(s.copied):]
		})
	},
	"a part of a chunk is visible": func(s *stoppable) {
		s.cut = func(w stacksync.WriteChunkParams, content []byte) {
			half := content[:len(content)/2]
			s.keep(w.Container, w.Name, half)
		}
	},
	"zeros in place of a chunk are visible": func(s *stoppable) {
		s.cut = func(w stacksync.WriteChunkParams, content []byte) {
			s.keep(w.Container, w.Name, make([]byte, len(content)))
		}
	},
	"a temporary name is visible": func(s *stoppable) {
		s.cut = func(w stacksync.WriteChunkParams, content []byte) { s.keep(w.Container, w.Name+".tmp", content) }
	},
	"a temporary name of a copy is visible": func(s *stoppable) {
		s.crashes = func() {
			if len(s.copied) > 0 {
				s.keep(s.copied[0].To, "tmp", nil)
			}
		}
	},
	"there is nothing":           func(s *stoppable) { s.gone = nil },
	"the container is not found": func(s *stoppable) { s.gone = stacksync.ErrNotFound },
	"copying says that chunks are missing": func(s *stoppable) {
		around(&s.broken.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
			r, err := next(ctx, p)
			if errors.Is(err, errAway) {
				err = &stacksync.ChunksMissingError{Names: p.Names}
			}
			return r, err
		})
	},
	"copying moves": func(s *stoppable) {
		around(&s.broken.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
			r, err := next(ctx, p)
			if err == nil {
				_, err = s.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: p.From, Names: p.Names[:1]})
			}
			return r, err
		})
	},
	"the server does not go away": func(s *stoppable) { s.crashes = func() { s.away.Store(false) } },
	"requests are bad after the outage": func(s *stoppable) {
		next := s.objects.serve
		s.objects.serve = func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			stopped := s.stopped
			s.mu.Unlock()
			if stopped && r.Method == http.MethodPut { // nobody gets here while the server is away
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			next(w, r)
		}
	},
}

// lose deletes the one that was done last.
func (s *stoppable) lose(done []stacksync.CopyChunksParams) {
	if len(done) > 0 {
		last := done[len(done)-1]
		_, _ = s.Storage.DeleteChunks(context.Background(), stacksync.DeleteChunksParams{Container: last.To, Names: slices.Clone(last.Names)})
	}
}

func (s *stoppable) keep(container, name string, content []byte) {
	_, _ = s.Storage.WriteChunk(context.Background(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: bytes.NewReader(content),
	})
}

func TestOutageMutants(t *testing.T) {
	for name, change := range outageMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, outageOf(stacksync.ViaSigned, change), []conformance.Check[Outage]{{Name: "Outage", Run: outage}},
				map[string]string{"Outage": "the mutant breaks it"})
		})
	}
}

// newService makes a service for backendtest.RunOutage.
func newService(t T, storage stacksync.StorageProvisioner, via stacksync.Via) Service {
	store := metadata.New(metadata.Config{})
	config := service.Config{Storage: storage, ChunkHash: sha256.New}
	if via != "" {
		config.Vias = []stacksync.Via{via}
	}
	svc, err := service.New(store, config)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		require.NoError(t, store.Close())
	})
	return svc
}
