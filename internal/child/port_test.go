//go:build unix

package child_test

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/child"
)

// Nobody gets such a port who does not name it.
func TestFreePort(t *testing.T) {
	given := map[int]bool{}
	for range 1000 {
		port, err := child.FreePort()
		require.NoError(t, err)
		require.False(t, given[port], "twice")
		given[port] = true
		require.True(t, port >= 10000 && port < 20000, "%d", port)
	}
	// One that is taken is left out, when all have had their turn too.
	port, err := child.FreePort()
	require.NoError(t, err)
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	require.NoError(t, err)
	defer l.Close()
	for range 10_000 {
		another, err := child.FreePort()
		require.NoError(t, err)
		require.NotEqual(t, port, another)
	}
}

func TestOnFreePort(t *testing.T) {
	var ports []int
	taken := errors.New("bind: Address already in use")
	require.NoError(t, child.OnFreePort(func(port int) error {
		if ports = append(ports, port); len(ports) < 3 {
			return fmt.Errorf("start a server: %w", taken)
		}
		return nil
	}))
	require.Len(t, ports, 3)
	require.NotEqual(t, ports[0], ports[1])

	tries, broken := 0, errors.New("no such setting")
	require.ErrorIs(t, child.OnFreePort(func(int) error { tries++; return broken }), broken)
	require.Equal(t, 1, tries)
	require.ErrorIs(t, child.OnFreePort(func(int) error { tries++; return taken }), taken)
	require.Equal(t, 6, tries)
}

// What answers is not the process, if that has ended.
func TestReadyByAnother(t *testing.T) {
	g, _ := start(t)
	p, err := g.Start("loser", exec.Command("/bin/sh", "-c", "echo the port is in use; exit 3"))
	require.NoError(t, err)
	err = p.Ready(10*time.Second, func() error { // it answers once the process has ended
		for !strings.Contains(p.Log(), "\n") {
			time.Sleep(time.Millisecond)
		}
		return p.Kill()
	})
	require.ErrorContains(t, err, "another program answers")
	require.True(t, child.InUse(err), "%v", err)
}
