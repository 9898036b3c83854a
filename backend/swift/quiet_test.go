//go:build unix

package swift_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// standardLog records the host's standard log. The test must not be parallel.
type standardLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *standardLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *standardLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func recordLog(t *testing.T) *standardLog {
	l := &standardLog{}
	before := log.Writer()
	log.SetOutput(l)
	t.Cleanup(func() { log.SetOutput(before) })
	return l
}

// TestRefusedHeadIsQuiet: what comes after the answer to a HEAD that is refused is not logged, and does no harm, whenever it comes.
func TestRefusedHeadIsQuiet(t *testing.T) {
	text := recordLog(t)
	for _, late := range []bool{false, true} {
		var n int
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead {
				created(w, r)
				return
			}
			if n++; n > 1 {
				w.Header().Set("Content-Length", "5")
				return
			}
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n")
			if late {
				_ = rw.Flush()
				time.Sleep(50 * time.Millisecond)
			}
			_, _ = rw.WriteString("0\r\n\r\n")
			_ = rw.Flush()
			_, _ = io.Copy(io.Discard, conn) // until the client closes it
		})
		s := openFake(t, f, func(c *swift.Config) { c.Transport = nil })
		r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, []stacksync.Chunk{{Name: "a", Size: 5}}, r.Chunks)
		time.Sleep(100 * time.Millisecond) // for what a client would log
	}
	require.Empty(t, text.String())
}

// TestRefusedHeadOfSwift is the same with Swift's own answers.
func TestRefusedHeadOfSwift(t *testing.T) {
	server := sharedServer(t)
	text := recordLog(t)
	c := configOf(server)
	c.Prefix, c.Accounts = "quiet-", accountsOf(server, "quiet-")
	s := open(t, c)
	create(t, s, "c")
	require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5))
	a, ok := stacksync.As[stacksync.AccountProvisioner](s)
	require.True(t, ok)
	_, err := a.PutAccount(t.Context(), stacksync.PutAccountParams{Account: "alice", Secret: "0123456789abcdef"}) // which tries what must be forbidden
	require.NoError(t, err)
	for range 3 {
		_, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: []string{"a", "b"}})
		require.NoError(t, err)
	}
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, text.String())
}

// TestOwnTransportOverTLS: the transport that the package makes trusts whom it should, also below connections of its own.
func TestOwnTransportOverTLS(t *testing.T) {
	t.Parallel()
	f := newFake(t, created)
	f.secure(t)
	c := f.config()
	_, err := swift.Open(t.Context(), c)
	require.ErrorContains(t, err, "certificate")
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AddCert(f.Certificate())
	s, err := swift.Open(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5))
	require.NoError(t, s.Close())
}
