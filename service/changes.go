package service

import (
	"context"
	"errors"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Changes implements Feed.
func (s *Service) Changes(ctx context.Context, r stacksync.ChangesRequest) (stacksync.ChangesPage, error) {
	return call(ctx, s, "Changes", func(ctx context.Context) (stacksync.ChangesPage, int, error) {
		page, err := s.changes(ctx, r)
		if errors.Is(err, stacksync.ErrWorkspaceNotFound) {
			err = &stacksync.CursorError{Workspace: r.Workspace, Remedy: stacksync.RemedyForget, Err: stacksync.ErrWorkspaceNotFound}
		}
		return page, len(page.Items), err
	})
}

func (s *Service) changes(ctx context.Context, r stacksync.ChangesRequest) (stacksync.ChangesPage, error) {
	bound, err := pageBound(&s.cfg.Limits, r.Limit)
	if err != nil {
		return stacksync.ChangesPage{}, err
	}
	if err := stacksync.CheckActor(r.Actor, session.ToRead); err != nil {
		return stacksync.ChangesPage{}, err
	}
	// One read brings the rights and the page, from one snapshot. It reads rows for a bad cursor
	// too: only with the workspace's row can Resume tell what is wrong.
	after, liveThrough := r.Cursor.Reads()
	rows, err := s.store.Changes(ctx, stacksync.ChangesParams{
		Workspace: r.Workspace, After: after, LiveThrough: liveThrough, Access: stacksync.NewAccessKey(r.Actor, r.Workspace), PageBound: bound,
	})
	if err != nil {
		return stacksync.ChangesPage{}, err
	}
	acc, err := rows.Permit(r.Actor, r.Workspace, session.ToRead)
	if err != nil {
		return stacksync.ChangesPage{}, err
	}
	from, err := r.Cursor.Resume(acc.Workspace)
	if err != nil {
		return stacksync.ChangesPage{}, err
	}
	if from.Revision() == acc.Workspace.Revision && r.Cursor != "" {
		return stacksync.ChangesPage{Cursor: r.Cursor, Revision: from.Revision()}, nil
	}
	return from.Page(rows, bound.Reached(rows.Items), acc.Workspace.Revision), nil
}
