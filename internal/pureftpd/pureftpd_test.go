//go:build unix

package pureftpd_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/pureftpd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

// TestWhichServer says, for make test, what the tests on FTP run on.
func TestWhichServer(t *testing.T) {
	version, err := pureftpd.Version()
	missing.Tell(t, "Pure-FTPd "+version, err)
}

func need(t *testing.T) {
	t.Helper()
	err := pureftpd.Find()
	missing.Require(t, err)
}

func TestServer(t *testing.T) {
	need(t)
	s, err := pureftpd.Start(t.Context(), pureftpd.Options{})
	require.NoError(t, err)
	login := func() *ftp.ServerConn {
		verify := s.TLS()
		verify.ServerName = "localhost"
		c, err := ftp.Dial(s.Addr, ftp.DialWithExplicitTLS(verify))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Quit() })
		require.NoError(t, c.Login(pureftpd.Service, pureftpd.ServicePassword))
		return c
	}
	c := login()
	require.NoError(t, c.MakeDir("/kept"))
	require.DirExists(t, filepath.Join(s.Root, "kept"))
	require.NoError(t, s.Stop())
	require.Error(t, c.NoOp(), "sessions end with the server")
	_, err = net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)
	require.NoError(t, s.Stop(), "again")
	addr := s.Addr
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, addr, s.Addr)
	c = login()
	require.NoError(t, c.ChangeDir("/kept"))
	require.NoError(t, s.Close())
	require.Error(t, c.NoOp())
	require.NoDirExists(t, filepath.Dir(s.Root))
}
