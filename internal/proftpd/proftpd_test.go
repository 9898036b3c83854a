//go:build unix

package proftpd_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/child"
	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

// TestWhichServer says, for make test, what the tests on FTP run on.
func TestWhichServer(t *testing.T) {
	version, err := proftpd.Version()
	missing.Tell(t, "ProFTPD "+version, err)
}

func start(t *testing.T, o proftpd.Options) *proftpd.Server {
	t.Helper()
	s, err := proftpd.Start(t.Context(), o)
	missing.Require(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func login(t *testing.T, s *proftpd.Server) *ftp.ServerConn {
	t.Helper()
	verify := s.TLS()
	verify.ServerName = "localhost"
	c, err := ftp.Dial(s.Addr, ftp.DialWithExplicitTLS(verify))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Quit() })
	require.NoError(t, c.Login(proftpd.Service, proftpd.ServicePassword))
	return c
}

func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	s := start(t, proftpd.Options{})
	c := login(t, s)
	require.NoError(t, c.MakeDir("/kept"))
	require.DirExists(t, filepath.Join(s.Root, "kept"))
	require.NoError(t, s.Stop())
	require.Error(t, c.NoOp(), "sessions end with the server")
	_, err := net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)
	require.NoError(t, s.Stop(), "again")
	addr := s.Addr
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, addr, s.Addr)
	c = login(t, s)
	require.NoError(t, c.ChangeDir("/kept"))
	require.NoError(t, s.Restart(t.Context()), "one that runs")
	require.NoError(t, login(t, s).ChangeDir("/kept"))
}

// TestPortIsTaken: Start takes another port then, and is not deceived by who has it.
func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	s := start(t, proftpd.Options{})
	require.NoError(t, s.Stop())
	other, err := net.Listen("tcp", s.Addr)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "220 ProFTPD Server (test) [127.0.0.1]\r\n")
			_ = c.Close()
		}
	}()
	err = s.Restart(t.Context())
	require.True(t, child.InUse(err), "%v", err)
	require.NoError(t, other.Close())
	<-done
	require.NoError(t, s.Restart(t.Context()))
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	s, err := proftpd.Start(t.Context(), proftpd.Options{})
	missing.Require(t, err)
	c := login(t, s)
	require.NoError(t, s.Close())
	require.NoDirExists(t, filepath.Dir(s.Root))
	require.Error(t, c.NoOp())
	_, err = net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)
}

func TestTLSIsRequired(t *testing.T) {
	t.Parallel()
	for optional, s := range map[bool]*proftpd.Server{false: start(t, proftpd.Options{}), true: start(t, proftpd.Options{TLSOptional: true})} {
		c, err := ftp.Dial(s.Addr)
		require.NoError(t, err)
		err = c.Login(proftpd.Service, proftpd.ServicePassword)
		require.Equal(t, optional, err == nil, "%v", err)
		_ = c.Quit()
	}
}

func TestEndSessions(t *testing.T) {
	t.Parallel()
	s := start(t, proftpd.Options{})
	c := login(t, s)
	require.NoError(t, c.NoOp())
	require.NoError(t, s.EndSessions(t.Context(), "nobody-else"))
	require.NoError(t, c.NoOp())
	require.NoError(t, s.EndSessions(t.Context(), proftpd.Service))
	require.Eventually(t, func() bool { return c.NoOp() != nil }, 5*time.Second, 20*time.Millisecond)
}
