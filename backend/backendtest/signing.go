package backendtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// signing is a fixture that signs requests, and sends them as a device does.
type signing struct {
	*fixture
	signer stacksync.ChunkSigner
	client *http.Client
}

func newSigning(t T, s Suite) *signing {
	t.Helper()
	f := newFixture(t, s)
	return &signing{fixture: f, signer: capability[stacksync.ChunkSigner](t, f.StorageProvisioner), client: newHTTPClient(t)}
}

// newHTTPClient returns a client that follows no redirect, asks no proxy, and changes no content.
func newHTTPClient(t T) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// toHTTP turns a signed request into one that can be sent once. size is the Content-Length; -1 leaves it out.
func toHTTP(ctx context.Context, r stacksync.SignedRequest, content io.Reader, size int64) (*http.Request, error) {
	if size == 0 {
		content = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, string(r.Method), r.URL, content)
	if err != nil {
		return nil, fmt.Errorf("make a signed request: %w", err)
	}
	if size != 0 {
		req.ContentLength = size
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// answer is what came back for a signed request.
type answer struct {
	status int
	body   string
}

func (a answer) String() string { return fmt.Sprintf("status %d, %.300q", a.status, a.body) }

// stored tells whether a put has succeeded.
func (a answer) stored() bool {
	return a.status >= 200 && a.status <= 299 || a.status == http.StatusPreconditionFailed
}

// refused tells whether the storage has turned the request down for good, and not because it could not do it now.
func (a answer) refused() bool {
	return a.status == http.StatusNotImplemented || a.status >= 400 && a.status <= 499 && a.status != http.StatusPreconditionFailed &&
		a.status != http.StatusRequestTimeout && a.status != http.StatusTooManyRequests
}

func (f *signing) trySend(r stacksync.SignedRequest, content io.Reader, size int64) (answer, error) {
	req, err := toHTTP(f.Context(), r, content, size)
	if err != nil {
		return answer{}, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("send a signed request: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, body: string(body)}, err
}

// send sends a request with content, which is empty for a Get.
func (f *signing) send(r stacksync.SignedRequest, content string) answer {
	f.Helper()
	a, err := f.trySend(r, strings.NewReader(content), int64(len(content)))
	require.NoError(f, err)
	return a
}

// sendRefused sends a request that must be refused. A storage that refuses what it has not read all of may close the connection, so
// that no answer comes through.
func (f *signing) sendRefused(r stacksync.SignedRequest, content, what string) {
	f.Helper()
	a, err := f.trySend(r, strings.NewReader(content), int64(len(content)))
	if err != nil && content != "" {
		f.Logf("%s: %v", what, err)
		return
	}
	require.NoError(f, err)
	require.True(f, a.refused(), "%s: %v", what, a)
}

// upload puts a chunk by a request.
func (f *signing) upload(r stacksync.SignedRequest, content string) {
	f.Helper()
	a := f.send(r, content)
	require.True(f, a.stored(), "put: %v", a)
}

// requireDownload gets a chunk by a request.
func (f *signing) requireDownload(r stacksync.SignedRequest, content string) {
	f.Helper()
	a := f.send(r, "")
	require.Equal(f, http.StatusOK, a.status, "get: %v", a)
	require.Equal(f, content, a.body)
}

// sign signs requests that are good for as long as a check may take.
func (f *signing) sign(method stacksync.Method, container string, chunks ...stacksync.Chunk) []stacksync.SignedRequest {
	f.Helper()
	return f.signBy(f.signer, stacksync.SignChunksParams{Container: container, Method: method, Chunks: chunks, Lifetime: 10 * time.Minute}).Requests
}

// signBy checks what holds for every answer of SignChunks.
func (f *signing) signBy(signer stacksync.ChunkSigner, p stacksync.SignChunksParams) stacksync.SignChunksResult {
	f.Helper()
	const grain = time.Second // of the times that signatures are made of
	before := time.Now()
	r, err := signer.SignChunks(f.Context(), p)
	require.NoError(f, err)
	after := time.Now()
	require.Len(f, r.Requests, len(p.Chunks))
	for _, req := range r.Requests {
		require.Equal(f, p.Method, req.Method)
		require.NotEmpty(f, req.URL)
	}
	require.False(f, r.Expires.Before(before.Add(p.Lifetime-grain)), "expires at %v, asked at %v for %v", r.Expires, before, p.Lifetime)
	require.False(f, r.Expires.After(after.Add(p.Lifetime+grain)), "expires at %v, answered at %v for %v", r.Expires, after, p.Lifetime)
	return r
}

// signNames signs requests for chunks whose content is made of their names.
func (f *signing) signNames(method stacksync.Method, container string, names ...string) []stacksync.SignedRequest {
	f.Helper()
	return f.sign(method, container, chunksOf(names)...)
}

func (f *signing) signName(method stacksync.Method, container, name string) stacksync.SignedRequest {
	f.Helper()
	return f.signNames(method, container, name)[0]
}

func chunksOf(names []string) []stacksync.Chunk {
	chunks := make([]stacksync.Chunk, len(names))
	for i, name := range names {
		chunks[i] = stacksync.Chunk{Name: name, Size: int64(len(contentOf(name)))}
	}
	return chunks
}
