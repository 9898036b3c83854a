package swift_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

func write(ctx context.Context, s stacksync.ChunkWriter, container, name string, content io.Reader, size int) error {
	_, err := s.WriteChunk(ctx, stacksync.WriteChunkParams{Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(size)}, Content: content})
	return err
}

// created takes a PUT as Swift does.
func created(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusCreated)
}

func TestTriesAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 429, 498, 500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) <= 2 {
					w.WriteHeader(status)
					return
				}
				created(w, r)
			})
			s := openFake(t, f, nil)
			require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5))
			require.EqualValues(t, 3, n.Load())
		})
	}
}

func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	status := http.StatusInsufficientStorage
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(status)
	})
	s := openFake(t, f, nil)
	var answer *swift.StatusError
	require.ErrorAs(t, write(t.Context(), s, "c", "a", strings.NewReader("x"), 1), &answer)
	require.Equal(t, http.StatusInsufficientStorage, answer.Status)
	require.EqualValues(t, 1, n.Load(), "507 does not pass")

	status = http.StatusServiceUnavailable
	require.ErrorContains(t, write(t.Context(), s, "c", "a", strings.NewReader("x"), 1), "try again in 1h0m0")
	require.EqualValues(t, 2, n.Load(), "nobody waits an hour")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		created(w, r)
	})
	s := openFake(t, f, nil)
	start := time.Now()
	require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("x"), 1))
	require.GreaterOrEqual(t, time.Since(start), time.Second)

	n.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, write(ctx, s, "c", "a", strings.NewReader("x"), 1), context.DeadlineExceeded)
}

// What can't be read twice is not sent twice, but for a refusal that comes before it is read.
func TestContentThatCantBeReadTwice(t *testing.T) {
	t.Parallel()
	var early atomic.Bool
	var n atomic.Int32
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			if !early.Load() {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		created(w, r)
	})
	s := openFake(t, f, nil)
	once := func() io.Reader { return io.MultiReader(strings.NewReader("hello")) }
	var answer *swift.StatusError
	require.ErrorAs(t, write(t.Context(), s, "c", "a", once(), 5), &answer)
	require.EqualValues(t, 1, n.Load())

	n.Store(0)
	early.Store(true)
	require.NoError(t, write(t.Context(), s, "c", "a", once(), 5))
	require.EqualValues(t, 2, n.Load())

	f.expire()
	require.NoError(t, write(t.Context(), s, "c", "a", once(), 5), "the token is refused before the content is read")
}

func TestOneLoginForAll(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	s := openFake(t, f, nil)
	f.expire()
	before, _ := f.count()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { assert.NoError(t, write(t.Context(), s, "c", fmt.Sprint(i), strings.NewReader("x"), 1)) })
	}
	wg.Wait()
	after, _ := f.count()
	require.Equal(t, before+1, after)
}

func TestCallerGivesUpOnLogin(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	s := openFake(t, f, nil)
	f.expire()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, write(ctx, s, "c", "a", strings.NewReader("x"), 1), context.Canceled)
	require.NoError(t, s.Close())
	require.ErrorIs(t, write(t.Context(), s, "c", "a", strings.NewReader("x"), 1), stacksync.ErrClosed)
}

// No secret is in an error or in a log, whatever the servers say.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var mu sync.Mutex
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	const key stacksync.Secret = "master-key-of-the-host-0123456789abcdef"
	var texts []string
	s := openFake(t, f, func(c *swift.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&lockedWriter{mu: &mu, to: &log}, nil))
		c.Signing = &swift.Signing{Keys: []stacksync.Secret{key}}
		texts = append(texts, fmt.Sprintf("%v %+v %#v", *c, *c.Signing, *c.Signing))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for _, err := range []error{
		write(ctx, s, "c", "a", strings.NewReader("x"), 1),
		func() error {
			_, err := signerOf(t, s).SignChunks(ctx, stacksync.SignChunksParams{Container: "c", Method: stacksync.Get, Lifetime: time.Minute})
			return err
		}(),
	} {
		require.Error(t, err)
		texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
	bad := f.config()
	bad.AuthURL = "http://user:" + string(password) + "@host/v3"
	_, err := swift.Open(t.Context(), bad)
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	texts = append(texts, err.Error())
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, log.String(), "trying again")
	for _, text := range append(texts, log.String()) {
		require.NotContains(t, text, string(password))
		require.NotContains(t, text, string(key))
		require.NotContains(t, text, "token-1")
		require.NotContains(t, text, "temp_url_sig")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func signerOf(t *testing.T, s stacksync.StorageProvisioner) stacksync.ChunkSigner {
	t.Helper()
	g, ok := stacksync.As[stacksync.ChunkSigner](s)
	require.True(t, ok)
	return g
}
