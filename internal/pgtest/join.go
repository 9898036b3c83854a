//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package pgtest

import (
	"bufio"
	"crypto/rand"
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
	"syscall"
	"time"
)

// run is where the test processes of one go command find the server that they share. Its keeper holds the server; each
// other process is a member by a connection to the keeper, which ends with the process, however that ends.
type run struct {
	folder string // of all runs of this user
	parent int    // the process id of the go command, or of whatever has started the tests
}

// place is what the keeper of a run announces.
type place struct {
	PID    int    `json:"pid"`    // the keeper's process
	Keeper string `json:"keeper"` // host:port; it greets with the nonce who connects
	Nonce  string `json:"nonce"`
	DSN    string `json:"dsn"`

	Pristine string `json:"pristine"`         // see Server
	Failed   string `json:"failed,omitempty"` // why there is no server
}

// errNoKeeper says that nobody keeps a server for the run: nobody has so far, or not any more.
var errNoKeeper = errors.New("the run has no server")

// thisRun makes the folder of this user's runs, unless it is there.
func thisRun() (run, error) {
	r := run{filepath.Join(os.TempDir(), fmt.Sprintf("stacksync-pgtest-%d", os.Geteuid())), os.Getppid()}
	if err := os.Mkdir(r.folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return r, fmt.Errorf("make the folder of test runs: %w", err)
	}
	info, err := os.Lstat(r.folder)
	if err != nil {
		return r, fmt.Errorf("look at the folder of test runs: %w", err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(stat.Uid) != os.Geteuid() {
		return r, fmt.Errorf("%s is not a private folder of this user's: remove it", r.folder)
	}
	return r, nil
}

func (r run) file() string { return filepath.Join(r.folder, strconv.Itoa(r.parent)) }

// locked calls f while no other process joins the run, nor ends it.
func (r run) locked(f func() error) error {
	lock, err := os.OpenFile(filepath.Join(r.folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock of test runs: %w", err)
	}
	defer lock.Close()
	for deadline := time.Now().Add(5 * patience); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f() // closing the file unlocks it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(deadline) {
			return fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
	}
}

// joinRun makes this process a member of its run, and returns the run's server with a database for this process. The
// first member starts the keeper, by running this program again.
func joinRun() (*Server, error) {
	if _, err := findBinaries(binFolders); err != nil {
		return nil, err
	}
	r, err := thisRun()
	if err != nil {
		return nil, err
	}
	var at place
	var membership net.Conn
	err = r.locked(func() error {
		if at, membership, err = r.join(); !errors.Is(err, errNoKeeper) {
			return err
		}
		if err := r.startKeeper(); err != nil {
			return err
		}
		at, membership, err = r.join()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("share a server with the other packages: %w", err)
	}
	s := &Server{shared: true, membership: membership, pristine: at.Pristine}
	if s.dsn, err = url.Parse(at.DSN); err != nil {
		return nil, errors.Join(err, membership.Close())
	}
	// A database of its own keeps other packages' notifications, advisory locks and sessions out of sight.
	database := "test_" + strings.ToLower(rand.Text())
	if _, err := s.exec("CREATE DATABASE " + database); err != nil {
		return nil, errors.Join(fmt.Errorf("make a database for this package: %w", err), membership.Close())
	}
	s.dsn.Path = "/" + database
	return s, nil
}

// join connects to the keeper. It is called with the lock, and returns errNoKeeper where none answers.
func (r run) join() (place, net.Conn, error) {
	var at place
	text, err := os.ReadFile(r.file())
	if errors.Is(err, os.ErrNotExist) {
		return at, nil, errNoKeeper
	}
	if err != nil {
		return at, nil, fmt.Errorf("read where the run's server is: %w", err)
	}
	if err := json.Unmarshal(text, &at); err != nil {
		return at, nil, fmt.Errorf("%w: %s: %w", errNoKeeper, r.file(), err)
	}
	conn, err := net.DialTimeout("tcp", at.Keeper, patience)
	if err != nil {
		return at, nil, fmt.Errorf("%w: %w", errNoKeeper, err)
	}
	// Another program may have the port of a keeper that was killed.
	greeting := make([]byte, len(at.Nonce))
	err = conn.SetReadDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = io.ReadFull(conn, greeting)
	}
	if err != nil || string(greeting) != at.Nonce {
		return at, nil, errors.Join(errNoKeeper, err, conn.Close())
	}
	return at, conn, nil
}

// startKeeper starts the keeper and writes down where it is. It is called with the lock.
func (r run) startKeeper() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	said, says, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command(program)
	cmd.Dir = r.folder
	cmd.Env = append(os.Environ(), envKeeper+"="+strconv.Itoa(r.parent))
	cmd.Stdout, cmd.Stderr = says, says
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the signals of a terminal are not for it: it ends after its members
	err = cmd.Start()
	if err = errors.Join(err, says.Close()); err != nil {
		return fmt.Errorf("start the keeper of the run's server: %w", err)
	}
	if err := errors.Join(said.SetReadDeadline(time.Now().Add(3*patience)), cmd.Process.Release()); err != nil {
		return err
	}
	line, err := bufio.NewReader(said).ReadBytes('\n')
	var at place
	if err := errors.Join(err, json.Unmarshal(line, &at)); err != nil {
		return fmt.Errorf("the keeper of the run's server said %q: %w", line, err)
	}
	if at.Failed != "" {
		return errors.New(at.Failed)
	}
	if err := os.WriteFile(r.file(), line, 0o600); err != nil {
		return fmt.Errorf("write where the run's server is: %w", err)
	}
	return nil
}
