package stacksync

import (
	"context"
	"iter"
)

// Workspaces tells what a user is a member of.
type Workspaces interface {
	// ListWorkspaces returns the actor's workspaces with the actor's role and mount in each, by workspace id, and pending invitations. With
	// Cursors, it tells how far the device is behind in each.
	ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error)
	// FollowWorkspaces yields what ListWorkspaces returns, at once and then whenever a right of the user has changed: shared, unshared, another
	// role or owner, an invitation, a mount, a device. It ends after yielding an error: ctx's when that ends, what ListWorkspaces returns, or
	// ErrClosed.
	FollowWorkspaces(ctx context.Context, r ListWorkspacesRequest) iter.Seq2[ListWorkspacesResult, error]
}

// ListWorkspacesRequest is that of Workspaces.ListWorkspaces.
type ListWorkspacesRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
	// Cursors are what the device has seen of workspaces. FollowWorkspaces does not look at them.
	Cursors map[WorkspaceID]Cursor `json:"cursors,omitempty"`
}

// ListWorkspacesResult is that of Workspaces.ListWorkspaces.
type ListWorkspacesResult struct {
	Workspaces []Mount `json:"workspaces"`
	// Invitations are pending: they give no right yet, and show the workspace's ID, Owner, Encrypted and CreatedAt only, and of the Member
	// the Role and MountName.
	Invitations []Mount `json:"invitations,omitempty"`
	// Revision is the user's.
	Revision int64 `json:"revision"`
}

// Mount is a workspace as one member sees it.
type Mount struct {
	Workspace `json:"workspace"`
	Member    Member `json:"member"`
	// Unread says that the change log has grown beyond the cursor that was given, or that this can't be continued. False without one.
	Unread bool `json:"unread,omitempty"`
}

// ListWorkspaces implements Workspaces.
func (s *Service) ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error) {
	return call(ctx, s, "ListWorkspaces", func(ctx context.Context) (ListWorkspacesResult, int, error) {
		if err := r.check(needs{}); err != nil {
			return ListWorkspacesResult{}, 0, err
		}
		var res ListWorkspacesResult
		err := s.store.View(ctx, func(ctx context.Context, rd Reader) (err error) {
			res, err = listWorkspaces(ctx, rd, r)
			return err
		})
		return res, len(res.Workspaces), err
	})
}

func listWorkspaces(ctx context.Context, rd Reader, r ListWorkspacesRequest) (ListWorkspacesResult, error) {
	res := ListWorkspacesResult{Workspaces: []Mount{}}
	user, _, err := devicesOf(ctx, rd, r.Actor)
	if err != nil {
		return res, err
	}
	rows, err := rd.Memberships(ctx, MembershipsParams{User: r.User})
	if err != nil {
		return res, err
	}
	res.Revision = user.Revision
	for i := range rows.Members {
		m := Mount{Workspace: rows.Workspaces[i], Member: rows.Members[i]}
		if m.Member.Pending {
			res.Invitations = append(res.Invitations, m.invitation())
			continue
		}
		if cursor, ok := r.Cursors[m.Workspace.ID]; ok {
			at, err := m.Workspace.resume(cursor)
			m.Unread = err != nil || at.revision < m.Workspace.Revision
		}
		res.Workspaces = append(res.Workspaces, m)
	}
	return res, nil
}

// invitation leaves what helps to decide on it.
func (m Mount) invitation() Mount {
	ws, of := m.Workspace, m.Member
	return Mount{
		Workspace: Workspace{ID: ws.ID, Owner: ws.Owner, Encrypted: ws.Encrypted, CreatedAt: ws.CreatedAt},
		Member:    Member{Workspace: of.Workspace, User: of.User, Role: of.Role, Pending: true, JoinedAt: of.JoinedAt, MountName: of.MountName},
	}
}

// FollowWorkspaces implements Workspaces.
func (s *Service) FollowWorkspaces(ctx context.Context, r ListWorkspacesRequest) iter.Seq2[ListWorkspacesResult, error] {
	return func(yield func(ListWorkspacesResult, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(s.closing, func() { cancel(ErrClosed) })()

		err := s.followWorkspaces(ctx, r, func(res ListWorkspacesResult) bool { return yield(res, nil) })
		switch {
		case err == nil: // the caller has left its loop
		case ctx.Err() != nil:
			yield(ListWorkspacesResult{}, context.Cause(ctx))
		default:
			yield(ListWorkspacesResult{}, err)
		}
	}
}

func (s *Service) followWorkspaces(ctx context.Context, r ListWorkspacesRequest, yield func(ListWorkspacesResult) bool) error {
	r.Cursors = nil
	if _, err := s.ListWorkspaces(ctx, r); err != nil { // a stranger gets no ear
		return err
	}
	topic := UserTopic(r.User)
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
