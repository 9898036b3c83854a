//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"io"
	"net"
	"net/url"
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

	"github.com/stacksync/stacksync-go/internal/missing"
	"github.com/stacksync/stacksync-go/internal/openstack"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// asCommand makes this binary the command itself.
const asCommand = "STACKSYNC_TEST_AS_SERVICES"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		missing.Report()
		os.Exit(code)
	}))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct{ names, command string }{
		"s3":                          {"s3", ""},
		"s3 swift ftp":                {"s3 swift ftp", ""},
		"ftp -- go run x -storage s3": {"ftp", "go run x -storage s3"},
		"s3 -- a -- b":                {"s3", "a -- b"},
		"s3 -- a -h":                  {"s3", "a -h"},
	} {
		names, command, err := parse(strings.Fields(args))
		require.NoError(t, err, args)
		require.Equal(t, strings.Fields(want.names), names, args)
		require.Equal(t, want.command, strings.Join(command, " "), args)
	}
	for args, want := range map[string]string{
		"": "no server", "-- x": "no server", "s3 --": "no command", "s4": `no server "s4"`, "s3 s3": "twice", "-v s3": `no server "-v"`,
	} {
		_, _, err := parse(strings.Fields(args))
		require.ErrorContains(t, err, want, args)
	}
	_, _, err := parse([]string{"s3", "-h"})
	require.ErrorIs(t, err, flag.ErrHelp)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Equal(t, 0, run([]string{"-h"}, &out, &errs))
	require.Equal(t, usage, out.String())
	require.Empty(t, errs.String())
	require.Equal(t, exitUsage, run(nil, &out, &errs))
	require.Contains(t, errs.String(), "no server is named\nusage:")
	for name := range servers {
		require.Contains(t, usage, name)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"plain", "two words", "it's", "$HOME `x` \"", "a\nb", ""} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	}
}

// needs is for a test of a server; where that is not installed, see missing.Require.
func needs(t *testing.T, name string) {
	t.Helper()
	missing.Require(t, map[string]func() error{"s3": versitygw.Find, "swift": openstack.Find, "ftp": proftpd.Find}[name]())
}

// services is the command in a process of its own.
type services struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	temp  string // what it leaves behind would be here
}

func start(t *testing.T, args ...string) *services {
	t.Helper()
	s := &services{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...), temp: t.TempDir()}
	s.cmd.Env = append(os.Environ(), asCommand+"=1", "TMPDIR="+s.temp)
	s.cmd.Stderr = os.Stderr
	var err error
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	s.lines = bufio.NewScanner(out)
	return s
}

func (s *services) line() string {
	s.t.Helper()
	require.True(s.t, s.lines.Scan(), "it says no more")
	return s.lines.Text()
}

func (s *services) signal(sig os.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(sig))
}

// requireEnd waits for the end. Nothing may be left.
func (s *services) requireEnd(status int) {
	s.t.Helper()
	require.False(s.t, s.lines.Scan(), "it says %q", s.lines.Text())
	err := s.cmd.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	require.Equal(s.t, status, s.cmd.ProcessState.ExitCode())
	left, err := os.ReadDir(s.temp)
	require.NoError(s.t, err)
	require.Empty(s.t, left)
}

// address returns the host:port of a URL, or of what is one.
func address(t *testing.T, s string) string {
	t.Helper()
	if !strings.Contains(s, "://") {
		return s
	}
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u.Host
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	return err == nil && conn.Close() == nil
}

// Each server answers where the variables say, until the command ends, whose status is ours.
func TestServers(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{"s3": "STACKSYNC_S3_ENDPOINT", "swift": "OS_AUTH_URL", "ftp": "STACKSYNC_FTP_ADDR"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needs(t, name)
			s := start(t, name, "--", "sh", "-c", `echo "$`+variable+`"; read -r word; echo "$word"; exit 7`)
			at := address(t, s.line())
			require.True(t, answers(at))
			_, err := io.WriteString(s.in, "heard\n")
			require.NoError(t, err)
			require.Equal(t, "heard", s.line())
			s.requireEnd(7)
			require.False(t, answers(at))
		})
	}
}

func TestWithoutCommand(t *testing.T) {
	t.Parallel()
	needs(t, "s3")
	s := start(t, "s3")
	var script string
	for range 5 {
		script += s.line() + "\n"
	}
	out, err := exec.Command("sh", "-c", script+`echo "$STACKSYNC_S3_ENDPOINT $STACKSYNC_S3_BUCKET $STACKSYNC_S3_REGION ${#AWS_ACCESS_KEY_ID} ${#AWS_SECRET_ACCESS_KEY}"`).Output()
	require.NoError(t, err)
	words := strings.Fields(string(out))
	require.Len(t, words, 5)
	require.True(t, answers(address(t, words[0])))
	require.NotContains(t, words[3:], "0")
	s.signal(os.Interrupt)
	s.requireEnd(0)
	require.False(t, answers(address(t, words[0])))
}

// The command gets the signal, and the time to end as it likes; so has what it has started.
func TestSignalsArePassedOn(t *testing.T) {
	t.Parallel()
	needs(t, "s3")
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			name := map[syscall.Signal]string{syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGTERM: "TERM"}[sig]
			child := `trap "sleep 0.3; echo child ended; exit" ` + name + `; echo child; while :; do sleep 0.05; done`
			s := start(t, "s3", "--", "sh", "-c", `trap 'echo got it' `+name+"; sh -c '"+child+"'; exit 5")
			require.Equal(t, "child", s.line())
			s.signal(sig)
			require.Equal(t, "child ended", s.line())
			require.Equal(t, "got it", s.line())
			s.requireEnd(5)
		})
	}
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	needs(t, "s3")
	t.Run("of a command that ends", func(t *testing.T) {
		t.Parallel()
		s := start(t, "s3", "--", "sh", "-c", "sleep 1000 >&- 2>&- & echo $!; exit 3")
		pid, err := strconv.Atoi(s.line())
		require.NoError(t, err)
		s.requireEnd(3)
		require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) }, 10*time.Second, 10*time.Millisecond)
	})
	t.Run("of a command that is killed", func(t *testing.T) {
		t.Parallel()
		s := start(t, "s3", "--", "sh", "-c", "kill -9 $$")
		s.requireEnd(128 + 9)
	})
	t.Run("of a command that is not there", func(t *testing.T) {
		t.Parallel()
		s := start(t, "s3", "--", filepath.Join(t.TempDir(), "missing"))
		s.requireEnd(exitFailed)
	})
	t.Run("of a start that is interrupted", func(t *testing.T) {
		t.Parallel()
		needs(t, "swift")
		s := start(t, "s3", "swift", "--", "echo", "started")
		require.Eventually(t, func() bool {
			folders, err := filepath.Glob(filepath.Join(s.temp, "openstack-*"))
			require.NoError(t, err)
			return len(folders) > 0
		}, time.Minute, 10*time.Millisecond)
		s.signal(os.Interrupt)
		s.requireEnd(exitFailed)
	})
}

// zombie reports whether a process has ended, and nobody has asked how.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}
