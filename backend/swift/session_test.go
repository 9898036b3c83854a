package swift_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// stalling is a transport by which logins do not get through, from hang on.
type stalling struct {
	http.RoundTripper

	mu   sync.Mutex
	hung chan struct{} // closed when they go on; nil while none hangs
	came int           // logins, of those that hang
	seen chan struct{} // has room for one: a login hangs
}

func (k *stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	hung := k.hung
	if r.URL.Path != "/v3/auth/tokens" {
		hung = nil
	} else if hung != nil {
		k.came++
	}
	k.mu.Unlock()
	if hung != nil {
		select {
		case k.seen <- struct{}{}:
		default:
		}
		select {
		case <-hung:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return k.RoundTripper.RoundTrip(r)
}

func (k *stalling) hang() (goOn func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	hung := make(chan struct{})
	k.hung = hung
	return func() {
		k.mu.Lock()
		k.hung = nil
		k.mu.Unlock()
		close(hung)
	}
}

func (k *stalling) logins() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.came
}

func hanging(t *testing.T) (*fake, *stalling, *swift.Storage) {
	t.Helper()
	f := newFake(t, created)
	k := &stalling{seen: make(chan struct{}, 1)}
	s := openFake(t, f, func(c *swift.Config) {
		k.RoundTripper = c.Transport
		c.Transport = k
	})
	return f, k, s
}

// bound is for what would else hang for long; nothing that passes comes near it.
const bound = 20 * time.Second

func put(t *testing.T, s *swift.Storage, name string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	return write(ctx, s, "c", name, strings.NewReader("x"), 1)
}

// renewed waits until so many logins were answered.
func renewed(t *testing.T, f *fake, logins int) {
	t.Helper()
	require.Eventually(t, func() bool {
		now, _ := f.count()
		return now == logins
	}, bound, time.Millisecond)
}

// A token that is still good is used while Keystone does not answer the one login that is to renew it.
func TestCallsGoOnWhileTheTokenIsRenewed(t *testing.T) {
	t.Parallel()
	f, k, s := hanging(t)
	goOn := k.hang()
	swift.Age(s, false)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { assert.NoError(t, put(t, s, fmt.Sprint(i))) })
	}
	wg.Wait()
	<-k.seen
	require.NoError(t, put(t, s, "more"))
	require.Equal(t, 1, k.logins())
	logins, requests := f.count()
	require.Equal(t, 1, logins, "none was answered")
	require.Equal(t, 17, requests, "none was refused")

	goOn()
	renewed(t, f, 2)
	f.only(2)
	for i := range 4 {
		require.NoError(t, put(t, s, fmt.Sprint("again ", i)))
	}
	require.Equal(t, 1, k.logins())
	logins, _ = f.count()
	require.Equal(t, 2, logins, "the new token is a young one")
}

// Without a good token calls wait for the login that is under way.
func TestCallsWaitForALogin(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *swift.Storage){
		"ended":   func(s *swift.Storage) { swift.Age(s, true) },
		"refused": func(*swift.Storage) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, k, s := hanging(t)
			goOn := k.hang()
			swift.Age(s, false)
			require.NoError(t, put(t, s, "early"))
			<-k.seen
			_, before := f.count()
			end(s)
			f.only(2)
			done := make(chan error, 2)
			for i := range cap(done) {
				go func() { done <- put(t, s, fmt.Sprint(i)) }()
			}
			refused := map[string]int{"refused": cap(done)}[name]
			require.Eventually(t, func() bool { _, n := f.count(); return n == before+refused }, bound, time.Millisecond)
			goOn()
			for range cap(done) {
				require.NoError(t, <-done)
			}
			require.Equal(t, 1, k.logins(), "they wait for the one that is under way")
			_, after := f.count()
			require.Equal(t, before+refused+cap(done), after)
		})
	}
}

// A login that fails while the token is good is logged, and not tried again at once.
func TestEarlyLoginFails(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	log := make(lines, 10)
	var tried int
	called := make(chan struct{})
	s := openFake(t, f, func(c *swift.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		to := c.Transport
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/v3/auth/tokens" {
				return to.RoundTrip(r)
			}
			if tried++; tried == 1 {
				return to.RoundTrip(r)
			}
			<-called
			return nil, errCut
		})
	})
	swift.Age(s, false)
	for i := range 4 {
		require.NoError(t, put(t, s, fmt.Sprint(i)))
	}
	close(called)
	require.Contains(t, <-log, "login to Keystone for a new token failed")
	for i := range 4 {
		require.NoError(t, put(t, s, fmt.Sprint("after ", i)))
	}
	require.NoError(t, s.Close())
	require.Equal(t, 2, tried)
	require.Empty(t, log)
}

// Close ends a login that nobody waits for.
func TestCloseEndsALogin(t *testing.T) {
	t.Parallel()
	f, k, s := hanging(t)
	k.hang()
	swift.Age(s, false)
	require.NoError(t, put(t, s, "a"))
	<-k.seen
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(bound):
		t.Fatal("Close waits for the login")
	}
	swift.Age(s, false)
	require.NoError(t, put(t, s, "b"), "the token is good")
	require.Equal(t, 1, k.logins())
	f.expire()
	require.ErrorIs(t, put(t, s, "c"), stacksync.ErrClosed)
}

// Keystone says when a token ends.
func TestTokenIsRenewedEarly(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	f.life = time.Second // by whole seconds of Date it is 1 to 2
	s := openFake(t, f, nil)
	start := time.Now()
	for sent := 1; ; sent++ {
		require.NoError(t, put(t, s, "a"))
		logins, requests := f.count()
		require.Equal(t, sent, requests, "none was refused")
		if logins > 1 {
			return
		}
		require.Less(t, time.Since(start), bound)
	}
}

var errCut = errors.New("cable cut")

type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
