//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package pgtest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// envKeeper makes Main the keeper of the server for the run of a process, whose id it holds.
const envKeeper = "STACKSYNC_PGTEST_KEEPER"

// linger is how long a server without members waits for the next package of its run: the go command starts packages
// one after the other, and not all need a server. It ends at once when the go command has ended.
const linger = 10 * time.Second

// keeper holds the server of a run while the run has members. Its own guard ends the server if the keeper is killed.
type keeper struct {
	run    run
	at     place
	server *Server
	door   net.Listener

	mu      sync.Mutex
	members int
}

// keepIfAsked does what the keeper does, and ends the process, if this process was started as one.
func keepIfAsked() {
	asked := os.Getenv(envKeeper)
	if asked == "" {
		return
	}
	k, err := newKeeper(asked)
	if err != nil {
		k = &keeper{at: place{Failed: err.Error()}}
	}
	line, err2 := json.Marshal(k.at)
	_, err3 := os.Stdout.Write(append(line, '\n'))
	if err := errors.Join(err, err2, err3); err != nil {
		os.Exit(1)
	}
	if err := k.keep(); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func newKeeper(parent string) (*keeper, error) {
	pid, err := strconv.Atoi(parent)
	if err != nil {
		return nil, err
	}
	r, err := thisRun()
	if err != nil {
		return nil, err
	}
	r.parent = pid
	if err := os.Unsetenv(envKeeper); err != nil { // the programs it starts are none
		return nil, err
	}
	// Many packages may run at once. Nothing is to run beside the tests, nor to change their plans.
	s, err := start(Options{Settings: map[string]string{"max_connections": "500", "autovacuum": "off"}, keepPristine: true})
	if err != nil {
		return nil, err
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, s.cluster.remove())
	}
	at := place{PID: os.Getpid(), Keeper: door.Addr().String(), Nonce: rand.Text(), DSN: s.DSN(), Pristine: s.cluster.pristine()}
	return &keeper{run: r, server: s, door: door, at: at}, nil
}

// keep returns when the run has no members any more, and nothing is left of the server.
func (k *keeper) keep() error {
	go k.welcome()
	for begin := time.Now(); time.Since(begin) < patience && k.count() == 0; { // the process that has started it joins now
		time.Sleep(time.Millisecond)
	}
	for over := false; !over; {
		k.awaitNoMembers()
		err := k.run.locked(func() error {
			if over = k.count() == 0; !over {
				return nil
			}
			return k.withdraw()
		})
		if err != nil {
			return errors.Join(err, k.server.cluster.remove())
		}
	}
	return errors.Join(k.door.Close(), k.server.cluster.remove())
}

// awaitNoMembers returns when there have been no members for a while.
func (k *keeper) awaitNoMembers() {
	for last := time.Now(); time.Since(last) < linger; time.Sleep(20 * time.Millisecond) {
		if k.count() > 0 {
			last = time.Now()
		} else if errors.Is(syscall.Kill(k.run.parent, 0), syscall.ESRCH) {
			return
		}
	}
}

// welcome makes members of the processes that connect.
func (k *keeper) welcome() {
	for {
		conn, err := k.door.Accept()
		if err != nil {
			return // the door is closed
		}
		k.add(1)
		go func() {
			defer k.add(-1)
			defer conn.Close()
			if _, err := io.WriteString(conn, k.at.Nonce); err == nil {
				_, _ = io.Copy(io.Discard, conn) // until the member has ended
			}
		}()
	}
}

// withdraw takes back the announcement, unless it is another keeper's already, which took this one for dead.
func (k *keeper) withdraw() error {
	text, err := os.ReadFile(k.run.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var at place
	if err := errors.Join(err, json.Unmarshal(text, &at)); err != nil {
		return err
	}
	if at.Nonce != k.at.Nonce {
		return nil
	}
	return os.Remove(k.run.file())
}

func (k *keeper) add(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.members += n
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.members
}
