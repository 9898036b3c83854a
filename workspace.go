package stacksync

import (
	"context"
)

// Workspaces tells what a user is a member of.
type Workspaces interface {
	// ListWorkspaces returns the actor's workspaces with the actor's role and mount in each, by workspace id.
	ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error)
}

// ListWorkspacesRequest is that of Workspaces.ListWorkspaces.
type ListWorkspacesRequest struct {
	Actor `json:"-"` // never from a body: the host has authenticated it
}

// ListWorkspacesResult is that of Workspaces.ListWorkspaces.
type ListWorkspacesResult struct{ Workspaces []Mount }

// Mount is a workspace as one member sees it.
type Mount struct {
	Workspace
	Member Member
}

// ListWorkspaces implements Workspaces.
func (s *Service) ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error) {
	return call(ctx, s, "ListWorkspaces", func(ctx context.Context) (ListWorkspacesResult, int, error) {
		if err := r.check(needs{}); err != nil {
			return ListWorkspacesResult{}, 0, err
		}
		var res ListWorkspacesResult
		err := s.store.View(ctx, func(ctx context.Context, rd Reader) error {
			if _, err := devicesOf(ctx, rd, r.Actor); err != nil {
				return err
			}
			rows, err := rd.Memberships(ctx, MembershipsParams{User: r.User})
			if err != nil {
				return err
			}
			res.Workspaces = make([]Mount, len(rows.Members))
			for i := range rows.Members {
				res.Workspaces[i] = Mount{Workspace: rows.Workspaces[i], Member: rows.Members[i]}
			}
			return nil
		})
		return res, len(res.Workspaces), err
	})
}
