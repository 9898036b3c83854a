//go:build unix

package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go/internal/child"
)

const asParent = "STACKSYNC_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		parent()
	}
	goleak.VerifyTestMain(m)
}

// tree is a program with a child of its own, whose process ids it prints.
func tree() *exec.Cmd { return exec.Command("/bin/sh", "-c", "sleep 1000 & echo $$ $!; wait") }

// parent starts a group, says what runs, and waits to be killed.
func parent() {
	g, err := child.New("child-test")
	if err == nil {
		var p *child.Process
		if p, err = g.Start("tree", tree()); err == nil {
			err = p.Ready(10*time.Second, printed(p))
			fmt.Println(g.Folder, strings.TrimSpace(p.Log()))
		}
	}
	if err != nil {
		panic(err)
	}
	select {}
}

func printed(p *child.Process) func() error {
	return func() error {
		if !strings.Contains(p.Log(), "\n") {
			return errors.New("nothing is printed")
		}
		return nil
	}
}

func start(t *testing.T) (*child.Group, *child.Process) {
	g, err := child.New("child-test")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, g.Close())
		require.NoDirExists(t, g.Folder)
	})
	p, err := g.Start("tree", tree())
	require.NoError(t, err)
	require.NoError(t, p.Ready(10*time.Second, printed(p)))
	return g, p
}

func requireGone(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		pid, err := strconv.Atoi(id)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !runs(pid) }, 10*time.Second, 10*time.Millisecond)
	}
}

// runs reports whether a process does; one that has ended, and that nobody has waited for, does not.
func runs(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestKillTakesChildrenToo(t *testing.T) {
	g, p := start(t)
	ids := strings.Fields(p.Log())
	require.Len(t, ids, 2)
	require.NoError(t, p.Kill())
	requireGone(t, ids)
	require.NoError(t, p.Kill(), "again")

	p, err := g.Start("tree", tree())
	require.NoError(t, err, "the name can be used again")
	require.NoError(t, p.Stop())
}

func TestCloseKills(t *testing.T) {
	g, err := child.New("child-test")
	require.NoError(t, err)
	p, err := g.Start("tree", tree())
	require.NoError(t, err)
	require.NoError(t, p.Ready(10*time.Second, printed(p)))
	ids := strings.Fields(p.Log())
	require.NoError(t, g.Close())
	requireGone(t, ids)
	require.NoDirExists(t, g.Folder)
}

func TestReadyTellsWhy(t *testing.T) {
	g, _ := start(t)
	p, err := g.Start("broken", exec.Command("/bin/sh", "-c", "echo no such setting; exit 3"))
	require.NoError(t, err)
	err = p.Ready(10*time.Second, func() error { return errors.New("refused") })
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no such setting")
	require.ErrorContains(t, err, "refused")
}

// A process that is killed takes its servers and their folder with it.
func TestGuard(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asParent+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	words := strings.Fields(line)
	require.Len(t, words, 3)
	require.DirExists(t, words[0])
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	requireGone(t, words[1:])
	require.Eventually(t, func() bool { _, err := os.Stat(words[0]); return errors.Is(err, os.ErrNotExist) }, 10*time.Second, 10*time.Millisecond)
}
