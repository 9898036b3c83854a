package s3_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// calls are one of each kind.
func calls(s *s3.Storage) map[string]func(ctx context.Context) error {
	at := []string{"stored"}
	return map[string]func(ctx context.Context) error{
		"create": func(ctx context.Context) error {
			_, err := s.CreateContainer(ctx, stacksync.CreateContainerParams{Container: "another"})
			return err
		},
		"write":         func(ctx context.Context) error { return write(ctx, s, container, "new", "content") },
		"write nothing": func(ctx context.Context) error { return write(ctx, s, container, "empty", "") },
		"read": func(ctx context.Context) error {
			_, err := read(ctx, s, container, "stored")
			return err
		},
		"stat one": func(ctx context.Context) error {
			_, err := s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: at})
			return err
		},
		"stat": func(ctx context.Context) error {
			_, err := s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: []string{"a", "b"}})
			return err
		},
		"list": func(ctx context.Context) error {
			_, err := s.ListChunks(ctx, stacksync.ListChunksParams{Container: container})
			return err
		},
		"copy": func(ctx context.Context) error {
			_, err := s.CopyChunks(ctx, stacksync.CopyChunksParams{From: container, To: container, Names: at})
			return err
		},
		"delete": func(ctx context.Context) error {
			_, err := s.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: container, Names: []string{"a", "b"}})
			return err
		},
		"drop": func(ctx context.Context) error {
			_, err := s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: "another"})
			return err
		},
	}
}

// TestTriesAgain: each call gets over some refusals, and waits as it is told.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	const refusals = 3
	for name, c := range map[string]s3.Config{"one bucket": config(t, server(t)), "own buckets": ownBuckets(server(t))} {
		s, m, n := throughMiddle(t, c)
		require.NoError(t, write(t.Context(), s, container, "stored", "content"))
		for _, fault := range map[string]func(r *http.Request) (*answer, error){
			"503": slowDown,
			"429": func(r *http.Request) (*answer, error) {
				return refusal(r, http.StatusTooManyRequests, "TooManyRequests", "3"), nil
			},
			"500 without a word": func(r *http.Request) (*answer, error) {
				a := refusal(r, http.StatusInternalServerError, "", "3")
				a.Body, a.ContentLength = http.NoBody, 0
				return a, nil
			},
		} {
			for call, do := range calls(s) {
				n.taken()
				m.set(times(refusals, fault), nil)
				require.NoError(t, do(t.Context()), "%s: %s", name, call)
				waits := n.taken()
				require.Len(t, waits, refusals, "%s: %s\n%s", name, call, n.logged())
				for _, wait := range waits {
					require.Equal(t, 3*time.Second, wait, "Retry-After")
				}
			}
		}
		m.set(nil, nil)
		m.set(times(2, func(*http.Request) (*answer, error) { return nil, errCut }), nil)
		require.NoError(t, write(t.Context(), s, container, "new", "content"))
		for i, wait := range n.taken() {
			require.Less(t, wait, 100*time.Millisecond<<i)
		}
		requireStored(t, s, "new", "content")
	}
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	c.Tries = 4
	s, m, n := throughMiddle(t, c)
	require.NoError(t, write(t.Context(), s, container, "stored", "content"))
	m.set(slowDown, nil)
	for call, do := range calls(s) {
		n.taken()
		err := do(t.Context())
		require.Regexp(t, "SlowDown|Service Unavailable", err.Error(), call) // an answer to HEAD has no code
		require.NotErrorIs(t, err, stacksync.ErrNotFound)
		require.NotErrorIs(t, err, stacksync.ErrInvalid)
		require.Len(t, n.taken(), c.Tries-1, call)
	}

	for what, fault := range map[string]func(r *http.Request) (*answer, error){
		"told to wait for an hour": func(r *http.Request) (*answer, error) {
			return refusal(r, http.StatusServiceUnavailable, "SlowDown", "3600"), nil
		},
		"forbidden": func(r *http.Request) (*answer, error) {
			return refusal(r, http.StatusForbidden, "AccessDenied", ""), nil
		},
		"not implemented": func(r *http.Request) (*answer, error) {
			return refusal(r, http.StatusNotImplemented, "NotImplemented", ""), nil
		},
		"unknown authority": func(*http.Request) (*answer, error) { return nil, x509.UnknownAuthorityError{} },
	} {
		m.set(fault, nil)
		for call, do := range calls(s) {
			require.Error(t, do(t.Context()), "%s: %s", what, call)
			require.Empty(t, n.taken(), "%s: %s", what, call)
		}
	}

	// It would be told to wait for longer than there is time.
	m.set(func(r *http.Request) (*answer, error) {
		return refusal(r, http.StatusServiceUnavailable, "SlowDown", "50"), nil
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	require.ErrorContains(t, write(ctx, s, container, "new", "content"), "SlowDown")
	require.Empty(t, n.taken())
}

func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	s, m, _ := throughMiddle(t, config(t, server(t)))
	ctx, cancel := context.WithCancel(t.Context())
	s3.SetSleep(s, func(time.Duration) <-chan time.Time {
		cancel()
		return nil
	})
	m.set(slowDown, nil)
	err := write(ctx, s, container, "new", "content")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "the try before failed: Service Unavailable", "why it took so long")
}

// TestRefusalThatGetsLost: a server may refuse a chunk that is stored, and close the connection, while it is still being sent.
func TestRefusalThatGetsLost(t *testing.T) {
	t.Parallel()
	s, m, n := throughMiddle(t, config(t, server(t)))
	require.NoError(t, write(t.Context(), s, container, "stored", "content"))
	cut := func(r *http.Request) (*answer, error) {
		if what(r) != "put" {
			return nil, nil
		}
		_, _ = io.CopyN(io.Discard, r.Body, 1)
		return nil, errCut
	}
	m.set(cut, nil)
	require.NoError(t, write(t.Context(), s, container, "stored", "content"))
	require.Empty(t, n.taken())
	require.ErrorIs(t, write(t.Context(), s, container, "stored", "longer content"), stacksync.ErrSize)
	require.ErrorIs(t, write(t.Context(), s, container, "new", "content"), errCut)
	m.set(times(2, cut), nil)
	require.NoError(t, write(t.Context(), s, container, "new", "content"))
	requireStored(t, s, "new", "content")
}

// TestContentOnce: content that can't be read again is not sent again once something of it was read.
func TestContentOnce(t *testing.T) {
	t.Parallel()
	s, m, n := throughMiddle(t, config(t, server(t)))
	require.NoError(t, write(t.Context(), s, container, "known", "content"))

	m.set(times(2, slowDown), nil)
	require.NoError(t, writeFrom(t.Context(), s, "unread", 7, onlyOnce("content")))
	requireStored(t, s, "unread", "content")
	require.Len(t, n.taken(), 2)

	m.set(times(1, readThenSlowDown), nil)
	m.taken()
	require.ErrorContains(t, writeFrom(t.Context(), s, "read", 7, onlyOnce("content")), "SlowDown")
	require.Empty(t, n.taken())
	require.Equal(t, []string{"put", "head"}, m.taken(), "it may have been stored")
	require.Empty(t, stat(t, s, container, "read"))

	m.set(times(2, readThenSlowDown), nil)
	seeker := strings.NewReader("..content")
	_, err := seeker.Seek(2, io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, writeFrom(t.Context(), s, "again", 7, seeker))
	requireStored(t, s, "again", "content")

	m.set(times(1, readThenSlowDown), nil)
	fails := &failingSeeker{strings.NewReader("content")}
	require.ErrorIs(t, writeFrom(t.Context(), s, "fails", 7, fails), errSeek)
}

var errSeek = errors.New("it does not go back")

type failingSeeker struct{ *strings.Reader }

func (f *failingSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		return 0, errSeek
	}
	return f.Reader.Seek(offset, whence)
}

// TestLostAnswer: what was stored is a success, also if nobody could say so.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]s3.Config{"one bucket": config(t, server(t)), "own buckets": ownBuckets(server(t))} {
		s, m, _ := throughMiddle(t, c)
		m.set(nil, loseAnswers(1, "put"))
		require.NoError(t, write(t.Context(), s, container, "seekable", "content"), name)
		m.set(nil, loseAnswers(1, "put"))
		require.NoError(t, writeFrom(t.Context(), s, "once", 7, onlyOnce("content")), name)
		m.set(nil, nil)
		for _, chunk := range []string{"seekable", "once"} {
			requireStored(t, s, chunk, "content")
		}
		m.set(nil, loseAnswers(1, "put"))
		_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "lost"})
		require.NoError(t, err, name)
		m.set(nil, loseAnswers(1, "delete"))
		for range 2 {
			_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: "lost"})
			require.NoError(t, err, name)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999999": 24 * time.Hour, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		require.Equal(t, want, s3.RetryAfter(header, now), "%q", header)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]time.Duration{1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 7: 6400 * time.Millisecond, 8: 10 * time.Second, 99: 10 * time.Second} {
		for range 100 {
			wait := s3.Backoff(n)
			require.GreaterOrEqual(t, wait, time.Duration(0))
			require.Less(t, wait, most)
		}
	}
}

// TestPeers: who is not the server is found out at once; who stops in the middle of content is noticed.
func TestPeers(t *testing.T) {
	t.Parallel()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", "100")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "half")
		}
	}))
	t.Cleanup(cut.Close)
	c := s3.Config{Endpoint: cut.URL, AccessKey: "a", SecretKey: "s", Bucket: "bucket"}
	s, err := s3.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	got, err := read(t.Context(), s, container, "chunk")
	require.Equal(t, "half", got)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	c.Endpoint = "https://" + strings.TrimPrefix(cut.URL, "http://")
	s, err = s3.New(c)
	require.NoError(t, err)
	var n naps
	s3.SetSleep(s, n.sleep)
	require.ErrorContains(t, write(t.Context(), s, container, "x", ""), "HTTP response to HTTPS client")
	require.Empty(t, n.taken(), "tried again")
}
