//go:build unix

package proftpd

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFreeze: a server that is about to be killed begins no session that nobody would find.
func TestFreeze(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{})
	if errors.Is(err, ErrNotInstalled) && os.Getenv("STACKSYNC_REQUIRE_SERVICES") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	s.freeze()
	before := s.sessions()
	c, err := net.Dial("tcp", s.Addr) // the kernel takes it
	require.NoError(t, err)
	defer c.Close()
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, before, s.sessions())
	require.NoError(t, s.Close())
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(io.Discard, c)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
