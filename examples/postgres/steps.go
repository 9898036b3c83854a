package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// carry makes one side commit what was written into its folder, and waits until the other, which was told by nobody but its
// service, has it on its disk. It returns what was committed, and how long after the answer to the last commit that was.
func carry(ctx context.Context, from, to *side) (sent event, after time.Duration, err error) {
	if sent, err = from.sync(ctx); err != nil {
		return event{}, 0, err
	}
	seen, err := to.awaitRevision(ctx, sent.Last.Revision)
	return sent, seen.At.Sub(sent.Last.At), err
}

// leftToRight sends a small tree.
func (s *show) leftToRight(ctx context.Context) error {
	for _, dir := range []string{"notes", "notes/2026", "photos"} {
		for i := range 4 {
			name := fmt.Sprintf("%s/file %d.txt", dir, i+1)
			if err := s.left.write(name, contentOf(name)); err != nil {
				return err
			}
		}
	}
	sent, after, err := carry(ctx, s.left, s.right)
	if err != nil {
		return err
	}
	s.out.Line("left to right", "left committed %d files and folders; they were on right's disk %s after the last commit", sent.Commits, story.Duration(after))
	return nil
}

// rightToLeft sends a change the other way.
func (s *show) rightToLeft(ctx context.Context) error {
	const name = "notes/file 1.txt"
	if err := s.right.write(name, "edited on the right\n"); err != nil {
		return err
	}
	_, after, err := carry(ctx, s.right, s.left)
	if err := errors.Join(err, s.left.has(name, "edited on the right\n")); err != nil {
		return err
	}
	s.out.Line("right to left", "%s, edited on the right, was on left's disk %s after the commit", name, story.Duration(after))
	return nil
}

// singleFiles measures single commits, to and fro.
func (s *show) singleFiles(ctx context.Context) error {
	const rounds = 10
	from, to := s.left, s.right
	var took []time.Duration
	for i := range 2 * rounds {
		if err := from.write("ball.txt", fmt.Sprintf("throw %d, from %s\n", i+1, from.options.name)); err != nil {
			return err
		}
		_, after, err := carry(ctx, from, to)
		if err != nil {
			return err
		}
		took = append(took, after)
		from, to = to, from
	}
	slices.Sort(took)
	s.out.Line("to and fro", "%d commits, each waited for: seen after %s (median), %s at most", len(took), story.Duration(took[len(took)/2]), story.Duration(took[len(took)-1]))
	return nil
}

// conflict lets both edit a file before either has heard of the other's edit.
func (s *show) conflict(ctx context.Context) error {
	const name = "notes/file 2.txt"
	sides := []*side{s.left, s.right}
	for _, side := range sides {
		if err := side.tell(cmdPause); err != nil {
			return err
		}
		if _, err := side.awaitKind(ctx, evPaused); err != nil {
			return err
		}
	}
	edited := func(side *side) string { return "edited on the " + side.options.name + "\n" }
	for _, side := range sides {
		if err := side.write(name, edited(side)); err != nil {
			return err
		}
	}
	for _, side := range sides {
		if err := side.tell(cmdFollow); err != nil {
			return err
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	t, err := story.Read(string(s.left.folder))
	if err != nil {
		return err
	}
	copied := conflictedCopies(t)
	if len(copied) != 1 {
		return fmt.Errorf("%d conflicted copies, not 1", len(copied))
	}
	winner, loser := s.left, s.right
	if s.left.has(name, edited(winner)) != nil {
		winner, loser = loser, winner
	}
	for _, side := range sides {
		if err := errors.Join(side.has(name, edited(winner)), side.has(copied[0], edited(loser))); err != nil {
			return err
		}
	}
	s.out.Line("conflict", "both edited %s at once: %s was first, and both have the %s's as %q", name, winner.options.name, loser.options.name, copied[0])
	return nil
}

func conflictedCopies(t story.Tree) (names []string) {
	for name := range t {
		if strings.Contains(name, "conflicted copy") {
			names = append(names, name)
		}
	}
	return names
}

// batch sends many files at once.
func (s *show) batch(ctx context.Context) error {
	const files, folders = 300, 10
	for i := range files {
		name := fmt.Sprintf("batch/%02d/%04d.txt", i%folders, i)
		if err := s.right.write(name, contentOf(name)); err != nil {
			return err
		}
	}
	start := time.Now()
	sent, after, err := carry(ctx, s.right, s.left)
	if err != nil {
		return err
	}
	s.out.Line("batch", "right sent and committed %d files and folders in %s; they were on left's disk %s after the last commit",
		sent.Commits, story.Duration(sent.Last.At.Sub(start)), story.Duration(after))
	return nil
}

// killLeft kills the left process while it commits. The right one goes on, and what was acknowledged is there.
func (s *show) killLeft(ctx context.Context) error {
	const enough = 50
	acknowledged, last, err := s.streamAndKill(ctx, enough)
	if err != nil {
		return err
	}
	seen, err := s.right.awaitRevision(ctx, last.Revision)
	if err != nil {
		return err
	}
	for _, name := range acknowledged {
		if err := s.right.has(name, contentOf(name)); err != nil {
			return fmt.Errorf("%s was acknowledged, but: %w", name, err)
		}
	}
	s.out.Line("left killed", "in the middle of its commits, after %d were acknowledged: right has all of them, with their content, the last %s after its commit",
		len(acknowledged), story.Duration(seen.At.Sub(last.At)))

	const alone = "written while left was dead.txt"
	if err := s.right.write(alone, contentOf(alone)); err != nil {
		return err
	}
	if _, err := s.right.sync(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := s.start(ctx, s.left); err != nil {
		return err
	}
	if err := s.left.ready(ctx); err != nil {
		return err
	}
	if err := s.left.has(alone, contentOf(alone)); err != nil {
		return err
	}
	s.out.Line("left again", "right went on alone; left, started again, had what it missed %s after its start", story.Duration(time.Since(start)))
	return nil
}

// streamAndKill lets left commit one file after the other, and kills it once it has said enough. It returns all that was
// acknowledged, and the last commit.
func (s *show) streamAndKill(ctx context.Context, enough int) (names []string, last commit, err error) {
	if err := s.left.tell(cmdStream); err != nil {
		return nil, commit{}, err
	}
	hear := func(e event) {
		names, last = append(names, e.Path), e.Last
	}
	for len(names) < enough {
		e, err := s.left.awaitKind(ctx, evAcknowledged)
		if err != nil {
			return nil, commit{}, err
		}
		hear(e)
	}
	if err := s.left.kill(ctx); err != nil {
		return nil, commit{}, err
	}
	for _, e := range s.left.rest() {
		if e.Kind == evAcknowledged {
			hear(e)
		}
	}
	return names, last, nil
}

// compare compares both folders, by content.
func (s *show) compare(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	left, err := story.Read(string(s.left.folder))
	if err != nil {
		return err
	}
	right, err := story.Read(string(s.right.folder))
	if err != nil {
		return err
	}
	return s.judge(left, right)
}

// judge says whether the trees are equal, and what differs.
func (s *show) judge(left, right story.Tree) error {
	found := story.Differences(left, right, "left", "right")
	for _, d := range found {
		s.out.Line("different", "%s", d)
	}
	if len(found) > 0 {
		return fmt.Errorf("the folders differ in %d places", len(found))
	}
	files, bytes := left.Files()
	s.out.Line("equal", "%d files, %d bytes", files, bytes)
	return nil
}
