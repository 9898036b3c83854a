//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// guard ends a server whose test process is gone. It is a shell that waits on a pipe from the test process: the pipe ends
// when the process does, by a signal or a timeout too. Then the guard crashes the server and removes its folder.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// The signals of a terminal go to the guard too, just when it is needed. A server that was being started when the guard
// fired ends by itself within a minute, when it finds its folder gone.
const guardScript = `trap '' HUP INT QUIT TERM
read -r word && exit
"$1" stop -D "$2/data" -m immediate -s
cd / && rm -rf "$2"`

func newGuard(c *cluster) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "pgtest-guard", filepath.Join(c.bin, "pg_ctl"), c.folder)
	if err := c.prepare(cmd); err != nil {
		return nil, err
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &guard{cmd, pipe}, cmd.Start()
}

// dismiss ends the guard without any effect.
func (g *guard) dismiss() error {
	if g == nil {
		return nil
	}
	_, err := io.WriteString(g.pipe, "dismissed\n")
	if err = errors.Join(err, g.pipe.Close(), g.cmd.Wait()); err != nil {
		return fmt.Errorf("end the server's guard: %w", err)
	}
	return nil
}

// fire lets the guard do its work now.
func (g *guard) fire() error {
	if g == nil {
		return nil
	}
	if err := errors.Join(g.pipe.Close(), g.cmd.Wait()); err != nil {
		return fmt.Errorf("let the guard end the server: %w", err)
	}
	return nil
}

// serverUser is who runs the server in root's place, which PostgreSQL refuses; nil where the present user does.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres to run it: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the id of user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group of user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func asServerUser(cmd *exec.Cmd) error {
	who, err := serverUser()
	if err == nil && who != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	return err
}

// giveAway makes the folder and what is in it the server user's.
func giveAway(folder string) error {
	who, err := serverUser()
	if err != nil || who == nil {
		return err
	}
	return filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(who.Uid), int(who.Gid))
	})
}
