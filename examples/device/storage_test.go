package device_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/service"
)

// signing is a storage in memory that clients reach by signed requests over HTTP, and that does not always do what it should.
type signing struct {
	*storage.Storage
	server *httptest.Server
	secret string // which every signed URL has

	mu        sync.Mutex
	keys      int            // requests signed with an earlier one have expired
	asked     []string       // since set: methods and statuses
	times     map[string]int // since set, by method and path
	lifetime  time.Duration
	container string                           // what was signed last is for
	broken    breakage                         // may be nil
	spoil     func(r *stacksync.SignedRequest) // may be nil
}

// breakage answers a request instead of the storage, or returns false. It is told how often the same was asked for, from 1.
type breakage func(s *signing, times int, w http.ResponseWriter, r *http.Request) bool

const signedHeader = "X-Signed-Header"

func newSigning(t *testing.T) *signing {
	s := &signing{Storage: storage.New(storage.Config{}), secret: rand.Text(), lifetime: time.Hour, times: map[string]int{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// use makes it the storage of a service that gives clients no other way to it.
func (s *signing) use(c *service.Config) {
	c.Storage, c.Vias = s, []stacksync.Via{stacksync.ViaSigned}
}

func (s *signing) SignChunks(_ context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.container = p.Container
	res := stacksync.SignChunksResult{Expires: time.Now().Add(s.lifetime)}
	for _, c := range p.Chunks {
		q := url.Values{"key": {strconv.Itoa(s.keys)}, "signature": {s.secret}}
		r := stacksync.SignedRequest{
			Method: p.Method, URL: fmt.Sprintf("%s/%s/%s?%s", s.server.URL, p.Container, c.Name, q.Encode()),
			Header: map[string]string{signedHeader: string(p.Method)},
		}
		if s.spoil != nil {
			s.spoil(&r)
		}
		res.Requests = append(res.Requests, r)
	}
	return res, nil
}

// expire makes everything expire that is signed.
func (s *signing) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys++
}

// set breaks the storage, or mends it.
func (s *signing) set(broken breakage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.times, s.broken = nil, map[string]int{}, broken
}

// requests returns what was asked for since set.
func (s *signing) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *signing) ServeHTTP(plain http.ResponseWriter, r *http.Request) {
	w := &noting{ResponseWriter: plain, status: http.StatusOK}
	s.mu.Lock()
	what := r.Method + " " + r.URL.Path
	s.times[what]++
	times, broken, key := s.times[what], s.broken, strconv.Itoa(s.keys)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, fmt.Sprintf("%s %d", r.Method, w.status))
	}()
	if broken != nil && broken(s, times, w, r) {
		return
	}
	switch q := r.URL.Query(); {
	case q.Get("key") != key || q.Get("signature") != s.secret:
		w.WriteHeader(http.StatusForbidden)
	case r.Header.Get(signedHeader) != r.Method:
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodPut:
		s.write(w, r)
	default:
		s.read(w, r)
	}
}

func (s *signing) write(w http.ResponseWriter, r *http.Request) {
	container, name := place(r)
	if r.ContentLength < 0 {
		w.WriteHeader(http.StatusLengthRequired)
		return
	}
	_, err := s.WriteChunk(r.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: r.ContentLength}, Content: r.Body,
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *signing) read(w http.ResponseWriter, r *http.Request) {
	content, err := s.content(r)
	if errors.Is(err, stacksync.ErrChunkNotFound) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(content)) // a client that went away does not want it
}

// content is what a request is for.
func (s *signing) content(r *http.Request) ([]byte, error) {
	container, name := place(r)
	res, err := s.ReadChunk(r.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(res.Content)
	return content, errors.Join(err, res.Content.Close())
}

func place(r *http.Request) (container, name string) {
	container, name, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return container, name
}

// noting notes the status of an answer.
type noting struct {
	http.ResponseWriter
	status int
}

func (w *noting) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *noting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requireNoSecret fails where somebody could read the signature of a request.
func (s *signing) requireNoSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NotContains(t, text, s.secret)
	}
}
