package ftp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/pureftpd"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/internal/vsftpd"
)

// startPure starts a Pure-FTPd for one test.
func startPure(t testing.TB, o pureftpd.Options) *pureftpd.Server {
	t.Helper()
	s, err := pureftpd.Start(context.Background(), o)
	missing.Require(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func pureConfig(s *pureftpd.Server) ftp.Config {
	return ftp.Config{Addr: s.Addr, User: pureftpd.Service, Password: pureftpd.ServicePassword, TLS: s.TLS()}
}

func TestPureFTPd(t *testing.T) {
	server := startPure(t, pureftpd.Options{})
	storage := open(t, pureConfig(server))
	backendtest.Run(t, backendtest.Suite{Many: testsize.Of(1_500, 0), New: func(backendtest.T) backendtest.Instance {
		return backendtest.Instance{
			Storage: storage,
			Reopen:  func() stacksync.StorageProvisioner { return open(t, pureConfig(server)) },
		}
	}})
}

func TestPureFTPdOutage(t *testing.T) {
	server := startPure(t, pureftpd.Options{})
	backendtest.RunOutage(t, backendtest.Outage{
		Open:    func(t backendtest.T) stacksync.StorageProvisioner { return open(t, pureConfig(server)) },
		Stop:    server.Stop,
		Start:   func() error { return server.Restart(t.Context()) },
		Service: newService,
	})
}

// TestSlowNegatives: the server refuses the n-th CWD of a session after n-1 tenths of a second, so
// what is missing is asked in another way.
func TestSlowNegatives(t *testing.T) {
	t.Parallel()
	server := startPure(t, pureftpd.Options{})
	p := newProxy(t, server.Addr)
	c := pureConfig(server)
	c.Addr, c.TLS, c.Plain = p.addr(), nil, true
	s := open(t, c)
	create(t, s, container)
	require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
	before := p.seen("CWD")
	for i := range 50 {
		_, err := read(t.Context(), s, container, fmt.Sprint("missing", i))
		require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
	}
	require.Empty(t, stored(t, s, "missing"))
	require.ErrorIs(t, write(t.Context(), s, "missing", "chunk", "content"), stacksync.ErrNotFound)
	require.NoError(t, deleteContainer(t.Context(), s, "missing"))
	require.Equal(t, before, p.seen("CWD"))
}

// TestCutLists: a list that the server has cut is not taken for the whole, and a container goes all
// the same.
func TestCutLists(t *testing.T) {
	t.Parallel()
	server := startPure(t, pureftpd.Options{MostListed: 20})
	s := open(t, pureConfig(server))
	create(t, s, container)
	names := ofOneShard(40)
	for _, name := range names[:15] {
		require.NoError(t, write(t.Context(), s, container, name, "content"))
	}
	require.ElementsMatch(t, names[:15], stored(t, s, container))
	for _, name := range names {
		require.NoError(t, write(t.Context(), s, container, name, "content"))
	}
	_, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
	require.ErrorIs(t, err, ftp.ErrCutList)
	require.ErrorContains(t, err, "/c/00")
	r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: names})
	require.NoError(t, err, "they are asked for one by one")
	require.Len(t, r.Chunks, len(names))
	for i := range 40 { // and the container's own folder is cut
		require.NoError(t, write(t.Context(), s, container, fmt.Sprint(i), "content"))
	}
	_, err = s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
	require.ErrorIs(t, err, ftp.ErrCutList)
	require.NoError(t, deleteContainer(t.Context(), s, container))
	left, err := os.ReadDir(server.Root)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestLinks: links are no chunks to lists, and are deleted without what they name.
func TestLinks(t *testing.T) {
	t.Parallel()
	pure := startPure(t, pureftpd.Options{})
	pro := start(t, proftpd.Options{})
	for root, c := range map[string]ftp.Config{pure.Root: pureConfig(pure), pro.Root: configOf(pro)} {
		s := open(t, c)
		create(t, s, container)
		create(t, s, "other")
		require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
		require.NoError(t, write(t.Context(), s, "other", "chunk", "content"))
		require.NoError(t, os.Symlink("/other/"+object, filepath.Join(root, container, "6c", "linked")))
		require.NoError(t, os.Symlink("/other", filepath.Join(root, container, "6c", "folder")))
		require.NoError(t, os.Symlink("/other/6c", filepath.Join(root, container, "aa")))
		require.Equal(t, []string{"chunk"}, stored(t, s, container))
		require.NoError(t, deleteContainer(t.Context(), s, container))
		require.NoDirExists(t, filepath.Join(root, container))
		require.FileExists(t, filepath.Join(root, "other", object))
	}
}

// TestVsftpd: a server that has no MLSD is refused with this reason.
func TestVsftpd(t *testing.T) {
	t.Parallel()
	server, err := vsftpd.Start(t.Context())
	missing.Require(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	_, err = ftp.Open(t.Context(), ftp.Config{Addr: server.Addr, User: vsftpd.User, Password: "somebody@example.com", Plain: true})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "MLSD")
}
