//go:build unix

package swift_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/objects"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
	"github.com/stacksync/stacksync-go/internal/storagetest"
	metadata "github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// BenchmarkChunk compares writing and reading chunks of 1 MiB with gophercloud doing the same, in turns: "x-raw" above 1 is faster.
func BenchmarkChunk(b *testing.B) {
	server := sharedServer(b)
	s := open(b, configOf(server))
	_, err := s.CreateContainer(b.Context(), stacksync.CreateContainerParams{Container: "bench"})
	require.NoError(b, err)
	provider, err := openstack.AuthenticatedClient(b.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: server.AuthURL, Username: server.User, Password: server.Password, DomainName: server.Domain,
		Scope: &gophercloud.AuthScope{ProjectName: server.Project, DomainName: server.Domain},
	})
	require.NoError(b, err)
	defer provider.HTTPClient.CloseIdleConnections()
	raw, err := openstack.NewObjectStorageV1(provider, gophercloud.EndpointOpts{})
	require.NoError(b, err)
	content := bytes.Repeat([]byte("chunk..."), 1<<17)
	var n int
	compare := func(b *testing.B, ours, bare func(name string)) {
		var our, their time.Duration
		for b.Loop() {
			n++
			start := time.Now()
			bare(fmt.Sprintf("raw-%d", n))
			middle := time.Now()
			ours(fmt.Sprintf("our-%d", n))
			their += middle.Sub(start)
			our += time.Since(middle)
		}
		b.ReportMetric(their.Seconds()/our.Seconds(), "x-raw")
	}
	put := func(name string) {
		require.NoError(b, write(b.Context(), s, "bench", name, bytes.NewReader(content), len(content)))
	}
	b.Run("write", func(b *testing.B) {
		compare(b, put, func(name string) {
			require.NoError(b, objects.Create(b.Context(), raw, "bench", name, objects.CreateOpts{Content: bytes.NewReader(content)}).Err)
		})
	})
	put("read")
	b.Run("read", func(b *testing.B) {
		compare(b, func(string) {
			r, err := s.ReadChunk(b.Context(), stacksync.ReadChunkParams{Container: "bench", Name: "read"})
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, r.Content)
			require.NoError(b, err)
			require.NoError(b, r.Content.Close())
		}, func(string) {
			r := objects.Download(b.Context(), raw, "bench", "read", nil)
			require.NoError(b, r.Err)
			_, err := io.Copy(io.Discard, r.Body)
			require.NoError(b, err)
			require.NoError(b, r.Body.Close())
		})
	})
}

// BenchmarkSignChunks signs 1,000 chunks of a container whose keys are set.
func BenchmarkSignChunks(b *testing.B) {
	c := configOf(sharedServer(b))
	c.Signing = &swift.Signing{Keys: []stacksync.Secret{masterKey}}
	g, ok := stacksync.As[stacksync.ChunkSigner](open(b, c))
	require.True(b, ok)
	_, err := open(b, c).CreateContainer(b.Context(), stacksync.CreateContainerParams{Container: "bench-sign"})
	require.NoError(b, err)
	p := stacksync.SignChunksParams{Container: "bench-sign", Method: stacksync.Put, Lifetime: time.Hour}
	for i := range 1_000 {
		p.Chunks = append(p.Chunks, stacksync.Chunk{Name: fmt.Sprintf("%064x", i)})
	}
	for b.Loop() {
		_, err := g.SignChunks(b.Context(), p)
		require.NoError(b, err)
	}
}

// counted counts requests to Swift and Keystone.
type counted struct {
	http.RoundTripper
	n atomic.Int64
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// BenchmarkPrepareUpload tells how many requests the service makes for 1,000 chunks, and how long they take.
func BenchmarkPrepareUpload(b *testing.B) {
	for name, listings := range map[string]bool{"exact": false, "listings": true} {
		b.Run(name, func(b *testing.B) {
			transport := &http.Transport{ExpectContinueTimeout: time.Minute, MaxIdleConnsPerHost: 32}
			b.Cleanup(transport.CloseIdleConnections)
			n := &counted{RoundTripper: transport}
			c := configOf(sharedServer(b))
			c.Transport, c.Listings, c.Signing = n, listings, &swift.Signing{Keys: []stacksync.Secret{masterKey}}
			store := metadata.New(metadata.Config{})
			svc, err := service.New(store, service.Config{Storage: open(b, c), ChunkHash: sha256.New})
			require.NoError(b, err)
			b.Cleanup(func() {
				require.NoError(b, svc.Close())
				require.NoError(b, store.Close())
			})
			storagetest.PrepareUpload(b, svc, func() int { return int(n.n.Load()) })
		})
	}
}
