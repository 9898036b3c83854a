package swift_test

import (
	"fmt"
	"net/http"
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
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Get("X-Container-Meta-Temp-Url-Key")) != 64 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
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
	require.Equal(t, 1, requests)
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
