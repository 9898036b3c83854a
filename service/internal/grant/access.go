package grant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// AccessStep returns the step that tells the storage which accounts reach the containers of some
// workspaces. The step is repeated until no member has come or gone meanwhile, so that the storage
// is told last what is so at the end. ending says that the workspaces will be deleted: then a
// storage that refuses for good does not stop the operation.
func (g *Granter) AccessStep(of func(t *operation.Task) []stacksync.WorkspaceID, ending bool) operation.Step {
	return operation.Step{Name: operation.AccessStep, Run: func(ctx context.Context, t *operation.Task) error {
		return g.setAccess(ctx, of(t), ending)
	}}
}

// setAccess is the work of AccessStep.
func (g *Granter) setAccess(ctx context.Context, of []stacksync.WorkspaceID, ending bool) error {
	if g.Accounts == nil {
		return nil
	}
	for _, id := range of {
		ws, err := g.Workspace(ctx, id)
		if err != nil {
			return err
		}
		if ws == nil {
			continue
		}
		_, err = g.grant(ctx, ws)
		// A refusal for good is borne where the container is deleted in the end, which shuts
		// everybody out.
		if ending && operation.Final(err) {
			g.Log.Error("the storage refuses to shut out those who have left a workspace, until that is deleted", "workspace", ws.ID, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ListStep gives the account of the operation's user access to the containers of all workspaces
// that the user is a member of. A workspace whose list the storage refuses to write goes into
// Unlisted, and keeps the account off no other list.
func (g *Granter) ListStep(ctx context.Context, t *operation.Task) error {
	if g.Accounts == nil {
		return nil
	}
	var mounts stacksync.MembershipsResult
	err := g.Store.View(ctx, func(ctx context.Context, rd stacksync.Reader) (err error) {
		mounts, err = rd.Memberships(ctx, stacksync.MembershipsParams{User: t.Op.User})
		return err
	})
	if err != nil {
		return err
	}
	made, ok := t.Result.(*Account)
	if !ok { // another process has made the account
		made = new(Account)
	}
	made.Unlisted = nil
	var again error
	for i := range mounts.Workspaces {
		ws := &mounts.Workspaces[i]
		if mounts.Members[i].Pending {
			continue
		}
		omitted, err := g.grant(ctx, ws)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !operation.Final(err):
			again = err
		case err != nil:
			g.Log.Error("the storage refuses to let an account reach a workspace", "user", t.Op.User, "workspace", ws.ID, "error", err)
			made.Unlisted = append(made.Unlisted, ws.ID)
		case slices.Contains(omitted, AccountOf(t.Op.User)):
			made.Unlisted = append(made.Unlisted, ws.ID)
		}
	}
	return again
}

// RecordAccess records an operation that tells the storage which accounts reach the container of a
// workspace. Where users have no accounts it records nothing and returns nil.
func (g *Granter) RecordAccess(w *session.Write, ws *stacksync.Workspace) (*stacksync.Operation, error) {
	if g.Accounts == nil {
		return nil, nil
	}
	op, err := g.Record(w, stacksync.OperationAccess, w.Owner(ws), ws.ID, stacksync.WorkspaceID{}, nil)
	return &op, err
}

// maxAccessOperations bounds how many operations of one workspace wait to tell the storage which
// accounts reach its container: while the storage is down they pile up.
const maxAccessOperations = 100

// RecordAccessBounded is RecordAccess, but returns ErrBusy once 100 running operations of the
// workspace wait. Calls that can be repeated without end (Invite, SetRole, TransferOwnership) use
// it. Removing a member must never be refused, so takeOut uses RecordAccess, as does accepting an
// invitation.
func (g *Granter) RecordAccessBounded(ctx context.Context, w *session.Write, ws *stacksync.Workspace) (*stacksync.Operation, error) {
	if g.Accounts == nil {
		return nil, nil
	}
	running, err := w.Operations(ctx, stacksync.OperationsParams{Workspaces: []stacksync.WorkspaceID{ws.ID}, State: stacksync.OperationRunning, Limit: maxAccessOperations})
	if err != nil {
		return nil, err
	}
	if n := len(running.Operations); n == maxAccessOperations {
		return nil, fmt.Errorf("%w: %d operations wait for the storage", stacksync.ErrBusy, n)
	}
	return g.RecordAccess(w, ws)
}

// grant tells the storage which accounts reach the container of a workspace. It returns the
// accounts of members that the storage can't list. Only operations call it: when it fails the
// storage may still do what it was told, and must be told again.
func (g *Granter) grant(ctx context.Context, w *stacksync.Workspace) (omitted []string, err error) {
	if err := g.Provisioned(ctx, w); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var told []stacksync.Grant
	first := true
	err = session.Settle(fmt.Sprintf("set access to workspace %v: members", w.ID), func() (bool, error) {
		grants, err := g.grants(ctx, w.ID)
		if err != nil {
			return false, err
		}
		// Read the members again after each SetAccess, and repeat it if they have changed. So
		// whichever of two processes tells the storage last has told it what is so.
		if !first && slices.Equal(grants, told) {
			return true, nil
		}
		res, err := g.Accounts.SetAccess(ctx, stacksync.SetAccessParams{Container: w.Container, Grants: grants})
		if err != nil {
			return false, fmt.Errorf("set access to workspace %v: %w", w.ID, err)
		}
		first, told, omitted = false, grants, res.Omitted
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if len(omitted) > 0 {
		g.Log.Warn("the storage can't list all members of a workspace: some reach its chunks only in other ways",
			"workspace", w.ID, "members", len(told), "omitted", len(omitted))
	}
	return omitted, nil
}

// grants returns the grants of a workspace's members: the owner first, then the others by JoinedAt,
// the earliest first. Pending members get none.
func (g *Granter) grants(ctx context.Context, id stacksync.WorkspaceID) (grants []stacksync.Grant, err error) {
	err = g.Store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{id}})
		grants = nil
		since := func(m *stacksync.Member) time.Time {
			if m.Role == stacksync.Owner {
				return time.Time{}
			}
			return m.JoinedAt
		}
		members := slices.SortedFunc(slices.Values(res.Members), func(a, b stacksync.Member) int {
			return cmp.Or(since(&a).Compare(since(&b)), cmp.Compare(a.User, b.User))
		})
		for i := range members {
			m := &members[i]
			switch {
			case m.Pending:
			case m.Role == stacksync.Viewer:
				grants = append(grants, stacksync.Grant{Account: AccountOf(m.User), Permission: stacksync.Read})
			default:
				grants = append(grants, stacksync.Grant{Account: AccountOf(m.User), Permission: stacksync.ReadWrite})
			}
		}
		return err
	})
	return grants, err
}
