package s3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/s3"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/internal/versitygw"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// skips are faults of the server, which Amazon's does not have.
var skips = map[string]string{
	"SignedPutCut": "versitygw 1.8.0 keeps what came of content that was cut off, where the request is signed without its SHA-256 (see TestSignedPutCut)",
}

// origins are those of web sites whose pages may send signed requests.
var origins = []string{"https://app.example.com", "http://localhost:8080"}

// TestConformance runs in one bucket, without TLS as TestConformanceOwnBuckets: the server has no connection for more than one request, and
// 30,000 handshakes take minutes. See TestOverTLS.
func TestConformance(t *testing.T) {
	c := config(t, server(t))
	c.Origins = origins
	backendtest.Run(t, backendtest.Suite{Many: testsize.Of(1_500, 0), Signs: true, Origins: origins, Skips: skips, New: func(t backendtest.T) backendtest.Instance {
		open := func() stacksync.StorageProvisioner {
			s, err := s3.New(c)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		return backendtest.Instance{Storage: open(), Reopen: open}
	}})
}

// TestConformanceOwnBuckets runs with a bucket for each container, and accounts.
func TestConformanceOwnBuckets(t *testing.T) {
	gateway := server(t)
	c := ownBuckets(gateway)
	c.Origins = origins
	backendtest.Run(t, backendtest.Suite{Many: testsize.Of(1_500, 0), Signs: true, Origins: origins, Accounts: true, Skips: skips, New: func(t backendtest.T) backendtest.Instance {
		open := func() stacksync.StorageProvisioner {
			s, err := s3.New(c)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			a, err := s.WithUsers(gateway)
			require.NoError(t, err)
			return a
		}
		dial := func(t backendtest.T, login string, secret stacksync.Secret, at stacksync.Location) backendtest.Client {
			require.Equal(t, "s3", at.Protocol)
			require.Equal(t, map[string]string{
				"endpoint": gateway.URL(), "region": gateway.Region, "bucket": at.Settings["bucket"], "path_style": "true",
			}, at.Settings)
			return device{client(t, gateway, login, string(secret)), at.Settings["bucket"]}
		}
		return backendtest.Instance{Storage: open(), Reopen: open, Dial: dial}
	}})
}

// device is what a client has: a login, a bucket, and a library for S3.
type device struct {
	client *minio.Client
	bucket string
}

func (d device) Get(ctx context.Context, object string) ([]byte, error) {
	o, err := d.client.GetObject(ctx, d.bucket, object, minio.GetObjectOptions{})
	if err != nil {
		return nil, denied(err)
	}
	defer o.Close()
	content, err := io.ReadAll(o)
	return content, denied(err)
}

func (d device) Put(ctx context.Context, object string, content []byte) error {
	_, err := d.client.PutObject(ctx, d.bucket, object, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return denied(err)
}

func (d device) Delete(ctx context.Context, object string) error {
	return denied(d.client.RemoveObject(ctx, d.bucket, object, minio.RemoveObjectOptions{}))
}

func (d device) List(ctx context.Context) (objects []string, err error) {
	for o := range d.client.ListObjectsIter(ctx, d.bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return nil, denied(o.Err)
		}
		objects = append(objects, o.Key)
	}
	return objects, nil
}

// The ways in which S3 brings an object's content to another place.
const (
	serverCopy = "copy by the server"
	copyPart   = "copy of a part by the server"
	redirect   = "redirect of a website"
)

// Kinds implements backendtest.Linker.
func (device) Kinds() []string { return []string{serverCopy, copyPart, redirect} }

// Link implements backendtest.Linker.
func (d device) Link(ctx context.Context, kind, object string, from stacksync.Location, target string) error {
	bucket, core := from.Settings["bucket"], minio.Core{Client: d.client}
	switch kind {
	case serverCopy:
		_, err := d.client.CopyObject(ctx, minio.CopyDestOptions{Bucket: d.bucket, Object: object}, minio.CopySrcOptions{Bucket: bucket, Object: target})
		return denied(err)
	case copyPart:
		id, err := core.NewMultipartUpload(ctx, d.bucket, object, minio.PutObjectOptions{})
		if err != nil {
			return denied(err)
		}
		part, err := core.CopyObjectPart(ctx, bucket, target, d.bucket, object, id, 1, 0, -1, nil)
		if err != nil {
			return denied(err) // an account may not abort its upload
		}
		_, err = core.CompleteMultipartUpload(ctx, d.bucket, object, id, []minio.CompletePart{part}, minio.PutObjectOptions{})
		return denied(err)
	default:
		_, err := d.client.PutObject(ctx, d.bucket, object, bytes.NewReader(nil), 0, minio.PutObjectOptions{WebsiteRedirectLocation: "/" + bucket + "/" + target})
		return denied(err)
	}
}

func denied(err error) error {
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", backendtest.ErrDenied, err)
	}
	return err
}

// TestOutage has a server of its own, which crashes.
func TestOutage(t *testing.T) {
	server(t)
	for name, via := range map[string]stacksync.Via{"via the host": stacksync.ViaHost, "by signed requests": stacksync.ViaSigned} {
		t.Run(name, func(t *testing.T) {
			gateway, err := versitygw.Start(t.Context(), versitygw.Options{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, gateway.Close()) })
			require.NoError(t, client(t, gateway, gateway.AccessKey, gateway.SecretKey).MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
			backendtest.RunOutage(t, backendtest.Outage{
				Open: func(t backendtest.T) stacksync.StorageProvisioner {
					c := keys(gateway)
					c.Bucket, c.Tries = "bucket", 1 // else it gets over the outage by itself, and the suite does not see it
					s, err := s3.New(c)
					require.NoError(t, err)
					t.Cleanup(func() { require.NoError(t, s.Close()) })
					return s
				},
				Stop: gateway.Stop, Start: func() error { return gateway.Restart(context.Background()) },
				Service: newService,
				Via:     via,
			})
		})
	}
}

// newService makes a service for backendtest.RunOutage.
func newService(t backendtest.T, storage stacksync.StorageProvisioner, via stacksync.Via) backendtest.Service {
	store := memory.New(memory.Config{})
	config := service.Config{Storage: storage, ChunkHash: sha256.New}
	if via != "" {
		config.Vias = []stacksync.Via{via}
	}
	svc, err := service.New(store, config)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		require.NoError(t, store.Close())
	})
	return svc
}
