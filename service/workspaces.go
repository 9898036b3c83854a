package service

import (
	"context"
	"iter"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// ListWorkspaces implements Workspaces.
func (s *Service) ListWorkspaces(ctx context.Context, r stacksync.ListWorkspacesRequest) (stacksync.ListWorkspacesResult, error) {
	return call(ctx, s, "ListWorkspaces", func(ctx context.Context) (stacksync.ListWorkspacesResult, int, error) {
		if err := stacksync.CheckActor(r.Actor, stacksync.Needs{}); err != nil {
			return stacksync.ListWorkspacesResult{}, 0, err
		}
		var res stacksync.ListWorkspacesResult
		err := s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) (err error) {
			res, err = listWorkspaces(ctx, rd, r)
			return err
		})
		return res, len(res.Workspaces), err
	})
}

func listWorkspaces(ctx context.Context, rd stacksync.Reader, r stacksync.ListWorkspacesRequest) (stacksync.ListWorkspacesResult, error) {
	res := stacksync.ListWorkspacesResult{Workspaces: []stacksync.Mount{}}
	user, _, err := session.Devices(ctx, rd, r.Actor)
	if err != nil {
		return res, err
	}
	rows, err := rd.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
	if err != nil {
		return res, err
	}
	res.Revision = user.Revision
	for i := range rows.Members {
		m := stacksync.Mount{Workspace: rows.Workspaces[i], Member: rows.Members[i]}
		if m.Member.Pending {
			res.Invitations = append(res.Invitations, invitation(m))
			continue
		}
		if cursor, ok := r.Cursors[m.Workspace.ID]; ok {
			at, err := cursor.Resume(&m.Workspace)
			m.Unread = err != nil || at.Revision() < m.Workspace.Revision
		}
		res.Workspaces = append(res.Workspaces, m)
	}
	return res, nil
}

// invitation returns the part of a mount that a user needs to decide about an invitation.
func invitation(m stacksync.Mount) stacksync.Mount {
	ws, of := m.Workspace, m.Member
	return stacksync.Mount{
		Workspace: stacksync.Workspace{ID: ws.ID, Owner: ws.Owner, Encrypted: ws.Encrypted, CreatedAt: ws.CreatedAt},
		Member:    stacksync.Member{Workspace: of.Workspace, User: of.User, Role: of.Role, Pending: true, JoinedAt: of.JoinedAt, MountName: of.MountName},
	}
}

// FollowWorkspaces implements Workspaces.
func (s *Service) FollowWorkspaces(ctx context.Context, r stacksync.ListWorkspacesRequest) iter.Seq2[stacksync.ListWorkspacesResult, error] {
	return func(yield func(stacksync.ListWorkspacesResult, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(s.closing, func() { cancel(stacksync.ErrClosed) })()

		err := s.followWorkspaces(ctx, r, func(res stacksync.ListWorkspacesResult) bool { return yield(res, nil) })
		switch {
		case err == nil: // the caller has left its loop
		case ctx.Err() != nil:
			yield(stacksync.ListWorkspacesResult{}, context.Cause(ctx))
		default:
			yield(stacksync.ListWorkspacesResult{}, err)
		}
	}
}

func (s *Service) followWorkspaces(ctx context.Context, r stacksync.ListWorkspacesRequest, yield func(stacksync.ListWorkspacesResult) bool) error {
	r.Cursors = nil
	// Check the rights before subscribing, so that a stranger gets no hints of a user's topic.
	if _, err := s.ListWorkspaces(ctx, r); err != nil {
		return err
	}
	topic := stacksync.UserTopic(r.User)
	sub, err := s.subscribe(ctx, topic)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	seen := int64(-1)
	for {
		res, err := s.ListWorkspaces(ctx, r)
		if err != nil {
			return err
		}
		if res.Revision != seen && !yield(res) {
			return nil
		}
		seen = res.Revision
		if err := s.await(ctx, sub, topic, seen); err != nil {
			return err
		}
	}
}
