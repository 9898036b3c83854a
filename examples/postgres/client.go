package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/service"
)

// client is the device of a service process, and what it tells the main process.
type client struct {
	*teller
	*device.Device
	id     stacksync.DeviceID
	folder string
	tap    *tap
	stop   func() // ends following; nil while paused
}

func openClient(ctx context.Context, s *service.Service, o options, t *teller, log *slog.Logger) (*client, error) {
	workspace, id, err := register(ctx, s, o)
	if err != nil {
		return nil, err
	}
	c := &client{teller: t, id: id, folder: o.dir, tap: &tap{Service: s}}
	c.Device, err = device.Open(c.tap, device.Config{
		Actor: stacksync.Actor{User: user, Device: id}, Workspace: workspace, Dir: o.dir, Name: o.name, Logger: log,
		Interval: time.Hour, // so that what is seen was told by the service
		OnSync:   c.synced,
	})
	return c, err
}

func (c *client) close() error {
	c.pause()
	return c.Close()
}

// tap notes which commits were acknowledged.
type tap struct {
	device.Service

	mu   sync.Mutex
	last commit
}

// Commit implements device.Service.
func (t *tap) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	res, err := t.Service.Commit(ctx, r)
	if err == nil {
		t.mu.Lock()
		t.last = commit{Revision: res.Revision, At: time.Now()}
		t.mu.Unlock()
	}
	return res, err
}

func (t *tap) lastCommit() commit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// do does what a command says.
func (c *client) do(ctx context.Context, command string) error {
	switch command {
	case cmdSync:
		report, err := c.Sync(ctx)
		return c.tell(c.event(evAsked, report, err))
	case cmdPause:
		c.pause()
		return c.tell(event{Kind: evPaused})
	case cmdFollow:
		c.follow(ctx)
		return nil
	case cmdStream:
		return c.stream(ctx)
	}
	return fmt.Errorf("unknown command %q", command)
}

// event says how a sync ended. A file that could not be synced is a failure here: the folders would not be equal.
func (c *client) event(k kind, report device.Report, err error) event {
	if err == nil && len(report.Problems) > 0 {
		err = fmt.Errorf("%d problems, the first: %v", len(report.Problems), report.Problems[0])
	}
	if err != nil {
		return event{Kind: evFailed, Error: "sync: " + err.Error()}
	}
	_, revision := c.Position()
	return event{Kind: k, Revision: revision, Commits: report.Committed, Applied: report.ItemsApplied, Last: c.tap.lastCommit()}
}

// follow begins to follow, unless the device does already.
func (c *client) follow(ctx context.Context) {
	if c.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.Run(ctx); ctx.Err() == nil {
			_ = c.tell(event{Kind: evFailed, Error: "follow: " + err.Error()}) // or the main process is gone, as stdin will say
		}
	}()
	c.stop = func() {
		cancel()
		<-ended
	}
}

func (c *client) pause() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

// synced is device.Config.OnSync. Of a failure the device writes to the log, and tries again.
func (c *client) synced(report device.Report, err error) {
	if err != nil {
		return
	}
	_ = c.tell(c.event(evSynced, report, nil)) // or the main process is gone, as stdin will say
}

// streamed is the folder of the files that are committed until the process is killed.
const streamed = "streamed"

// stream writes file after file, and says of each when it was acknowledged.
func (c *client) stream(ctx context.Context) error {
	if err := os.Mkdir(filepath.Join(c.folder, streamed), 0o755); err != nil {
		return err
	}
	for i := 1; ; i++ {
		name := path.Join(streamed, fmt.Sprintf("%04d.txt", i))
		if err := os.WriteFile(filepath.Join(c.folder, filepath.FromSlash(name)), []byte(contentOf(name)), 0o644); err != nil {
			return err
		}
		report, err := c.Sync(ctx)
		e := c.event(evAcknowledged, report, err)
		e.Path = name
		if err := errors.Join(err, c.tell(e)); err != nil {
			return err
		}
	}
}

// contentOf is what is in a file of the stream.
func contentOf(name string) string { return strings.Repeat(name+"\n", 100) }
