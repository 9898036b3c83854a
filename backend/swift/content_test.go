package swift_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/backend/swift"
)

// refuse answers as Swift does: the final answer comes without a 100 (Continue) before it, and does not say that the connection ends.
func refuse(w http.ResponseWriter, status int) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno", status)
	_ = rw.Flush()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, _ = io.Copy(io.Discard, rw)
}

// Go's client sends the content after such an answer too; content that can be read once is kept for the next try all the same.
func TestRefusalKeepsContent(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					refuse(w, status)
					return
				}
				created(w, r)
			})
			s := openFake(t, f, nil)
			require.NoError(t, write(t.Context(), s, "c", "a", io.MultiReader(strings.NewReader("hello")), 5))
			require.EqualValues(t, 2, n.Load())
		})
	}
}

// A server that knows nothing of 100 (Continue) gets the content after a while.
func TestServerThatAgreesToNothing(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		content := make([]byte, r.ContentLength)
		_, _ = io.ReadFull(rw, content)
		got <- string(content)
		_, _ = io.WriteString(rw, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = rw.Flush()
	})
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	s := openFake(t, f, func(c *swift.Config) { c.Transport = transport })
	require.NoError(t, write(t.Context(), s, "c", "a", io.MultiReader(strings.NewReader("hello")), 5))
	require.Equal(t, "hello", <-got)
}
