//go:build unix

// Package child runs the servers that tests and demonstrations need: programs of one private folder, which end with this process
// however it ends.
package child

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Group is a folder and the programs that run in it.
type Group struct {
	// Folder is private to this user, and removed by Close.
	Folder string

	guard *exec.Cmd
	pipe  io.WriteCloser
	mu    sync.Mutex
	procs map[*Process]bool
}

// The guard waits on a pipe that ends when this process does, by a signal or a timeout too. Then it kills what is left and removes the
// folder. The signals of a terminal go to the guard too, just when it is needed.
const guardScript = `trap '' HUP INT QUIT TERM
read -r word && exit
for f in "$1"/*.pid; do [ -e "$f" ] && kill -9 "-$(cat "$f")" 2>/dev/null; done
cd / && rm -rf "$1"`

// New makes a folder, whose name starts with name, and its guard.
func New(name string) (*Group, error) {
	folder, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return nil, err
	}
	g := &Group{Folder: folder, procs: map[*Process]bool{}}
	g.guard = exec.Command("/bin/sh", "-c", guardScript, name+"-guard", folder)
	g.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if g.pipe, err = g.guard.StdinPipe(); err == nil {
		err = g.guard.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the guard of %s: %w", name, err), os.RemoveAll(folder))
	}
	return g, nil
}

// Process is a program that runs, with the children it has.
type Process struct {
	group *Group
	name  string
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended
	err   error         // how it has ended; read after done
}

// Start starts a program in a process group of its own, with the group's folder as its working folder where cmd names none. What it
// prints goes to the end of name.log in that folder. A name can be used again once its process has ended.
func (g *Group) Start(name string, cmd *exec.Cmd) (*Process, error) {
	log, err := os.OpenFile(g.logFile(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own handle
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.Dir == "" {
		cmd.Dir = g.Folder
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{group: g, name: name, cmd: cmd, done: make(chan struct{})}
	err = os.WriteFile(g.pidFile(name), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
	g.mu.Lock()
	g.procs[p] = true
	g.mu.Unlock()
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

func (g *Group) pidFile(name string) string { return filepath.Join(g.Folder, name+".pid") }
func (g *Group) logFile(name string) string { return filepath.Join(g.Folder, name+".log") }

// Ready calls probe until it succeeds, and fails when the process ends or after the given time, with the end of its log.
func (p *Process) Ready(within time.Duration, probe func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := probe()
		select {
		case <-p.done:
			if err == nil {
				err = errors.New("another program answers in its place")
			}
			return fmt.Errorf("%s has ended: %w\n%s", p.name, errors.Join(p.err, err), p.Log())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done: // which the next turn tells
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v: %w\n%s", p.name, within, err, p.Log())
		}
	}
}

// Log returns the end of what the process has printed.
func (p *Process) Log() string {
	const most = 4 << 10
	b, err := os.ReadFile(p.group.logFile(p.name))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// Kill ends the process and its children without asking, and waits for the end.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Stop asks the process to end, and waits for the end. After 10 seconds it kills it.
func (p *Process) Stop() error {
	err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	return p.Kill() // its children too
}

func (p *Process) signal(s syscall.Signal) error {
	// The group may be there when its leader is not.
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	p.group.mu.Lock()
	delete(p.group.procs, p)
	p.group.mu.Unlock()
	if err := os.Remove(p.group.pidFile(p.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close kills what runs, ends the guard and removes the folder.
func (g *Group) Close() error {
	var errs []error
	g.mu.Lock()
	procs := make([]*Process, 0, len(g.procs))
	for p := range g.procs {
		procs = append(procs, p)
	}
	g.mu.Unlock()
	for _, p := range procs {
		errs = append(errs, p.Kill())
	}
	_, err := io.WriteString(g.pipe, "dismissed\n")
	errs = append(errs, err, g.pipe.Close(), g.guard.Wait(), os.RemoveAll(g.Folder))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("end the servers in %s: %w", g.Folder, err)
	}
	return nil
}

// WaitFree waits until nobody listens on a port of 127.0.0.1, for 5 seconds at most: what a program has started may hold it for a moment
// after the program's own end.
func WaitFree(port int) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}
