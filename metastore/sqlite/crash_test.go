package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// childPath names the variable that makes this program the child of a test: it holds the path of the test's file.
const childPath = "STACKSYNC_SQLITE_TEST_CHILD"

// child runs fn in a child, and reports whether this is one.
func child(t *testing.T, fn func(path string)) bool {
	path := os.Getenv(childPath)
	if path != "" {
		fn(path)
	}
	return path != ""
}

// process is a child that runs the same test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, path string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), childPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{t: t, cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			p.kill()
		}
	})
	return p
}

// waitFor reads lines until one begins with prefix, and returns what follows.
func (p *process) waitFor(prefix string) string {
	p.t.Helper()
	for p.lines.Scan() {
		if rest, found := strings.CutPrefix(p.lines.Text(), prefix); found {
			return rest
		}
	}
	require.Fail(p.t, "the child has ended", "without a line %q: %v", prefix, p.lines.Err())
	return ""
}

// kill ends the child as kill -9 does, and reads what it has written until then.
func (p *process) kill() (rest []string) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	_ = p.cmd.Wait() // "signal: killed"
	return rest
}

// A child commits two items at a time, with the workspace, and says so after each. Whenever it is killed, the file has
// what it has said, whole commits only, and at most one more.
func TestKilledWhileCommitting(t *testing.T) {
	t.Parallel()
	const said = "committed "
	path := tempPath(t)
	if child(t, func(path string) {
		store := open(t, path, Config{})
		revision := count(t, store, 1)
		for {
			require.NoError(t, put(t.Context(), store, stacksync.PutParams{
				Items:      files(1, revision+1, 2),
				Users:      []stacksync.User{{ID: "ada"}},
				Workspaces: []stacksync.Workspace{{ID: workspaceID(1), Owner: "ada", Revision: int64(revision + 2)}},
			}))
			revision += 2
			fmt.Println(said + strconv.Itoa(revision))
		}
	}) {
		return
	}
	for round := range 4 {
		p := startChild(t, path)
		var last string
		for range 1 + 7*round {
			last = p.waitFor(said)
		}
		for _, line := range p.kill() {
			if rest, found := strings.CutPrefix(line, said); found {
				last = rest
			}
		}
		acknowledged, err := strconv.Atoi(last)
		require.NoError(t, err)

		store := open(t, path, Config{})
		n := count(t, store, 1)
		require.GreaterOrEqual(t, n, acknowledged)
		require.LessOrEqual(t, n, acknowledged+2)
		require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
			res, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: workspaceID(1)}}})
			require.EqualValues(t, n, res.Workspaces[0].Revision)
			return err
		}))
		require.NoError(t, store.Close())
	}
	var verdict string
	require.NoError(t, openRaw(t, path).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
}
