package ftp_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// start starts a server for one test.
func start(t testing.TB, o proftpd.Options) *proftpd.Server {
	t.Helper()
	s, err := proftpd.Start(context.Background(), o)
	missing.Require(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func configOf(s *proftpd.Server) ftp.Config {
	return ftp.Config{Addr: s.Addr, User: proftpd.Service, Password: proftpd.ServicePassword, TLS: s.TLS()}
}

func withAccounts(s *proftpd.Server) ftp.Config {
	c := configOf(s)
	c.Accounts = ftp.ProFTPD{Users: s.Users, UID: s.UID, GID: s.GID, EndSessions: s.EndSessions}
	return c
}

func open(t backendtest.T, c ftp.Config) *ftp.Storage {
	t.Helper()
	s, err := ftp.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func create(t testing.TB, s *ftp.Storage, container string) {
	t.Helper()
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: container})
	require.NoError(t, err)
}

func write(ctx context.Context, s *ftp.Storage, container, name, content string) error {
	return writeFrom(ctx, s, container, name, int64(len(content)), strings.NewReader(content))
}

func writeFrom(ctx context.Context, s *ftp.Storage, container, name string, size int64, content io.Reader) error {
	_, err := s.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: size}, Content: content,
	})
	return err
}

func read(ctx context.Context, s *ftp.Storage, container, name string) (string, error) {
	r, err := s.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Content)
	return string(b), errors.Join(err, r.Content.Close())
}

func stored(t testing.TB, s *ftp.Storage, container string) []string {
	t.Helper()
	r, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
	require.NoError(t, err)
	var names []string
	for _, c := range r.Chunks {
		names = append(names, c.Name)
	}
	return names
}
