package swift_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

func TestCapabilities(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	s := openFake(t, f, nil)
	_, ok := stacksync.As[stacksync.ChunkSigner](s)
	require.False(t, ok)
	_, ok = stacksync.As[stacksync.AccountProvisioner](s)
	require.False(t, ok)
	_, ok = stacksync.As[stacksync.ChunkWriter](s)
	require.True(t, ok)
}

func TestSignChunksNeedsOneRequestAContainer(t *testing.T) {
	t.Parallel()
	k := &keyed{}
	f := newFake(t, k.serve)
	s := openFake(t, f, func(c *swift.Config) {
		c.Signing = &swift.Signing{Keys: []stacksync.Secret{"0123456789abcdef0123456789abcdef"}}
	})
	p := stacksync.SignChunksParams{Container: "c", Method: stacksync.Put, Lifetime: time.Minute}
	for i := range 1_000 {
		p.Chunks = append(p.Chunks, stacksync.Chunk{Name: fmt.Sprint(i), Size: 1})
	}
	for range 3 {
		_, err := signerOf(t, s).SignChunks(t.Context(), p)
		require.NoError(t, err)
	}
	_, requests := f.count()
	require.Equal(t, 2, requests, "one to look, one to set what was not there")
	require.Len(t, k.get("Temp-Url-Key"), 64)
	s = openFake(t, f, func(c *swift.Config) {
		c.Signing = &swift.Signing{Keys: []stacksync.Secret{"0123456789abcdef0123456789abcdef"}}
	})
	f.mu.Lock()
	f.strict = false // two have logged in
	f.mu.Unlock()
	_, err := signerOf(t, s).SignChunks(t.Context(), p)
	require.NoError(t, err)
	_, again := f.count()
	require.Equal(t, requests+1, again, "another process finds all as it should be")
}

// keyed is a Swift of one container, which has metadata.
type keyed struct {
	mu   sync.Mutex
	meta map[string]string
}

func (k *keyed) serve(w http.ResponseWriter, r *http.Request) {
	const prefix = "X-Container-Meta-"
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.meta == nil {
		k.meta = map[string]string{}
	}
	for name := range r.Header {
		if after, ok := strings.CutPrefix(name, prefix); ok {
			k.meta[after] = r.Header.Get(name)
		}
	}
	for name, value := range k.meta {
		if value != "" {
			w.Header().Set(prefix+name, value)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (k *keyed) get(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.meta[name]
}

func (k *keyed) set(name, value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.meta[name] = value
}

// TestKeysChangeWithoutAGap: as long as a proxy may know only the former keys, one of them signs, whichever process does.
func TestKeysChangeWithoutAGap(t *testing.T) {
	t.Parallel()
	const old, next stacksync.Secret = "the old master key, 32 characters", "the new master key, 32 characters"
	k := &keyed{}
	f := newFake(t, k.serve)
	f.strict = false
	urlBy := func(keys ...stacksync.Secret) (signature string) {
		s := openFake(t, f, func(c *swift.Config) { c.Signing = &swift.Signing{Keys: keys} })
		r, err := signerOf(t, s).SignChunks(t.Context(), stacksync.SignChunksParams{
			Container: "c", Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: "a"}}, Lifetime: time.Minute,
		})
		require.NoError(t, err)
		u, err := url.Parse(r.Requests[0].URL)
		require.NoError(t, err)
		// By which key it is signed shows by signing the same again.
		for name, master := range map[string]stacksync.Secret{"old": old, "next": next} {
			key := hmacOf(string(master), "stacksync temporary URL key of container c")
			if hmacOf(key, "GET\n"+u.Query().Get("temp_url_expires")+"\n"+u.Path) == u.Query().Get("temp_url_sig") {
				return name
			}
		}
		return "none"
	}
	require.Equal(t, "old", urlBy(old))
	require.Equal(t, "old", urlBy(next, old), "the new key has just come")
	require.Equal(t, "old", urlBy(next, old), "to another process, too")
	k.set("Stacksync-Key-Since", strconv.FormatInt(time.Now().Add(-2*time.Minute).Unix(), 10))
	require.Equal(t, "next", urlBy(next, old), "the proxies have forgotten the container as it was")
	require.Equal(t, "next", urlBy(next), "there is no other key")
	require.Empty(t, k.get("Temp-Url-Key-2"))
	require.Equal(t, "next", urlBy(old, next), "back again: at first the key that is there signs")
}

func hmacOf(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// TestClockMargin: a request is good for longer than is said, so that Swift's clock may be ahead.
func TestClockMargin(t *testing.T) {
	t.Parallel()
	f := newFake(t, (&keyed{}).serve)
	s := openFake(t, f, func(c *swift.Config) {
		c.Signing = &swift.Signing{Keys: []stacksync.Secret{"0123456789abcdef0123456789abcdef"}, ClockMargin: 20 * time.Minute}
	})
	r, err := signerOf(t, s).SignChunks(t.Context(), stacksync.SignChunksParams{
		Container: "c", Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: "a"}}, Lifetime: time.Minute,
	})
	require.NoError(t, err)
	u, err := url.Parse(r.Requests[0].URL)
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(r.Expires.Add(20*time.Minute).Unix(), 10), u.Query().Get("temp_url_expires"))
}

func TestOpenRefusesWhatSwiftCantSign(t *testing.T) {
	t.Parallel()
	for info, says := range map[string]string{
		`{}`: "no temporary URLs",
		`{"tempurl":{"methods":["GET","PUT"],"allowed_digests":["sha1"]}}`: "SHA-256",
		`{"tempurl":{"methods":["GET"],"allowed_digests":["sha256"]}}`:     "GET and PUT",
	} {
		f := newFake(t, created)
		f.info = info
		c := f.config()
		c.Signing = &swift.Signing{Keys: []stacksync.Secret{"0123456789abcdef0123456789abcdef"}}
		_, err := swift.Open(t.Context(), c)
		require.ErrorContains(t, err, says)
		c.Signing = nil
		s, err := swift.Open(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
}

const masterKey32 stacksync.Secret = "0123456789abcdef0123456789abcdef"

func TestBadConfig(t *testing.T) {
	t.Parallel()
	good := swift.Config{AuthURL: "http://127.0.0.1:1/v3", Username: "u", Password: "p", Project: "p"}
	for field, change := range map[string]func(c *swift.Config){
		"AuthURL":         func(c *swift.Config) { c.AuthURL = "ftp://x" },
		"Username":        func(c *swift.Config) { c.Username = "" },
		"Password":        func(c *swift.Config) { c.Password = "" },
		"Project":         func(c *swift.Config) { c.Project = "" },
		"Prefix":          func(c *swift.Config) { c.Prefix = "a/b" },
		"Parallel":        func(c *swift.Config) { c.Parallel = -1 },
		"Signing.Keys":    func(c *swift.Config) { c.Signing = &swift.Signing{} },
		"Signing.Keys[0]": func(c *swift.Config) { c.Signing = &swift.Signing{Keys: []stacksync.Secret{"short"}} },
		"Origins[0]":      func(c *swift.Config) { c.Origins = []string{"https://a/"} },
		"Signing.Remembered": func(c *swift.Config) {
			c.Signing = &swift.Signing{Keys: []stacksync.Secret{masterKey32}, Remembered: -1}
		},
		"Signing.ClockMargin": func(c *swift.Config) {
			c.Signing = &swift.Signing{Keys: []stacksync.Secret{masterKey32}, ClockMargin: 2 * time.Hour}
		},
		"Accounts.Prefix": func(c *swift.Config) { c.Accounts = &swift.Accounts{Prefix: "a b", Project: "p", Role: "r"} },
		// No default: the Storage's own project with a role of many would open all containers on many a cluster.
		"Accounts.Project": func(c *swift.Config) { c.Accounts = &swift.Accounts{Role: "r"} },
		"Accounts.Role":    func(c *swift.Config) { c.Accounts = &swift.Accounts{Project: "p"} },
	} {
		c := good
		change(&c)
		_, err := swift.Open(t.Context(), c)
		var fe *stacksync.FieldError
		require.ErrorAs(t, err, &fe, field)
		require.Equal(t, field, fe.Field)
	}
}
