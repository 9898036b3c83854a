//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/missing"
)

// TestServerEndsWithItsProcess kills a copy of this test that has started a server.
func TestServerEndsWithItsProcess(t *testing.T) {
	const victim = "PGTEST_VICTIM"
	if os.Getenv(victim) != "" {
		s := Start(t, Options{})
		fmt.Println("started", s.DSN(), s.cluster.folder)
		_, _ = io.Copy(io.Discard, os.Stdin)
		t.Fatal("was not killed")
	}
	t.Parallel()
	findOrSkip(t)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), victim+"=1")
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(out)
	var words []string
	for lines.Scan() {
		if words = strings.Fields(lines.Text()); len(words) == 3 && words[0] == "started" {
			break
		}
	}
	require.Len(t, words, 3, "what the victim said")
	dsn, folder := words[1], words[2]
	require.DirExists(t, folder)

	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn), pgdriver.WithTimeout(patience)))
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.PingContext(t.Context()))
	ended := make(chan error)
	go func() {
		_, err := conn.ExecContext(context.Background(), "SELECT pg_sleep(600)")
		ended <- err
	}()

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Error(t, <-ended)
	assert.Eventually(t, func() bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err)
	}, patience, 10*time.Millisecond, "the folder is still there")
}

// findOrSkip does as Start where nothing is installed.
func findOrSkip(t *testing.T) {
	t.Helper()
	_, err := findBinaries(binFolders)
	missing.Require(t, err)
}
