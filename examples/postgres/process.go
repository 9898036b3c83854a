package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// patience is how long the main process waits for anything. What takes longest is the hint of a process that was killed before it
// could send it: the other's relay does so within about three of its intervals, 15 seconds. It is less than the time after which a
// service looks for changes without a hint, a minute or so: what comes in time was told.
const patience = 40 * time.Second

// process is a service process, as the main process sees it.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	noise  bytes.Buffer // of its standard error
	killed bool         // on purpose

	mu     sync.Mutex
	events []event       // in order
	next   int           // the first that await has not seen
	ended  bool          // there will be no more
	exit   error         // why
	news   chan struct{} // closed when there are more, or no more to come
}

// startProcess starts this program once more, as a service process.
func startProcess(ctx context.Context, dsn string, o options) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: o.name, cmd: exec.CommandContext(ctx, self, o.args()...), news: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), envDSN+"="+dsn)
	p.cmd.Stderr = &p.noise
	if o.verbose {
		p.cmd.Stderr = os.Stderr
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go p.listen(stdout)
	return p, nil
}

// listen collects what the process says until it has ended.
func (p *process) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{Kind: evFailed, Error: fmt.Sprintf("said %q", lines.Text())}
		}
		p.update(func() { p.events = append(p.events, e) })
	}
	err := errors.Join(lines.Err(), p.cmd.Wait())
	p.update(func() { p.ended, p.exit = true, err })
}

func (p *process) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.news)
	p.news = make(chan struct{})
}

// await goes on to the next event that is what is waited for. A failure that the process reports is an error.
func (p *process) await(ctx context.Context, what string, is func(event) bool) (event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	for {
		p.mu.Lock()
		for p.next < len(p.events) {
			e := p.events[p.next]
			p.next++
			if e.Error != "" || is(e) {
				p.mu.Unlock()
				return e, p.failure(e)
			}
		}
		ended, news := p.ended, p.news
		p.mu.Unlock()
		if ended {
			return event{}, fmt.Errorf("%s has ended, and was to say %s: %w", p.name, what, p.outcome())
		}
		select {
		case <-news:
		case <-ctx.Done():
			return event{}, fmt.Errorf("wait for %s to say %s: %w", p.name, what, context.Cause(ctx))
		}
	}
}

func (p *process) failure(e event) error {
	if e.Error == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", p.name, e.Error)
}

// outcome is how the process has ended.
func (p *process) outcome() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit == nil {
		return errors.New("without an error")
	}
	return fmt.Errorf("%w: %s", p.exit, strings.TrimSpace(p.noise.String()))
}

// awaitKind goes on to the next event of a kind.
func (p *process) awaitKind(ctx context.Context, k kind) (event, error) {
	return p.await(ctx, string(k), func(e event) bool { return e.Kind == k })
}

// awaitRevision waits until the device has applied the change log up to a revision.
func (p *process) awaitRevision(ctx context.Context, revision int64) (event, error) {
	return p.await(ctx, fmt.Sprintf("that it is at revision %d", revision), func(e event) bool { return e.Revision >= revision })
}

// rest returns what the process said that await has not seen. The process has ended.
func (p *process) rest() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := p.events[p.next:]
	p.next = len(p.events)
	return rest
}

// tell sends a command.
func (p *process) tell(command string) error {
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		return fmt.Errorf("tell %s to %s: %w", p.name, command, err)
	}
	return nil
}

// sync makes the device sync, and returns what it did.
func (p *process) sync(ctx context.Context) (event, error) {
	if err := p.tell(cmdSync); err != nil {
		return event{}, err
	}
	return p.awaitKind(ctx, evAsked)
}

// kill kills the process (SIGKILL, where there are signals), and returns when it has ended.
func (p *process) kill(ctx context.Context) error {
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	return p.awaitEnd(ctx)
}

// close ends the process, and kills it if it takes too long. The end of ctx has killed it already.
func (p *process) close(ctx context.Context) error {
	_ = p.stdin.Close() // fails where the process has ended
	patient := context.WithoutCancel(ctx)
	if err := p.awaitEnd(patient); err != nil {
		return errors.Join(err, p.kill(patient))
	}
	if wanted := p.killed || ctx.Err() != nil; p.exit != nil && !wanted {
		return fmt.Errorf("%s has ended: %w", p.name, p.outcome())
	}
	return nil
}

// awaitEnd waits until the process has ended and all it said was read.
func (p *process) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	for {
		p.mu.Lock()
		ended, news := p.ended, p.news
		p.mu.Unlock()
		if ended {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of %s: %w", p.name, context.Cause(ctx))
		}
	}
}
