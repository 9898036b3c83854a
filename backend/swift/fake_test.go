package swift_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// fake is a Keystone and a Swift that answer what a test says, and count. They take only the tokens that they gave since the last expire, where strict.
type fake struct {
	*httptest.Server
	life time.Duration
	info string

	mu       sync.Mutex
	strict   bool
	logins   int
	valid    int      // the first token that is
	requests []string // to Swift: method and path
	// answer answers for Swift.
	answer http.HandlerFunc
	// identity answers for Keystone, but for logins, which all are good.
	identity http.HandlerFunc
}

const password stacksync.Secret = "the-password-of-the-service"

func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{life: time.Hour, answer: answer, strict: true, valid: 1, info: `{"tempurl":{"methods":["GET","PUT"],"allowed_digests":["sha256"]},"bulk_delete":{"max_deletes_per_request":100}}`}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

// secure has the fake speak HTTPS.
func (f *fake) secure(t *testing.T) {
	f.Close()
	f.Server = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(f.Close)
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	var token int
	_, _ = fmt.Sscanf(r.Header.Get("X-Auth-Token"), "token-%d", &token)
	refused := f.strict && (token < f.valid || token > f.logins)
	switch r.URL.Path {
	case "/v3/auth/tokens":
		defer f.mu.Unlock()
		f.logins++
		w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", f.logins))
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
			"expires_at": time.Now().Add(f.life).UTC().Format("2006-01-02T15:04:05.000000Z"),
			"project":    map[string]any{"id": "p1", "name": "sync", "domain": map[string]any{"id": "default", "name": "Default"}},
			"catalog": []any{map[string]any{"type": "object-store", "endpoints": []any{map[string]any{
				"interface": "public", "region": "here", "region_id": "here", "url": f.URL + "/v1/AUTH_p1",
			}}}},
		}})
		return
	case "/info":
		defer f.mu.Unlock()
		_, _ = io.WriteString(w, f.info)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v3/") && f.identity != nil {
		f.mu.Unlock()
		f.identity(w, r)
		return
	}
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	if refused {
		http.Error(w, "secret text of the answer: "+string(password), http.StatusUnauthorized)
		return
	}
	f.answer(w, r)
}

// expire makes the present tokens worthless.
func (f *fake) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins += 100
	f.valid = f.logins + 1
}

// only makes tokens before the given one worthless.
func (f *fake) only(token int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.valid = token
}

func (f *fake) count() (logins, requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins, len(f.requests)
}

func (f *fake) config() swift.Config {
	return swift.Config{AuthURL: f.URL + "/v3", Username: "service", Password: password, Project: "sync"}
}

func openFake(t *testing.T, f *fake, change func(c *swift.Config)) *swift.Storage {
	t.Helper()
	c := f.config()
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	c.Transport = transport
	t.Cleanup(transport.CloseIdleConnections)
	if change != nil {
		change(&c)
	}
	s, err := swift.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
