package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// middle is a transport between a storage and the server, which counts requests, and does to them what a test says.
type middle struct {
	to http.RoundTripper

	mu       sync.Mutex
	requests []string // what send was asked for
	// act decides about a request; nil, or a nil answer without an error, sends it on.
	act func(r *http.Request) (*answer, error)
	// after loses the answer to a request, by an error.
	after func(r *http.Request) error
}

// answer is an http.Response that was made up, and has nothing to close.
type answer http.Response

func (m *middle) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.requests = append(m.requests, what(r))
	act, after := m.act, m.after
	m.mu.Unlock()
	if act != nil {
		if a, err := act(r); a != nil || err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return (*http.Response)(a), err
		}
	}
	a, err := m.to.RoundTrip(r)
	if err != nil || after == nil {
		return a, err
	}
	if err := after(r); err != nil {
		return nil, errors.Join(err, a.Body.Close())
	}
	return a, nil
}

// what says what a request is for.
func what(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "list"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "list uploads"
	case r.Method == http.MethodPost && q.Has("delete"):
		return "delete many"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "begin"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "complete"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "part"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "abort"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "copy"
	case r.Method == http.MethodPut && q.Has("policy"):
		return "policy"
	}
	return strings.ToLower(r.Method)
}

// taken returns the requests since it was called before.
func (m *middle) taken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.requests
	m.requests = nil
	return taken
}

func (m *middle) set(act func(r *http.Request) (*answer, error), after func(r *http.Request) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.act, m.after = act, after
}

// throughMiddle opens a storage behind a middle, with the container in it. It sleeps no longer than it takes to note for how long.
func throughMiddle(t T, c s3.Config) (*s3.Storage, *middle, *naps) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	m, n := &middle{to: transport}, &naps{}
	c.Transport = m
	c.Logger = n.logger()
	s := open(t, c)
	s3.SetSleep(s, n.sleep)
	m.taken()
	return s, m, n
}

// naps notes for how long somebody wanted to sleep.
type naps struct {
	mu   sync.Mutex
	list []time.Duration
	log  bytes.Buffer // what the storage has logged
}

func (n *naps) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (n *naps) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

func (n *naps) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

func (n *naps) sleep(d time.Duration) <-chan time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, d)
	over := make(chan time.Time)
	close(over)
	return over
}

func (n *naps) taken() []time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.list
	n.list = nil
	return taken
}

// refusal is an answer as S3 gives it.
func refusal(r *http.Request, status int, code, retryAfter string) *answer {
	body := fmt.Sprintf("<Error><Code>%s</Code><Message>Please wait.</Message></Error>", code)
	if r.Method == http.MethodHead {
		body = ""
	}
	a := &answer{
		StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	if retryAfter != "" {
		a.Header.Set("Retry-After", retryAfter)
	}
	return a
}

// times returns an act that does so to the first n requests.
func times(n int, do func(r *http.Request) (*answer, error)) func(r *http.Request) (*answer, error) {
	var mu sync.Mutex
	return func(r *http.Request) (*answer, error) {
		mu.Lock()
		defer mu.Unlock()
		if n--; n < 0 {
			return nil, nil
		}
		return do(r)
	}
}

func slowDown(r *http.Request) (*answer, error) {
	return refusal(r, http.StatusServiceUnavailable, "SlowDown", "3"), nil
}

// readThenSlowDown is what a server does that takes the content first.
func readThenSlowDown(r *http.Request) (*answer, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	return slowDown(r)
}

var errCut = errors.New("the connection was cut")

// loseAnswers loses the first n answers to requests of a kind.
func loseAnswers(n int, kind string) func(r *http.Request) error {
	var mu sync.Mutex
	return func(r *http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		if what(r) != kind || n == 0 {
			return nil
		}
		n--
		return errCut
	}
}

func writeFrom(ctx context.Context, s *s3.Storage, name string, size int64, content io.Reader) error {
	_, err := s.WriteChunk(ctx, stacksync.WriteChunkParams{Container: container, Chunk: stacksync.Chunk{Name: name, Size: size}, Content: content})
	return err
}

// onlyOnce hides that content could be read again.
func onlyOnce(content string) io.Reader { return struct{ io.Reader }{strings.NewReader(content)} }

func requireStored(t T, s *s3.Storage, name, content string) {
	t.Helper()
	requireStoredIn(t, s, container, name, content)
}

func requireStoredIn(t T, s *s3.Storage, container, name, content string) {
	t.Helper()
	got, err := read(context.Background(), s, container, name)
	require.NoError(t, err)
	if got != content { // Equal would print MiB
		t.Errorf("%q has other content", name)
	}
}
