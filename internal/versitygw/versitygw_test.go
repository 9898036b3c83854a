//go:build unix

package versitygw_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/child"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// TestWhichServer says, for make test, what the tests on S3 run on.
func TestWhichServer(t *testing.T) {
	version, err := versitygw.Version(t.Context())
	missing.Tell(t, "versitygw "+version, err)
}

func client(t *testing.T, s *versitygw.Server, access, secret string) *minio.Client {
	t.Helper()
	c, err := minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: s.Region, MaxRetries: 1})
	require.NoError(t, err)
	return c
}

func get(ctx context.Context, c *minio.Client) (string, error) {
	o, err := c.GetObject(ctx, "bucket", "object", minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer o.Close()
	b, err := io.ReadAll(o)
	return string(b), err
}

func TestLife(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := start(t)
	root := client(t, s, s.AccessKey, s.SecretKey)
	require.NoError(t, root.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
	_, err := root.PutObject(t.Context(), "bucket", "object", strings.NewReader("content"), 7, minio.PutObjectOptions{})
	require.NoError(t, err)

	endpoint := s.Endpoint
	require.NoError(t, s.Stop())
	require.NoError(t, s.Stop(), "again")
	_, err = get(t.Context(), root)
	require.Error(t, err)
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, endpoint, s.Endpoint)
	got, err := get(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, "content", got, "data stays")
	require.NoError(t, s.Restart(t.Context()), "one that runs")
	_, err = get(t.Context(), root)
	require.NoError(t, err)

	require.NoError(t, s.Close())
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = net.Dial("tcp", endpoint)
	require.Error(t, err, "it still listens")
}

// TestPortIsTaken: Start takes another port then, and is not deceived by who has it.
func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	s, other := start(t), start(t)
	defer func() { require.NoError(t, errors.Join(s.Close(), other.Close())) }()
	endpoint := s.Endpoint
	s.Endpoint = other.Endpoint
	err := s.Restart(t.Context())
	require.True(t, child.InUse(err), "%v", err)
	s.Endpoint = endpoint
	require.NoError(t, s.Restart(t.Context()))
}

func TestStartCancelled(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	require.NoError(t, start(t).Close())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := versitygw.Start(ctx, versitygw.Options{})
	require.ErrorIs(t, err, context.Canceled)
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	defer func() { require.NoError(t, s.Close()) }()
	ctx := t.Context()
	const first, second = "first-secret-of-alice", "second-secret-of-alice"

	_, err := s.PutUser(ctx, "alice", first, true)
	require.NoError(t, err)
	list, err := s.ListUsers(ctx)
	require.NoError(t, err)
	require.Empty(t, list, "ifExists makes none")
	for range 2 {
		login, err := s.PutUser(ctx, "alice", first, false)
		require.NoError(t, err)
		require.Equal(t, "alice", login)
	}
	require.ErrorContains(t, s.CreateUser(ctx, "alice", first), "exists")

	root := client(t, s, s.AccessKey, s.SecretKey)
	require.NoError(t, root.MakeBucket(ctx, "bucket", minio.MakeBucketOptions{}))
	_, err = root.PutObject(ctx, "bucket", "object", strings.NewReader("content"), 7, minio.PutObjectOptions{})
	require.NoError(t, err)
	_, err = get(ctx, client(t, s, "alice", first))
	require.ErrorContains(t, err, "Access Denied")
	require.NoError(t, root.SetBucketPolicy(ctx, "bucket", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
		`"Principal":{"AWS":["alice"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::bucket/*"]}]}`))
	got, err := get(ctx, client(t, s, "alice", first))
	require.NoError(t, err)
	require.Equal(t, "content", got)

	_, err = s.PutUser(ctx, "alice", second, false)
	require.NoError(t, err)
	_, err = get(ctx, client(t, s, "alice", first))
	require.Error(t, err, "the former secret")
	_, err = get(ctx, client(t, s, "alice", second))
	require.NoError(t, err)

	principals, err := s.Principals(ctx, []string{"alice", "bob"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"alice": "alice"}, principals)
	for range 2 {
		require.NoError(t, s.DeleteUser(ctx, "alice"))
	}
	_, err = get(ctx, client(t, s, "alice", second))
	require.Error(t, err, "a deleted user")
	require.ErrorContains(t, s.SetSecret(ctx, "alice", first), "no such user")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s, err := versitygw.Start(t.Context(), versitygw.Options{TLS: true, Region: "eu-north-1"})
	missing.Require(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, s.CreateUser(t.Context(), "alice", "secret-of-alice"))
	_, err = client(t, s, s.AccessKey, s.SecretKey).ListBuckets(t.Context())
	require.Error(t, err, "without TLS")
}
