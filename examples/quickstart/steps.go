package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// firstSync sends a real tree, and fetches it on the other device.
func (s *show) firstSync(ctx context.Context) error {
	const step = "first sync"
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return err
	}
	s.items = len(t)
	start := time.Now()
	r, err := s.sync(ctx, s.laptop, step, s.items)
	if err != nil {
		return err
	}
	s.out.line(step, "laptop committed %s items and sent %s chunks, %s, %s, in %s",
		story.Count(r.Committed), story.Count(r.ChunksUploaded), story.Size(r.BytesUploaded), via(r.Via), story.Took(start))
	start = time.Now()
	if r, err = s.sync(ctx, s.desktop, step, s.items); err != nil {
		return err
	}
	s.out.line("", "desktop took over %s items and fetched %s chunks, %s, %s, in %s",
		story.Count(r.ItemsApplied), story.Count(r.ChunksDownloaded), story.Size(r.BytesDownloaded), via(r.Via), story.Took(start))
	return nil
}

// liveChange shows how long a change takes to a device that follows.
func (s *show) liveChange(ctx context.Context) (err error) {
	const step = "live change"
	file, err := s.someFile(4)
	if err != nil {
		return err
	}
	follower := s.follow(ctx, s.desktop, step)
	defer func() { err = errors.Join(err, follower.stop()) }()
	if _, err := follower.await(func(r device.Report) bool { return r.ItemsApplied == 0 }); err != nil {
		return err
	}
	start := time.Now()
	if err := s.laptop.edit(file, "// changed on the laptop"); err != nil {
		return err
	}
	if _, err := s.sync(ctx, s.laptop, step, 0); err != nil {
		return err
	}
	done, err := follower.await(func(r device.Report) bool { return r.ItemsApplied > 0 })
	if err != nil {
		return err
	}
	s.out.line(step, "%s, edited on the laptop, was on the desktop's disk after %s, both trees of %s items scanned",
		file, story.Duration(done.Sub(start)), story.Count(s.items))
	return nil
}

// catchUp shows that a device that was away reads what changed, and not the workspace.
func (s *show) catchUp(ctx context.Context) error {
	const step = "offline catch-up"
	file, err := s.someFile(4)
	if err != nil {
		return err
	}
	if err := s.desktop.Close(); err != nil {
		return err
	}
	err = errors.Join(
		s.laptop.edit(file, "// changed while the desktop was off"),
		s.laptop.write("from the laptop/one.txt", "one\n"),
		s.laptop.write("from the laptop/two.txt", "two\n"),
	)
	if err != nil {
		return err
	}
	if _, err := s.sync(ctx, s.laptop, step, 0); err != nil {
		return err
	}
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.open(s.desktop); err != nil {
		return err
	}
	r, err := s.sync(ctx, s.desktop, step, 0)
	if err != nil {
		return err
	}
	s.out.line(step, "desktop was off while 1 file changed, 1 folder and 2 files came: read %s of the workspace's %s items by its cursor, in %s",
		story.Count(r.ItemsRead), story.Count(len(t)), story.Took(start))
	return nil
}

// renameAndMove shows that content stays where it is when names change.
func (s *show) renameAndMove(ctx context.Context) error {
	const step = "rename and move"
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return err
	}
	renamed, moved := s.folders[0], s.folders[2]
	to := s.laptop.vacant(renamed + " renamed")
	if err := s.laptop.rename(renamed, to); err != nil {
		return err
	}
	if err := s.laptop.rename(moved, s.laptop.vacant(to+"/"+moved)); err != nil {
		return err
	}
	sent, received, elapsed, err := s.both(ctx, step)
	if err != nil {
		return err
	}
	s.out.line(step, "%s (files: %s) renamed, %s (files: %s) moved into it: %d commits, %s sent, %s fetched, in %s",
		renamed, story.Count(below(t, renamed)), moved, story.Count(below(t, moved)), sent.Committed, story.Size(sent.BytesUploaded), story.Size(received.BytesDownloaded), elapsed)
	return nil
}

// both syncs the laptop and then the desktop.
func (s *show) both(ctx context.Context, step string) (sent, received device.Report, elapsed string, err error) {
	start := time.Now()
	if sent, err = s.sync(ctx, s.laptop, step, 0); err == nil {
		received, err = s.sync(ctx, s.desktop, step, 0)
	}
	return sent, received, story.Took(start), err
}

// deleteFolder shows that a folder goes with one commit.
func (s *show) deleteFolder(ctx context.Context) error {
	const step = "deleted folder"
	t, err := story.List(s.laptop.dir)
	if err != nil {
		return err
	}
	folder := s.folders[1]
	if err := os.RemoveAll(s.laptop.path(folder)); err != nil {
		return err
	}
	sent, received, elapsed, err := s.both(ctx, step)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(s.desktop.path(folder)); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is still on the desktop (%w)", folder, err)
	}
	s.out.line(step, "%s (files: %s) deleted on the laptop: %d commit, %s items gone on the desktop, in %s",
		folder, story.Count(below(t, folder)), sent.Committed, story.Count(received.ItemsApplied), elapsed)
	return nil
}

// conflict shows that nothing is lost when two devices edit one file.
func (s *show) conflict(ctx context.Context) error {
	const step = "conflict"
	file, err := s.someFile(3)
	if err != nil {
		return err
	}
	if err := errors.Join(s.laptop.edit(file, "// edited on the laptop"), s.desktop.edit(file, "// edited on the desktop")); err != nil {
		return err
	}
	_, r, elapsed, err := s.both(ctx, step)
	if err != nil {
		return err
	}
	if len(r.Conflicts) != 1 {
		return fmt.Errorf("%d conflicted copies, not 1", len(r.Conflicts))
	}
	if _, err := s.sync(ctx, s.laptop, step, 0); err != nil {
		return err
	}
	for _, c := range []*client{s.laptop, s.desktop} {
		if err := errors.Join(c.endsWith(file, "// edited on the laptop\n"), c.endsWith(r.Conflicts[0], "// edited on the desktop\n")); err != nil {
			return err
		}
	}
	s.out.line(step, "both edited %s offline: the laptop won, and both have the desktop's as %q, after %s", file, r.Conflicts[0], elapsed)
	return nil
}

// compare compares the trees of the devices, by content.
func (s *show) compare(ctx context.Context) error {
	for _, c := range []*client{s.laptop, s.desktop} {
		if _, err := s.sync(ctx, c, "compare", 0); err != nil {
			return err
		}
	}
	laptop, err := story.Read(s.laptop.dir)
	if err != nil {
		return err
	}
	desktop, err := story.Read(s.desktop.dir)
	if err != nil {
		return err
	}
	return s.judge(laptop, desktop)
}

// judge says whether the trees are equal, and what differs.
func (s *show) judge(laptop, desktop story.Tree) error {
	found := story.Differences(laptop, desktop, "laptop", "desktop")
	for _, d := range found {
		s.out.line("different", "%s", d)
	}
	if len(found) > 0 {
		return fmt.Errorf("the trees differ in %d places", len(found))
	}
	files, bytes := laptop.Files()
	s.out.line("equal", "%s files, %s bytes", story.Count(files), story.Count(bytes))
	return nil
}
