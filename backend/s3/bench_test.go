package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
	"github.com/stacksync/stacksync-go/internal/storagetest"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

const benchSize = 1 << 20

// BenchmarkWriteChunk and BenchmarkReadChunk tell how fast a chunk of 1 MiB is brought and fetched, against the bare client that does the
// same in turn ("x-raw": 1 is as fast).
func BenchmarkWriteChunk(b *testing.B) {
	for name, gateway := range map[string]*versitygw.Server{"plain": server(b), "TLS": serverTLS(b)} {
		b.Run(name, func(b *testing.B) {
			c := config(b, gateway)
			s, bare := open(b, c), bareOf(b, c)
			content := pattern(benchSize)
			var o minio.PutObjectOptions
			if gateway.CA != nil {
				o.Checksum = minio.ChecksumCRC32C // without it this server may keep what is cut off
			}
			compare(b, func(i int) {
				require.NoError(b, writeFrom(b.Context(), s, fmt.Sprintf("%064x", i), benchSize, bytes.NewReader(content)))
			}, func(i int) {
				_, err := bare.PutObject(b.Context(), c.Bucket, fmt.Sprintf("raw/%064x", i), bytes.NewReader(content), benchSize, o)
				require.NoError(b, err)
			})
		})
	}
}

func BenchmarkReadChunk(b *testing.B) {
	for name, gateway := range map[string]*versitygw.Server{"plain": server(b), "TLS": serverTLS(b)} {
		b.Run(name, func(b *testing.B) {
			c := config(b, gateway)
			s, bare := open(b, c), bareOf(b, c)
			require.NoError(b, writeFrom(b.Context(), s, "chunk", benchSize, bytes.NewReader(pattern(benchSize))))
			compare(b, func(int) {
				r, err := s.ReadChunk(b.Context(), stacksync.ReadChunkParams{Container: container, Name: "chunk"})
				require.NoError(b, err)
				drain(b, r.Content)
			}, func(int) {
				o, err := bare.GetObject(b.Context(), c.Bucket, c.Prefix+container+"/chunk", minio.GetObjectOptions{})
				require.NoError(b, err)
				drain(b, o)
			})
		})
	}
}

// bareOf is the client with the transport that it has by itself.
func bareOf(b *testing.B, c s3.Config) *minio.Client {
	b.Helper()
	gateway := server(b)
	if c.RootCAs != nil {
		gateway = serverTLS(b)
	}
	return rootOf(b, gateway)
}

func drain(b *testing.B, content io.ReadCloser) {
	b.Helper()
	n, err := io.Copy(io.Discard, content)
	require.NoError(b, err)
	require.EqualValues(b, benchSize, n)
	require.NoError(b, content.Close())
}

// compare does both in turn, so that what else the machine does hits both.
func compare(b *testing.B, ours, raw func(i int)) {
	b.Helper()
	var our, bare time.Duration
	i := 0
	for b.Loop() {
		i++
		start := time.Now()
		raw(i)
		middle := time.Now()
		ours(i)
		bare += middle.Sub(start)
		our += time.Since(middle)
	}
	b.ReportMetric(bare.Seconds()/our.Seconds(), "x-raw")
	b.ReportMetric(float64(our.Nanoseconds())/float64(i), "ns/chunk")
	b.ReportMetric(float64(benchSize)*float64(i)/our.Seconds()/1e6, "MB/s-ours")
}

func BenchmarkSignChunks(b *testing.B) {
	s, err := s3.New(s3.Config{Endpoint: "s3.example.com", AccessKey: "a", SecretKey: "s", Bucket: "bucket"})
	require.NoError(b, err)
	chunks := make([]stacksync.Chunk, 1_000)
	for i, name := range hashes("sign", len(chunks)) {
		chunks[i] = stacksync.Chunk{Name: name, Size: benchSize}
	}
	for b.Loop() {
		_, err := s.SignChunks(context.Background(), stacksync.SignChunksParams{
			Container: container, Method: stacksync.Put, Chunks: chunks, Lifetime: time.Hour, SHA256: true,
		})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(chunks)), "ns/chunk")
}

// BenchmarkPrepareUpload tells how many requests the service makes for 1,000 chunks, and how long they take.
func BenchmarkPrepareUpload(b *testing.B) {
	c := config(b, server(b))
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	b.Cleanup(transport.CloseIdleConnections)
	m := &middle{to: transport}
	c.Transport = m
	n := 0
	storagetest.PrepareUpload(b, newService(b, open(b, c), ""), func() int {
		n += len(m.taken())
		return n
	})
}

// BenchmarkStatChunks asks for 1,000 chunks, of which half are stored, of a container that has many others, whose server answers at once:
// what matters is how many requests that takes.
func BenchmarkStatChunks(b *testing.B) {
	c := config(b, server(b))
	missing, all := hashes("missing", 500), hashes("stored", 50_000)
	asked := slices.Concat(missing, all[:500])
	for _, stored := range []int{500, 10_000, 50_000} {
		b.Run(fmt.Sprint(stored), func(b *testing.B) {
			s, m, _ := throughMiddle(b, c)
			require.NoError(b, write(b.Context(), s, container, "chunk", ""))
			m.set((&catalogue{sorted(slices.Clone(all[:stored]))}).act(c.Prefix+container+"/"), nil)
			m.taken()
			for b.Loop() {
				require.Len(b, stat(b, s, container, asked...), 500)
			}
			b.ReportMetric(float64(len(m.taken()))/float64(b.N), "requests/op")
		})
	}
}
