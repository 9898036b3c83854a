package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

var (
	toRead     = stacksync.Needs{Role: stacksync.Viewer}
	toDownload = stacksync.Needs{Role: stacksync.Viewer, Device: true}
	toWrite    = stacksync.Needs{Role: stacksync.Editor, Device: true}
)

// view runs f on a reader for which the actor has what n asks.
func (s *Service) view(ctx context.Context, actor stacksync.Actor, w stacksync.WorkspaceID, n stacksync.Needs, f func(ctx context.Context, r stacksync.Reader, acc stacksync.Access) error) error {
	if err := stacksync.CheckActor(actor, n); err != nil {
		return err
	}
	return s.store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(actor, w)}})
		if err != nil {
			return err
		}
		acc, err := rows.Permit(actor, w, n)
		if err != nil {
			return err
		}
		return f(ctx, r, acc)
	})
}
