//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/stacksync/stacksync-go/internal/services/serverenv"
)

// grace is how long what the command has started may take to end after a signal.
const grace = 30 * time.Second

// execute runs the command, passes signals on to it, and returns its exit status: by the custom of shells, 128 and its number where that
// was a signal.
//
// At a terminal the command shares our process group, so that it can read what is typed; the terminal's signals reach both. Elsewhere it
// has a group of its own, which gets the signals, and of which nothing is left at the end: "go run" itself would pass on none.
func execute(command []string, variables []serverenv.Variable, signals <-chan os.Signal) (int, error) {
	atTerminal := term.IsTerminal(int(os.Stdin.Fd()))
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for _, v := range variables {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !atTerminal}
	if err := cmd.Start(); err != nil {
		return exitFailed, fmt.Errorf("start the command: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var left time.Duration // for what is left of the group
	for {
		select {
		case s := <-signals:
			left = grace
			switch {
			case !atTerminal:
				_ = syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal)) // it may have ended just now
			case s == syscall.SIGTERM: // any other one comes from the terminal
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			if !atTerminal {
				endGroup(cmd.Process.Pid, left)
			}
			return statusOf(cmd.ProcessState, err)
		}
	}
}

func statusOf(p *os.ProcessState, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return exitFailed, fmt.Errorf("run the command: %w", err)
	}
	if w := p.Sys().(syscall.WaitStatus); w.Signaled() {
		return 128 + int(w.Signal()), nil
	}
	return p.ExitCode(), nil
}

// endGroup waits until a process group is empty, and kills what is there after a time.
func endGroup(id int, within time.Duration) {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(-id, 0), syscall.ESRCH) {
			return
		}
	}
	_ = syscall.Kill(-id, syscall.SIGKILL) // it may be empty
}
