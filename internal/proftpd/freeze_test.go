//go:build unix

package proftpd

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/missing"
)

// TestFreeze: a server that is about to be killed begins no session that nobody would find.
func TestFreeze(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{})
	missing.Require(t, err)
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
