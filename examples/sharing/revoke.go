package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

const (
	// enough is how many of Bob's entries have to be with Eve before he is put out.
	enough = 5
	diary  = "bob's diary"
	late   = diary + "/too late.txt"
)

func entry(n int) string { return fmt.Sprintf("%s/%04d.txt", diary, n) }

// revoke: all devices run, Bob's laptop writes file after file, and in the middle of that Ada puts him out.
func (s *show) revoke(ctx context.Context) (err error) {
	running := map[*client]*live{}
	for _, c := range s.clients {
		running[c] = c.garden().run(ctx)
	}
	defer func() {
		for _, l := range running {
			err = errors.Join(err, l.stop())
		}
	}()
	laptop := running[s.bobLaptop]
	writing, stopWriting := context.WithCancel(ctx)
	var writer sync.WaitGroup
	var written int
	var writeErr error
	writer.Go(func() { written, writeErr = keepDiary(writing, laptop) })
	defer writer.Wait()
	defer stopWriting()

	if err := running[s.eveTablet].await(ctx, func() bool { return running[s.eveTablet].has(entry(enough)) }); err != nil {
		return err
	}
	start := time.Now()
	_, err = s.server.Unshare(ctx, stacksync.UnshareRequest{Actor: s.adaLaptop.actor, Workspace: s.garden, Users: []stacksync.UserID{bob}})
	if err != nil {
		return err
	}
	// From here on the service takes nothing from him. His devices need not be told: they ask, and learn it.
	taken, err := s.entries(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(laptop.write(late, "nobody is to see this\n"), laptop.stopped(ctx), running[s.bobPhone].stopped(ctx)); err != nil {
		return err
	}
	stopped := story.Took(start)
	stopWriting()
	if writer.Wait(); writeErr != nil {
		return writeErr
	}
	_, err = laptop.Sync(ctx)
	var verdict *stacksync.CursorError
	if !errors.As(err, &verdict) || verdict.Remedy != stacksync.RemedyForget {
		return errors.Join(errors.New("a device of a member who was put out is not told so"), err)
	}
	s.out.Line("revoke", "ada puts bob out while his laptop writes: both his devices stop after %s, with %q and the advice to %q", stopped, verdict.Err, verdict.Remedy)

	if err := s.disappears(ctx, s.of(bob)...); err != nil {
		return err
	}
	others := s.of(ada, eve)
	for _, c := range others {
		l := running[c]
		delete(running, c)
		if err := l.stop(); err != nil {
			return err
		}
	}
	if err := s.settle(ctx, others...); err != nil {
		return err
	}
	if _, err := s.compareGardens(others...); err != nil {
		return err
	}
	arrived, err := s.entries(ctx)
	if err != nil {
		return err
	}
	if arrived != taken || arrived < enough || s.eveTablet.garden().has(late) {
		return fmt.Errorf("of bob's files %d have arrived, after %d when he was put out; the last of all is among them: %t", arrived, taken, s.eveTablet.garden().has(late))
	}
	s.out.Line("", "%d of the %d files were with the service by then, and are with all others; the rest reaches nobody, and stays on his laptop in %q",
		arrived, written+1, laptop.mount.Member.MountName+lostMark)
	return nil
}

// entries returns how many files of the diary the service has.
func (s *show) entries(ctx context.Context) (int, error) {
	actor := s.adaLaptop.actor
	folder, err := s.server.GetItemByPath(ctx, stacksync.GetItemByPathRequest{Actor: actor, Workspace: s.garden, Path: diary})
	if err != nil {
		return 0, err
	}
	list, err := s.server.ListChildren(ctx, stacksync.ListChildrenRequest{Actor: actor, Workspace: s.garden, Parent: folder.Item.ID})
	return len(list.Items), err
}

// keepDiary writes one file after the other, until ctx ends.
func keepDiary(ctx context.Context, l *live) (written int, err error) {
	for ctx.Err() == nil {
		if err := l.write(entry(written+1), fmt.Sprintf("day %d\n", written+1)); err != nil {
			return written, err
		}
		written++
		l.Notify()
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return written, nil
}
