//go:build unix

package main

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/services/serverenv"
	"github.com/stacksync/stacksync-go/internal/storagetest"
)

func testMain(m *testing.M) { storagetest.Main(m) }

func set(t *testing.T, variables []serverenv.Variable) {
	t.Helper()
	for _, v := range variables {
		t.Setenv(v.Name, v.Value)
	}
}

// requireRemote looks at a story whose content was in a storage elsewhere.
func requireRemote(t *testing.T, text, way string) {
	t.Helper()
	require.Equal(t, steps+1, strings.Count(text, "\n"))
	require.Equal(t, 2, strings.Count(text, way))
	require.Contains(t, text, "with their content")
	require.Contains(t, text, "\ncleaned up ")
}

const (
	signed = "past the service, by signed requests"
	hosted = "through the service"
)

func TestS3(t *testing.T) {
	server := storagetest.S3(t)
	variables, err := serverenv.S3(t.Context(), server)
	require.NoError(t, err)
	set(t, variables)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := minio.New(server.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""), Region: server.Region, Transport: transport,
	})
	require.NoError(t, err)
	for name, bucket := range map[string]string{"one bucket": os.Getenv("STACKSYNC_S3_BUCKET"), "a bucket of its own": ""} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("STACKSYNC_S3_BUCKET", bucket)
			requireRemote(t, perform(t, "-storage", "s3"), signed)
			buckets, err := client.ListBuckets(t.Context())
			require.NoError(t, err)
			require.Len(t, buckets, 1, "all but the one that was there are deleted")
			for o := range client.ListObjects(t.Context(), buckets[0].Name, minio.ListObjectsOptions{Recursive: true}) {
				require.Fail(t, "something is left", "%s, %v", o.Key, o.Err)
			}
		})
	}
}

func TestSwift(t *testing.T) {
	server := storagetest.Swift(t)
	set(t, serverenv.Swift(server))
	requireRemote(t, perform(t, "-storage", "swift"), signed)
	client, err := server.Identity(t.Context())
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.StorageURL, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("X-Auth-Token", client.Token())
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusNoContent, res.StatusCode, "there are containers")
}

func TestFTP(t *testing.T) {
	server := storagetest.FTP(t)
	set(t, serverenv.FTP(server))
	requireRemote(t, perform(t, "-storage", "ftp"), hosted)
	require.Empty(t, containers(t, server))
}

// containers returns what is on the server, but for what the back-end has for itself.
func containers(t *testing.T, s *proftpd.Server) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(s.Root, func(name string, e fs.DirEntry, err error) error {
		if name != s.Root && e.Name()[0] != '.' {
			found = append(found, name)
		}
		return err
	}))
	return found
}

// What was begun is cleaned up also after an interruption.
func TestInterruption(t *testing.T) {
	server := storagetest.FTP(t)
	set(t, serverenv.FTP(server))
	kind, err := findKind("ftp")
	require.NoError(t, err)
	s := &show{out: &output{w: io.Discard}, kind: kind, source: makeTree(t), temp: filepath.Join(t.TempDir(), "temp"), log: slog.New(slog.DiscardHandler)}
	require.NoError(t, os.Mkdir(s.temp, 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, s.prepare(ctx))
	require.NotEmpty(t, containers(t, server))
	cancel()
	require.ErrorIs(t, s.firstSync(ctx), context.Canceled)
	require.NoError(t, s.close())
	require.NoError(t, s.cleanUp(ctx))
	require.Empty(t, containers(t, server))
	require.NoDirExists(t, s.temp)
}

func TestKeep(t *testing.T) {
	server := storagetest.FTP(t)
	set(t, serverenv.FTP(server))
	text := perform(t, "-storage", "ftp", "-keep")
	_, kept, ok := strings.Cut(text, "\nkept ")
	require.True(t, ok)
	temp, container, ok := strings.Cut(strings.TrimSpace(kept), ", ")
	require.True(t, ok)
	require.DirExists(t, filepath.Join(temp, "laptop"))
	require.DirExists(t, filepath.Join(server.Root, container))
	kind, err := findKind("ftp")
	require.NoError(t, err)
	require.NoError(t, kind.remove(t.Context(), temp, slog.New(slog.DiscardHandler), []string{container}))
	require.NoError(t, os.RemoveAll(temp))
}
