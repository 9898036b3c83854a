package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

func sign(t *testing.T, s *s3.Storage, method stacksync.Method, hashed bool, chunk stacksync.Chunk) stacksync.SignedRequest {
	t.Helper()
	r, err := s.SignChunks(t.Context(), stacksync.SignChunksParams{
		Container: container, Method: method, Chunks: []stacksync.Chunk{chunk}, Lifetime: time.Minute, SHA256: hashed,
	})
	require.NoError(t, err)
	return r.Requests[0]
}

// send sends a signed request as a device does, and returns the status.
func send(t *testing.T, r stacksync.SignedRequest, size int64, content io.Reader) (int, string, error) {
	t.Helper()
	if size == 0 {
		content = http.NoBody
	}
	request, err := http.NewRequestWithContext(t.Context(), string(r.Method), r.URL, content)
	require.NoError(t, err)
	request.ContentLength = size
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body), nil
}

// TestSignedHeaders: each header that a Put binds is in its signature, and the server holds to it.
func TestSignedHeaders(t *testing.T) {
	t.Parallel()
	s := open(t, config(t, server(t)))
	content := "content"
	chunk := stacksync.Chunk{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content))}
	r := sign(t, s, stacksync.Put, true, chunk)
	u, err := url.Parse(r.URL)
	require.NoError(t, err)
	require.Equal(t, "content-length;host;if-none-match;x-amz-checksum-sha256", u.Query().Get("X-Amz-SignedHeaders"))
	require.Equal(t, map[string]string{
		"If-None-Match": "*", "X-Amz-Checksum-Sha256": "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=",
	}, r.Header)

	for what, content := range map[string]string{"shorter": "conten", "longer": "contents", "other": "CONTENT", "empty": ""} {
		status, body, err := send(t, r, int64(len(content)), strings.NewReader(content))
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, status, "%s: %s", what, body)
		require.Empty(t, stat(t, s, container, chunk.Name))
	}
	for name, value := range map[string]string{"If-None-Match": "", "X-Amz-Checksum-Sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="} {
		altered := stacksync.SignedRequest{Method: r.Method, URL: r.URL, Header: map[string]string{}}
		for n, v := range r.Header {
			altered.Header[n] = v
		}
		if altered.Header[name] = value; value == "" {
			delete(altered.Header, name)
		}
		status, _, err := send(t, altered, chunk.Size, strings.NewReader(content))
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, status, name)
	}
	require.Empty(t, stat(t, s, container, chunk.Name))

	for _, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		status, body, err := send(t, r, chunk.Size, strings.NewReader(content))
		require.NoError(t, err)
		require.Equal(t, want, status, body)
		requireStored(t, s, chunk.Name, content)
	}
	status, body, err := send(t, sign(t, s, stacksync.Get, false, stacksync.Chunk{Name: chunk.Name}), 0, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, content, body)
}

// TestSignedPutCut: where the SHA-256 is signed, nothing is stored of content that is cut off, by no server.
func TestSignedPutCut(t *testing.T) {
	t.Parallel()
	s := open(t, config(t, server(t)))
	content := pattern(2 << 20)
	chunk := stacksync.Chunk{Name: fmt.Sprintf("%x", sha256.Sum256(content)), Size: int64(len(content))}
	r := sign(t, s, stacksync.Put, true, chunk)
	gone := errors.New("the client is gone")
	for _, n := range []int{0, 1, len(content) / 2, len(content) - 1} {
		_, _, err := send(t, r, chunk.Size, io.MultiReader(bytes.NewReader(content[:n]), failing{gone}))
		require.ErrorIs(t, err, gone)
		require.Empty(t, stat(t, s, container, chunk.Name), "%d bytes", n)
	}
	status, _, err := send(t, r, chunk.Size, bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}

func TestSignLimits(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s := open(t, c)
	const most = 5 << 30
	sign(t, s, stacksync.Put, false, stacksync.Chunk{Name: "x", Size: most})
	sign(t, s, stacksync.Get, false, stacksync.Chunk{Name: "x", Size: most + 1})
	_, err := s.SignChunks(t.Context(), stacksync.SignChunksParams{
		Container: container, Method: stacksync.Put, Chunks: []stacksync.Chunk{{Name: "a"}, {Name: "x", Size: most + 1}}, Lifetime: time.Minute,
	})
	require.ErrorIs(t, err, stacksync.ErrLimit)
	require.ErrorContains(t, err, "Chunks[1].Size")
	err = writeFrom(t.Context(), s, "x", 200<<30, strings.NewReader(""))
	require.ErrorIs(t, err, stacksync.ErrLimit)
	require.ErrorContains(t, err, "Size is more than")

	c.Unconditional, c.ClientEndpoint = true, "https://elsewhere.example:8443"
	s = open(t, c)
	r := sign(t, s, stacksync.Put, false, stacksync.Chunk{Name: "x"})
	require.Empty(t, r.Header)
	require.True(t, strings.HasPrefix(r.URL, c.ClientEndpoint+"/"+c.Bucket+"/"+c.Prefix+container+"/x?"), "%.100s", r.URL)
	require.NoError(t, write(t.Context(), s, container, "x", "content"))
	require.NoError(t, write(t.Context(), s, container, "x", "content"), "replaces it")
}
