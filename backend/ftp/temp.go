package ftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const (
	// tempAge is after what time a file in .tmp is nobody's any more, by the server's clock.
	tempAge = 24 * time.Hour
	// mostSwept is how many such files one call removes.
	mostSwept = 1_000

	cleanupTime = 30 * time.Second
)

// tempPath returns the path of a file that is not there yet.
func (s *Storage) tempPath(container string) string {
	return s.path(container, tempFolder+"/"+strings.ToLower(rand.Text()))
}

// removeLater removes a file that is not needed, after the call that has made it: its ctx may have ended, and the server may be slow.
func (s *Storage) removeLater(file string) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.pool.closed { // Close waits for those that have begun
		return
	}
	s.cleanup.Go(func() {
		ctx, cancel := context.WithTimeout(s.closing, cleanupTime)
		defer cancel()
		if err := s.with(ctx, func(c *conn) error { return c.remove(file) }); err != nil {
			s.log.Warn("left a file behind", "file", file, "error", err)
		}
	})
}

// SweepParams are those of Storage.Sweep.
type SweepParams struct{ Container string }

// SweepResult is that of Storage.Sweep.
type SweepResult struct {
	Removed int // files
}

// Sweep removes what crashed writers, and clients with accounts, have left half written in a container: up to 1,000 files in .tmp that are
// older than a day. They take space, and do no harm else: a host may call it now and then, say when it collects garbage.
func (s *Storage) Sweep(ctx context.Context, p SweepParams) (SweepResult, error) {
	var r SweepResult
	err := check.DeleteContainer(ctx, stacksync.DeleteContainerParams(p))
	if err == nil {
		ctx, done := s.join(ctx)
		defer done()
		r.Removed, err = s.sweep(ctx, p.Container)
	}
	if err != nil {
		return r, fmt.Errorf("sweep container %.63q: %w", p.Container, err)
	}
	return r, nil
}

func (s *Storage) sweep(ctx context.Context, container string) (int, error) {
	folder := s.path(container, tempFolder)
	l, err := s.entries(ctx, folder) // if it is cut the next call sees the rest
	if err != nil || len(l.entries) == 0 {
		return 0, err
	}
	now := time.Now()
	err = s.with(ctx, func(c *conn) (err error) {
		if c.ftp.IsGetTimeSupported() { // else the two clocks have to be alike
			now, err = s.serverTime(c, container, "")
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	before := now.Add(-tempAge)
	var old []string
	for _, e := range l.entries {
		if e.kind == ftp.EntryTypeFile && e.name != accessFile && e.time.Before(before) && len(old) < mostSwept {
			old = append(old, path.Join(folder, e.name))
		}
	}
	if len(old) > 0 {
		s.log.Info("removing what was left half written", "container", container, "files", len(old))
	}
	return len(old), s.each(ctx, len(old), func(ctx context.Context, i int) error {
		return s.with(ctx, func(c *conn) error { return c.remove(old[i]) })
	})
}

// putFile writes a small file in a container: see Folder.Put.
func (s *Storage) putFile(ctx context.Context, container, name string, data []byte) error {
	temp, to := s.tempPath(container), s.path(container, name)
	err := s.with(ctx, func(c *conn) error {
		if !c.ftp.IsSetTimeSupported() {
			return sound(fmt.Errorf("the server can't set times (MFMT): %w", errors.ErrUnsupported))
		}
		from := &source{Reader: bytes.NewReader(data)}
		if err := s.upload(c, container, temp, int64(len(data)), from); err != nil {
			return err
		}
		at := time.Now().Truncate(time.Second)
		var before time.Time
		missing, err := c.ask(to, func() (err error) {
			before, err = c.ftp.GetTime(to)
			return err
		})
		if err != nil {
			return err
		}
		if !missing && !at.After(before) {
			at = before.Add(time.Second)
		}
		if err := c.ftp.SetTime(temp, at); err != nil {
			return err
		}
		return c.ftp.Rename(temp, to)
	})
	if err != nil {
		s.removeLater(temp)
		if isMissing(err) && !s.isThere(ctx, container) {
			err = missingContainer(container)
		}
	}
	return err
}

func (s *Storage) isThere(ctx context.Context, container string) (there bool) {
	err := s.with(ctx, func(c *conn) (err error) {
		there, err = c.isFolder(s.containerPath(container))
		return err
	})
	return there || err != nil
}
