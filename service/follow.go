package service

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
)

// Follow implements Feed.
func (s *Service) Follow(ctx context.Context, r stacksync.FollowRequest) iter.Seq2[stacksync.ChangesPage, error] {
	return func(yield func(stacksync.ChangesPage, error) bool) {
		// A follower ends when the service closes. It does not keep Close waiting while the caller
		// works between two pages.
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(s.closing, func() { cancel(stacksync.ErrClosed) })()

		err := s.follow(ctx, r, func(page stacksync.ChangesPage) bool { return yield(page, nil) })
		switch {
		case err == nil: // the caller has left its loop
		case ctx.Err() != nil:
			yield(stacksync.ChangesPage{}, context.Cause(ctx))
		default:
			yield(stacksync.ChangesPage{}, err)
		}
	}
}

// follow calls yield with each page, and returns nil when yield returns false.
func (s *Service) follow(ctx context.Context, r stacksync.FollowRequest, yield func(stacksync.ChangesPage) bool) error {
	// Check the rights before subscribing, so that a stranger gets no hints of a workspace's topic.
	cursor := r.Cursor
	if _, err := s.Changes(ctx, stacksync.ChangesRequest{Actor: r.Actor, Workspace: r.Workspace, Cursor: cursor, Limit: 1}); err != nil {
		return err
	}
	sub, err := s.subscribe(ctx, stacksync.WorkspaceTopic(r.Workspace), stacksync.UserTopic(r.User))
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()

	// Each commit from here on leaves a hint in the subscription. So no change falls between the
	// catch-up and the wait.
	caughtUp, seen := false, int64(0)
	for {
		page, err := s.Changes(ctx, stacksync.ChangesRequest{Actor: r.Actor, Workspace: r.Workspace, Cursor: cursor, Limit: r.Limit})
		if err != nil {
			return err
		}
		if len(page.Items) > 0 || page.Revision > seen || !caughtUp && !page.More {
			if !yield(page) {
				return nil
			}
		}
		cursor, seen = page.Cursor, page.Revision
		if page.More {
			continue
		}
		caughtUp = true
		if err := s.await(ctx, sub, stacksync.WorkspaceTopic(r.Workspace), seen); err != nil {
			return err
		}
	}
}

func (s *Service) subscribe(ctx context.Context, topics ...stacksync.Topic) (stacksync.Subscription, error) {
	if s.cfg.Notifier == nil {
		return silence{}, nil
	}
	return s.cfg.Notifier.Subscribe(ctx, stacksync.SubscribeParams{Topics: topics})
}

// gapSpread is the time within which followers look for changes after a gap hint.
const gapSpread = time.Second

// await returns nil when it is time to look for revisions of the topic beyond seen: after a hint,
// after a gap hint, or after PollInterval.
func (s *Service) await(ctx context.Context, sub stacksync.Subscription, topic stacksync.Topic, seen int64) error {
	look, gap := time.Now().Add(alive.Spread(s.cfg.PollInterval)), false
	for {
		waiting, cancel := context.WithDeadline(ctx, look)
		note, err := sub.Next(waiting)
		over := waiting.Err() != nil
		cancel()
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && over && !errors.Is(err, stacksync.ErrClosed):
			return nil
		case err != nil:
			return err
		case note.Topic != topic && !note.Gap || note.Revision > seen:
			return nil
		case note.Gap && !gap:
			// All followers get the gap hint at once, while the broker, and perhaps the database,
			// are coming back: spread their reads.
			gap = true
			if soon := time.Now().Add(rand.N(gapSpread)); soon.Before(look) {
				look = soon
			}
		}
	}
}

// silence is the subscription of a service without a Notifier: it has no hints.
type silence struct{}

func (silence) Next(ctx context.Context) (stacksync.Notification, error) {
	<-ctx.Done()
	return stacksync.Notification{}, ctx.Err()
}

func (silence) Close() error { return nil }
