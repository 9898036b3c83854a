//go:build linux || darwin

package pgtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// envMember makes TestMember a package of a run, which uses the shared server until its file 3 ends.
const envMember = "PGTEST_MEMBER"

func TestMember(t *testing.T) {
	if os.Getenv(envMember) == "" {
		return // it is a part of the tests below
	}
	s := Shared(t)
	s.Exec(t, "CREATE TABLE mine (id int)") // in another package's database it is there already
	fmt.Println("member", os.Getpid(), s.DSN())
	_, _ = io.Copy(io.Discard, os.NewFile(3, "until"))
	s.Exec(t, "SELECT FROM mine")
}

// goCommand stands for a go test command: a shell that starts packages as the script says.
type goCommand struct {
	t     *testing.T
	cmd   *exec.Cmd
	temp  string
	until *os.File // the packages go on until it is closed
	lines *bufio.Scanner
}

func startGo(t *testing.T, script string) *goCommand {
	t.Helper()
	findOrSkip(t)
	g := &goCommand{t: t, cmd: exec.Command("/bin/sh", "-c", script, os.Args[0], "-test.run=^TestMember$")}
	var err error
	g.temp, err = os.MkdirTemp("", "pgtest-run-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(g.temp) })
	require.NoError(t, os.Chmod(g.temp, 0o755), "the server's user looks for its folder there")
	read, until, err := os.Pipe()
	require.NoError(t, err)
	g.until = until
	g.cmd.ExtraFiles = []*os.File{read}
	g.cmd.Env = append(os.Environ(), envMember+"=1", "TMPDIR="+g.temp, EnvDSN+"=")
	g.cmd.Stderr = os.Stderr
	out, err := g.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, g.cmd.Start())
	require.NoError(t, read.Close())
	t.Cleanup(func() {
		_ = g.until.Close() // most often it is closed
		_ = g.cmd.Wait()
	})
	g.lines = bufio.NewScanner(out)
	return g
}

type member struct {
	pid int
	dsn *url.URL
}

// member returns the next package that says it has a server.
func (g *goCommand) member() member {
	g.t.Helper()
	var last []string
	for g.lines.Scan() {
		words := strings.Fields(g.lines.Text())
		if len(words) == 3 && words[0] == "member" {
			pid, err := strconv.Atoi(words[1])
			require.NoError(g.t, err)
			dsn, err := url.Parse(words[2])
			require.NoError(g.t, err)
			return member{pid, dsn}
		}
		last = append(last, g.lines.Text())
	}
	require.Fail(g.t, "no further package has a server", strings.Join(last, "\n"))
	return member{}
}

// keeper returns what the keeper of the run has announced.
func (g *goCommand) keeper() (at place) {
	g.t.Helper()
	files, err := filepath.Glob(filepath.Join(g.temp, "stacksync-pgtest-*", strconv.Itoa(g.cmd.Process.Pid)))
	require.NoError(g.t, err)
	require.Len(g.t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal(text, &at))
	return at
}

// requireNothingLeft waits until there is nothing left of the servers but the lock. The go command has to have ended.
func (g *goCommand) requireNothingLeft(servers ...*url.URL) {
	g.t.Helper()
	assert.Eventually(g.t, func() bool {
		left, err := filepath.Glob(filepath.Join(g.temp, "*", "*"))
		return err == nil && len(left) == 1 && filepath.Base(left[0]) == "lock"
	}, patience, 10*time.Millisecond)
	for _, s := range servers {
		require.False(g.t, listens(s.Host), "the server runs")
	}
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	return err == nil && conn.Close() == nil
}

func TestPackagesShareAServer(t *testing.T) {
	t.Parallel()
	g := startGo(t, `"$0" "$1" & "$0" "$1" & "$0" "$1" & wait`)
	a, b, c := g.member(), g.member(), g.member()
	require.Equal(t, a.dsn.Host, b.dsn.Host)
	require.Equal(t, a.dsn.Host, c.dsn.Host)
	// One that is killed takes nothing from the others, which look for their tables at the end.
	require.NoError(t, syscall.Kill(a.pid, syscall.SIGKILL))
	require.NoError(t, g.until.Close())
	passed := 0
	for g.lines.Scan() {
		if g.lines.Text() == "PASS" {
			passed++
		}
	}
	require.Equal(t, 2, passed)
	require.NoError(t, g.cmd.Wait())
	g.requireNothingLeft(a.dsn)
}

func TestPackageFindsTheServerOfTheOneBefore(t *testing.T) {
	t.Parallel()
	g := startGo(t, `"$0" "$1" 3</dev/null; "$0" "$1"`)
	before, after := g.member(), g.member()
	require.Equal(t, before.dsn.Host, after.dsn.Host)
	require.NotEqual(t, before.dsn.Path, after.dsn.Path)
	require.NoError(t, g.until.Close())
	require.NoError(t, g.cmd.Wait())
	g.requireNothingLeft(after.dsn)
}

// A keeper that is killed takes its server with it; the next package starts another one.
func TestKeeperIsKilled(t *testing.T) {
	t.Parallel()
	g := startGo(t, `"$0" "$1"; "$0" "$1" 3</dev/null`)
	before := g.member()
	keeper := g.keeper()
	require.NoError(t, syscall.Kill(keeper.PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return !listens(before.dsn.Host) }, patience, 10*time.Millisecond)
	require.NoError(t, g.until.Close())
	after := g.member()
	require.NotEqual(t, keeper.Nonce, g.keeper().Nonce)
	require.NoError(t, g.cmd.Wait())
	g.requireNothingLeft(before.dsn, after.dsn)
}

// What is left of a keeper that was killed, and of one whose port another program has now, is no server.
func TestStalePlaceIsNoServer(t *testing.T) {
	t.Parallel()
	r := run{t.TempDir(), 1}
	_, _, err := r.join()
	require.ErrorIs(t, err, errNoKeeper)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 ready\r\n")
			_ = conn.Close()
		}
	}()
	defer other.Close()
	free, err := freePort()
	require.NoError(t, err)
	for _, text := range []string{
		"", "{", fmt.Sprintf(`{"keeper": "127.0.0.1:%d", "nonce": "abc"}`, free),
		fmt.Sprintf(`{"keeper": %q, "nonce": "abc"}`, other.Addr()), fmt.Sprintf(`{"keeper": %q, "nonce": "longer than that"}`, other.Addr()),
	} {
		require.NoError(t, os.WriteFile(r.file(), []byte(text), 0o600))
		_, _, err := r.join()
		require.ErrorIs(t, err, errNoKeeper, text)
	}
}

func TestFolderOfRunsIsPrivate(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	r, err := thisRun()
	require.NoError(t, err)
	_, err = thisRun()
	require.NoError(t, err, "it is there")
	require.NoError(t, os.Chmod(r.folder, 0o777))
	_, err = thisRun()
	require.ErrorContains(t, err, r.folder)
	require.NoError(t, os.Remove(r.folder))
	require.NoError(t, os.Symlink(temp, r.folder))
	_, err = thisRun()
	require.ErrorContains(t, err, r.folder)
}

func TestOneProcessHasTheLock(t *testing.T) {
	t.Parallel()
	r := run{t.TempDir(), 1}
	inside, done := make(chan struct{}), make(chan error)
	var left atomic.Bool
	first := errors.New("the first")
	go func() {
		done <- r.locked(func() error {
			close(inside)
			time.Sleep(50 * time.Millisecond)
			left.Store(true)
			return first
		})
	}()
	<-inside
	require.NoError(t, r.locked(func() error {
		require.True(t, left.Load(), "both are inside")
		return nil
	}))
	require.ErrorIs(t, <-done, first)
}
