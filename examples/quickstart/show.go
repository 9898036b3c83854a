package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// show is the whole performance.
type show struct {
	out    *output
	log    *slog.Logger
	kind   *kind  // of storage
	source string // the tree to sync
	temp   string // where everything is

	server          *server
	containers      []string // that the service has made
	line            *line
	user            stacksync.User
	laptop, desktop *client
	folders         []string // some folders at the top of the tree, each with files
	items           int      // files and folders, at first
}

// line is what the devices reach the service through: it leads to the next service after a restart.
type line struct{ device.Service }

const user = "ada"

func (s *show) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.prepare, s.firstSync, s.liveChange, s.catchUp, s.renameAndMove, s.deleteFolder, s.conflict, s.killService, s.compare,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) close() error {
	var errs []error
	for _, c := range []*client{s.laptop, s.desktop} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}

// cleanUp removes all that the show has made, also after an interruption. The service and the devices are closed.
func (s *show) cleanUp(ctx context.Context) error {
	var err error
	if s.kind.remote() && len(s.containers) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		start := time.Now()
		if err = s.kind.remove(ctx, s.serverDir(), s.log, s.containers); err != nil {
			err = fmt.Errorf("delete what is left at the storage, %s: %w", s.containers, err)
		} else {
			s.out.line("cleaned up", "container %s is deleted, with all its content, after %s", s.containers[0], story.Took(start))
		}
	}
	return errors.Join(err, os.RemoveAll(s.temp))
}

// client is a device of the user.
type client struct {
	*device.Device
	id     stacksync.DeviceID
	name   string
	dir    string
	config device.Config
	// What the device tells goes here. They change only while it does nothing.
	onProgress func(device.Progress)
	onSync     func(device.Report, error)
}

func (s *show) prepare(ctx context.Context) error {
	if err := os.Mkdir(s.serverDir(), 0o700); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	res, err := s.server.PutUser(ctx, stacksync.PutUserRequest{User: user})
	if err != nil {
		return err
	}
	s.user = res.User
	if s.laptop, err = s.newClient(ctx, "laptop"); err != nil {
		return err
	}
	if s.desktop, err = s.newClient(ctx, "desktop"); err != nil {
		return err
	}
	s.out.line("service", "SQLite in %s, content %s; the service is in this process, devices \"laptop\" and \"desktop\" of user %q beside it",
		s.serverDir(), s.kind.about, user)

	start := time.Now()
	skipped, err := copyTree(s.source, s.laptop.dir)
	if err != nil {
		return err
	}
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return err
	}
	if err := s.pickFolders(t); err != nil {
		return err
	}
	files, bytes := t.Files()
	s.out.line("tree", "%s files, %s, copied from %s to the laptop in %s; links and other special files left out: %d", story.Count(files), story.Size(bytes), s.source, story.Took(start), skipped)
	return nil
}

// pickFolders picks the folders that things are going to happen to. A tree that has too few gets some.
func (s *show) pickFolders(t story.Tree) error {
	const needed = 5
	s.folders = folders(t)
	for i := len(s.folders); i < needed; i++ {
		name := fmt.Sprint("made by quickstart ", i)
		for k := range 5 {
			if err := s.laptop.write(fmt.Sprintf("%s/file %d.txt", name, k), fmt.Sprintf("file %d of %s\n", k, name)); err != nil {
				return err
			}
		}
		s.folders = append(s.folders, name)
	}
	return nil
}

func (s *show) serverDir() string { return filepath.Join(s.temp, "server") }

// start starts the service from its files.
func (s *show) start(ctx context.Context) error {
	server, err := startServer(ctx, s.kind, s.serverDir(), s.log, func(container string) { s.containers = append(s.containers, container) })
	if err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	s.server = server
	if s.line == nil {
		s.line = &line{}
	}
	s.line.Service = server
	return nil
}

func (s *show) newClient(ctx context.Context, name string) (*client, error) {
	res, err := s.server.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: s.user.ID}, Name: name})
	if err != nil {
		return nil, err
	}
	c := &client{id: res.Device.ID, name: name, dir: filepath.Join(s.temp, name)}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	c.config = device.Config{
		Actor: stacksync.Actor{User: s.user.ID, Device: c.id}, Workspace: s.user.DefaultWorkspace, Dir: c.dir, Name: name,
		Logger: s.log.With("device", name), Interval: time.Hour,
		OnProgress: func(p device.Progress) { c.onProgress(p) },
		OnSync:     func(r device.Report, err error) { c.onSync(r, err) },
	}
	return c, s.open(c)
}

func (s *show) open(c *client) (err error) {
	c.Device, err = device.Open(s.line, c.config)
	return err
}

// sync is one Sync, with a progress bar. Every problem is an error here: the trees would not be equal.
func (s *show) sync(ctx context.Context, c *client, step string, total int) (device.Report, error) {
	c.onProgress = s.out.progress(step, total)
	report, err := c.Sync(ctx)
	return report, c.check(report, err)
}

func (c *client) check(report device.Report, err error) error {
	if err == nil && len(report.Problems) > 0 {
		err = fmt.Errorf("%d problems, the first: %v", len(report.Problems), report.Problems[0])
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", c.name, err)
	}
	return nil
}

func (c *client) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

func (c *client) write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(c.path(name), []byte(content), 0o644)
}

// edit adds a line to a file.
func (c *client) edit(name, added string) error {
	file, err := os.OpenFile(c.path(name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, added)
	return errors.Join(err, file.Close())
}

// vacant returns the name, with a number where the user's tree has it already.
func (c *client) vacant(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(c.path(free)); err != nil {
			return free // rename says what else may be wrong
		}
		free = fmt.Sprintf("%s %d", name, n)
	}
}

func (c *client) rename(from, to string) error { return os.Rename(c.path(from), c.path(to)) }

// endsWith looks whether a file ends with what was added to it.
func (c *client) endsWith(name, added string) error {
	content, err := os.ReadFile(c.path(name))
	if err == nil && !bytes.HasSuffix(content, []byte(added)) {
		err = fmt.Errorf("%s on the %s does not end with %q", name, c.name, added)
	}
	return err
}

// someFile returns the first file in one of the folders that were picked.
func (s *show) someFile(folder int) (string, error) {
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return "", err
	}
	return first(t, s.folders[folder]), nil
}
