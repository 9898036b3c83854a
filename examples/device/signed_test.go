package device_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
)

// signedTwins are two devices on a storage that signs, the first with some files that nobody has yet: an empty one, small ones,
// and one of many chunks.
func signedTwins(t *testing.T) (*signing, *world, *client, *client) {
	s := newSigning(t)
	w := newWorld(t, s.use)
	w.workers = 8
	a, b := w.device("a"), w.device("b")
	a.write("empty", "")
	for i := range 10 {
		a.write(fmt.Sprintf("small/%d", i), fmt.Sprint("content ", i))
	}
	a.write("large", random(4<<20))
	return s, w, a, b
}

func TestSignedRequests(t *testing.T) {
	t.Parallel()
	s, w, a, b := signedTwins(t)
	sent, received := a.sync(), b.sync()
	require.Greater(t, sent.ChunksUploaded, 10)
	require.Equal(t, sent.ChunksUploaded, received.ChunksDownloaded)
	require.Equal(t, stacksync.ViaSigned, sent.Via)
	require.Equal(t, stacksync.ViaSigned, received.Via)
	require.Equal(t, w.converge()["large"], random(4<<20))
	require.Len(t, s.requests(), 2*sent.ChunksUploaded)
	require.Empty(t, a.sync().Via, "nothing went")
}

// What is stored already is not sent.
func TestSignedUploadOfStoredContent(t *testing.T) {
	t.Parallel()
	s, w, a, _ := signedTwins(t)
	w.converge()
	s.set(nil)
	content := a.tree()["large"]
	a.write("copy", content[:3<<20]+"changed"+content[3<<20:])
	require.Less(t, a.sync().ChunksUploaded, 4)
	require.Less(t, len(s.requests()), 4)
	w.converge()
}

// status answers without having read what was sent.
func status(code int, headers ...string) breakage {
	return func(_ *signing, _ int, w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		return true
	}
}

// first breaks only the first requests for each chunk.
func first(most int, broken breakage) breakage {
	return func(s *signing, times int, w http.ResponseWriter, r *http.Request) bool {
		return times <= most && broken(s, times, w, r)
	}
}

// ofOne breaks only the requests for the chunk of small/3.
func ofOne(broken breakage) breakage {
	return func(s *signing, times int, w http.ResponseWriter, r *http.Request) bool {
		_, chunk := place(r)
		return chunk == sum("content 3") && broken(s, times, w, r)
	}
}

// only breaks only requests of a method.
func only(method string, broken breakage) breakage {
	return func(s *signing, times int, w http.ResponseWriter, r *http.Request) bool {
		return r.Method == method && broken(s, times, w, r)
	}
}

func drop(*signing, int, http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// cut answers with half of what it has announced.
func cut(s *signing, _ int, w http.ResponseWriter, r *http.Request) bool {
	content, _ := s.content(r)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content[:len(content)/2])
	return true
}

// cutUnannounced answers with half of a content whose length nobody knows before, and drops the connection.
func cutUnannounced(s *signing, _ int, w http.ResponseWriter, r *http.Request) bool {
	content, _ := s.content(r)
	_, _ = w.Write(content[:len(content)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// hang answers when the client has gone away.
func hang(_ *signing, _ int, w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body) // the server notices the client's end only then
	<-r.Context().Done()
	return true
}

// What the storage can't do at the moment is tried again.
func TestSignedFaults(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]breakage{
		"slow down":              first(2, status(http.StatusServiceUnavailable)),
		"slow down for a second": ofOne(first(1, status(http.StatusServiceUnavailable, "Retry-After", "1"))),
		"conflict":               first(2, only(http.MethodPut, status(http.StatusConflict))),
		"too many requests":      first(1, status(http.StatusTooManyRequests, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT")),
		"request timeout":        first(1, status(http.StatusRequestTimeout, "Connection", "close")),
		"internal error":         ofOne(first(4, status(http.StatusInternalServerError))),
		"expired":                first(1, status(http.StatusForbidden)),
		"not authorised":         first(1, status(http.StatusUnauthorized)),
		"dropped":                first(2, drop),
		"cut":                    first(2, only(http.MethodGet, cut)),
		"cut, unannounced":       first(2, only(http.MethodGet, cutUnannounced)),
		"hangs":                  ofOne(first(1, hang)),
		"expired, then busy": first(2, func(s *signing, times int, w http.ResponseWriter, r *http.Request) bool {
			return status([]int{http.StatusForbidden, http.StatusBadGateway}[times-1])(s, times, w, r)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, a, b := signedTwins(t)
			if name == "hangs" {
				a.SetPatience(500 * time.Millisecond)
				b.SetPatience(500 * time.Millisecond)
			}
			s.set(broken)
			start := time.Now()
			sent := a.sync()
			if strings.HasSuffix(name, "second") {
				require.Greater(t, time.Since(start), time.Second)
			}
			require.Greater(t, len(s.requests()), sent.ChunksUploaded-1)
			require.Equal(t, sent.ChunksUploaded, b.sync().ChunksDownloaded)
			require.Equal(t, random(4<<20), b.tree()["large"])
			w.converge()
		})
	}
}

// 412 says that the chunk is stored: by another device, or by a request whose answer was lost.
func TestSignedUploadIsStoredAlready(t *testing.T) {
	t.Parallel()
	s, w, a, _ := signedTwins(t)
	s.set(only(http.MethodPut, func(s *signing, _ int, w http.ResponseWriter, r *http.Request) bool {
		s.write(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusPreconditionFailed)
		return true
	}))
	require.NotZero(t, a.sync().ChunksUploaded)
	w.converge()
}

// What is not the content that was committed gets nobody's place; it has to wait, and nothing else has.
func TestSignedContentIsChecked(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(content []byte) []byte{
		"wrong": func(content []byte) []byte { return bytes.Repeat([]byte("x"), len(content)) },
		"short": func(content []byte) []byte { return content[1:] },
		"empty": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, a, b := signedTwins(t)
			a.sync()
			s.set(ofOne(func(_ *signing, _ int, w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write(answer([]byte("content 3")))
				return true
			}))
			r, err := b.Sync(t.Context())
			require.NoError(t, err)
			require.Len(t, r.Problems, 1)
			require.Equal(t, "small/3", r.Problems[0].Path)
			require.Len(t, b.tree(), 12, "all but one")
			s.set(nil)
			require.Contains(t, w.converge(), "small/3")
		})
	}
}

func TestSignedDownloadOfLostContent(t *testing.T) {
	t.Parallel()
	s, _, a, b := signedTwins(t)
	a.sync()
	_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: s.container, Names: []string{sum("content 3")}})
	require.NoError(t, err)
	r, err := b.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Problems, 1)
	require.Equal(t, "small/3", r.Problems[0].Path)
	require.ErrorIs(t, r.Problems[0].Err, stacksync.ErrChunkNotFound)
	require.Len(t, b.tree(), 12, "all but one")
}

// Whatever goes wrong for good, the error tells it, and nobody can use what it tells.
func TestSignedFailures(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked for", r.URL) }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		broken breakage
		spoil  func(r *stacksync.SignedRequest)
		want   string
	}{
		"forbidden":    {broken: status(http.StatusForbidden), want: "403 Forbidden"},
		"unavailable":  {broken: status(http.StatusServiceUnavailable), want: "503 Service Unavailable"},
		"bad":          {broken: status(http.StatusBadRequest), want: "400 Bad Request"},
		"not found":    {broken: only(http.MethodPut, status(http.StatusNotFound)), want: "404 Not Found"},
		"redirect":     {broken: status(http.StatusTemporaryRedirect, "Location", elsewhere.URL), want: "307 Temporary Redirect"},
		"see other":    {broken: status(http.StatusSeeOther, "Location", elsewhere.URL), want: "303 See Other"},
		"dropped":      {broken: drop, want: "EOF"},
		"wrong header": {spoil: func(r *stacksync.SignedRequest) { r.Header[signedHeader] = "x" }, want: "400 Bad Request"},
		"wrong method": {spoil: func(r *stacksync.SignedRequest) { r.Method = stacksync.Get }, want: `the request is for "GET"`},
		"no URL":       {spoil: func(r *stacksync.SignedRequest) { r.URL = "http://%zz" + r.URL }, want: "invalid URL escape"},
		"no scheme":    {spoil: func(r *stacksync.SignedRequest) { r.URL = "x" + r.URL }, want: "unsupported protocol scheme"},
		"nobody there": {spoil: func(r *stacksync.SignedRequest) { r.URL = strings.Replace(r.URL, "127.0.0.1", "127.0.0.1:1/", 1) }, want: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigning(t)
			w := newWorld(t, s.use)
			var log bytes.Buffer
			a := w.device("a")
			a.cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			a.cfg.HTTPClient = &http.Client{Transport: s.server.Client().Transport} // which would follow redirects
			ctx, cancel := context.WithCancel(t.Context())
			var failure error
			a.cfg.OnSync = func(_ device.Report, err error) {
				failure = err
				cancel()
			}
			a.restart()
			a.write("x", "content")
			s.set(c.broken)
			s.spoil = c.spoil
			require.ErrorIs(t, a.Run(ctx), context.Canceled)
			require.ErrorContains(t, failure, c.want)
			s.requireNoSecret(t, failure.Error(), fmt.Sprintf("%+v %#v", failure, failure), log.String())
			// Once it is mended, what failed is made up for.
			s.set(nil)
			s.spoil = nil
			require.Equal(t, 1, a.sync().ChunksUploaded)
		})
	}
}

// Requests that expired before their turn are not sent, and those that the storage refuses are not many.
func TestSignedRequestsExpire(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]func(s *signing, clock *atomic.Int64){
		"by the clock":   func(s *signing, clock *atomic.Int64) { s.expire(); clock.Add(int64(2 * time.Hour)) },
		"by the storage": func(s *signing, _ *atomic.Int64) { s.expire() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, a, b := signedTwins(t)
			var clock atomic.Int64
			for _, c := range []*client{a, b} {
				c.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
				c.cfg.Workers = 1
				prepared := &preparations{}
				c.restart(prepared.wrap)
				clock.Store(0)
				var answered int
				s.set(func(s *signing, _ int, _ http.ResponseWriter, _ *http.Request) bool {
					if answered++; answered == 5 {
						expire(s, &clock)
					}
					return false
				})
				c.sync()
				require.Equal(t, 2, prepared.calls)
			}
			w.converge()
		})
	}
}

// preparations counts them.
type preparations struct {
	device.Service
	calls int
}

func (s *preparations) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *preparations) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	s.calls++
	return s.Service.PrepareUpload(ctx, r)
}

func (s *preparations) PrepareDownload(ctx context.Context, r stacksync.PrepareDownloadRequest) (stacksync.PrepareDownloadResult, error) {
	s.calls++
	return s.Service.PrepareDownload(ctx, r)
}

// A device has no client for the accounts of a storage.
func TestAccountsAreDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.device("a", func(s device.Service) device.Service { return byAccount{s} })
	a.write("x", "content")
	_, err := a.Sync(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "account")
	a.cfg.Via = stacksync.ViaHost
	a.restart(func(s device.Service) device.Service { return byAccount{s} })
	require.Equal(t, stacksync.ViaHost, a.sync().Via)
}

// An answer that leaves a chunk out is no reason to take the file for empty.
func TestDownloadThatIsNotPrepared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.device("a"), w.device("b", func(s device.Service) device.Service { return forgetful{s, sum("x")} })
	a.write("x", "x")
	a.write("y", "y")
	a.sync()
	r, err := b.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Problems, 1)
	require.Equal(t, map[string]string{"y": "y"}, b.tree())
}

// forgetful prepares no download of a chunk.
type forgetful struct {
	device.Service
	chunk string
}

func (s forgetful) PrepareDownload(ctx context.Context, r stacksync.PrepareDownloadRequest) (stacksync.PrepareDownloadResult, error) {
	res, err := s.Service.PrepareDownload(ctx, r)
	res.Chunks = slices.DeleteFunc(res.Chunks, func(t stacksync.Transfer) bool { return t.Name == s.chunk })
	return res, err
}

// byAccount prefers accounts.
type byAccount struct{ device.Service }

func (s byAccount) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	res, err := s.Service.PrepareUpload(ctx, r)
	if r.Via == "" {
		res.Via = stacksync.ViaAccount
	}
	return res, err
}
