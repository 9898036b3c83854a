package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// show is the whole performance.
type show struct {
	out                        story.Writer
	dsn, schema, version, temp string
	verbose                    bool

	left, right *side
}

// side is a service process with its device's folder, which outlives it.
type side struct {
	*process
	options
	folder
}

func (s *show) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.begin, s.leftToRight, s.rightToLeft, s.singleFiles, s.conflict, s.batch, s.killLeft, s.compare,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil { // which has ended the processes: what they missed is of no interest
				return context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// close ends the processes that still run.
func (s *show) close(ctx context.Context) error {
	var errs []error
	for _, side := range []*side{s.left, s.right} {
		if side != nil && side.process != nil {
			errs = append(errs, side.close(ctx))
		}
	}
	return errors.Join(errs...)
}

// begin starts both processes at once: they make tables and user in a race.
func (s *show) begin(ctx context.Context) error {
	chunks := filepath.Join(s.temp, "chunks")
	s.left, s.right = s.newSide("left", chunks), s.newSide("right", chunks)
	for _, side := range []*side{s.left, s.right} {
		if err := os.Mkdir(string(side.folder), 0o700); err != nil {
			return err
		}
		if err := s.start(ctx, side); err != nil {
			return err
		}
	}
	for _, side := range []*side{s.left, s.right} {
		if err := side.ready(ctx); err != nil {
			return err
		}
	}
	s.out.Line("services", "left (process %d) and right (process %d) on PostgreSQL %s, schema %s; chunks and both folders in %s",
		s.left.cmd.Process.Pid, s.right.cmd.Process.Pid, s.version, s.schema, s.temp)
	return nil
}

func (s *show) newSide(name, chunks string) *side {
	dir := filepath.Join(s.temp, name)
	return &side{folder: folder(dir), options: options{name: name, schema: s.schema, chunks: chunks, dir: dir, verbose: s.verbose}}
}

func (s *show) start(ctx context.Context, side *side) (err error) {
	side.process, err = startProcess(ctx, s.dsn, side.options)
	return err
}

// ready waits until the service runs and the device follows.
func (s *side) ready(ctx context.Context) error {
	e, err := s.awaitKind(ctx, evReady)
	if err != nil {
		return err
	}
	s.device = e.ID.String()
	_, err = s.awaitKind(ctx, evSynced)
	return err
}

// settle syncs both devices in turn until neither has anything to do, at the same revision.
func (s *show) settle(ctx context.Context) error {
	const most = 20
	for range most {
		left, err := s.left.sync(ctx)
		if err != nil {
			return err
		}
		right, err := s.right.sync(ctx)
		if err != nil {
			return err
		}
		if left.Commits+left.Applied+right.Commits+right.Applied == 0 && left.Revision == right.Revision {
			return nil
		}
	}
	return fmt.Errorf("the devices are not at rest after %d rounds", most)
}

// folder is what a device keeps equal, and the user works in.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

func (f folder) write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.path(name), []byte(content), 0o644)
}

// has fails unless the file is there with the content.
func (f folder) has(name, content string) error {
	found, err := os.ReadFile(f.path(name))
	if err == nil && string(found) != content {
		err = fmt.Errorf("%s has other content", f.path(name))
	}
	return err
}
