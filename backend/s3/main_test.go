package s3_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

const container = "c"

// once is a server that all tests of this process share. It starts with the first that asks for it.
type once struct {
	sync.Once
	server *versitygw.Server
	err    error
}

var plain, encrypted once

func TestMain(m *testing.M) {
	minio.DefaultRetryUnit = time.Nanosecond // that the client waits after a failure, though it does not try again
	code := m.Run()
	missing.Report()
	for _, o := range []*once{&plain, &encrypted} {
		if o.server == nil {
			continue
		}
		if err := o.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// server returns the server without TLS. t must be the test that calls it, which is skipped where there is no server: see
// missing.Require.
func server(t T) *versitygw.Server { return plain.start(t, versitygw.Options{}) }

// serverTLS is server, but with TLS.
func serverTLS(t T) *versitygw.Server { return encrypted.start(t, versitygw.Options{TLS: true}) }

func (o *once) start(t T, options versitygw.Options) *versitygw.Server {
	t.Helper()
	o.Do(func() { o.server, o.err = versitygw.Start(context.Background(), options) })
	missing.Require(t, o.err)
	return o.server
}

// T is what tests and benchmarks have, and checks of backendtest.
type T interface {
	require.TestingT
	missing.T
	Cleanup(func())
}

// client is one that has nothing of this module.
func client(t require.TestingT, s *versitygw.Server, access, secret string) *minio.Client {
	o := &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: s.Region, MaxRetries: 1}
	if s.CA != nil {
		o.Secure, o.TrailingHeaders = true, true
		o.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	}
	c, err := minio.New(s.Endpoint, o)
	require.NoError(t, err)
	return c
}

func root(t T) *minio.Client { return rootOf(t, server(t)) }

func rootOf(t T, s *versitygw.Server) *minio.Client { return client(t, s, s.AccessKey, s.SecretKey) }

// fresh returns a name that nobody else uses.
func fresh() string { return "t-" + strings.ToLower(rand.Text()) }

// config is that of a storage in a bucket that the test has for itself.
func config(t T, s *versitygw.Server) s3.Config {
	t.Helper()
	c := keys(s)
	c.Bucket, c.Prefix = fresh(), "some/prefix-"
	require.NoError(t, rootOf(t, s).MakeBucket(context.Background(), c.Bucket, minio.MakeBucketOptions{}))
	return c
}

func keys(s *versitygw.Server) s3.Config {
	return s3.Config{Endpoint: s.URL(), RootCAs: s.CA, AccessKey: s.AccessKey, SecretKey: stacksync.Secret(s.SecretKey)}
}

// ownBuckets is that of a storage with a bucket for each container.
func ownBuckets(s *versitygw.Server) s3.Config {
	c := keys(s)
	c.BucketPrefix = "p" + strings.ToLower(rand.Text())[:6] + "-"
	return c
}

// open opens a storage and makes the container in it.
func open(t T, c s3.Config) *s3.Storage {
	t.Helper()
	s, err := s3.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.CreateContainer(context.Background(), stacksync.CreateContainerParams{Container: container})
	require.NoError(t, err)
	return s
}

func read(ctx context.Context, s stacksync.ChunkReader, container, name string) (string, error) {
	r, err := s.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Content)
	return string(b), errors.Join(err, r.Content.Close())
}

func stat(t T, s stacksync.StorageProvisioner, container string, names ...string) map[string]int64 {
	t.Helper()
	r, err := s.StatChunks(context.Background(), stacksync.StatChunksParams{Container: container, Names: names})
	require.NoError(t, err)
	sizes := map[string]int64{}
	for _, c := range r.Chunks {
		sizes[c.Name] = c.Size
	}
	return sizes
}

func write(ctx context.Context, s stacksync.ChunkWriter, container, name, content string) error {
	_, err := s.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	return err
}
