package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// manage runs f in a transaction about the members of a workspace, for an actor who has the rights
// n. The transaction locks the workspace, all its members, the actor and users. If members have
// joined or left before the lock, manage begins anew; ErrBusy if that happens too often.
func (s *Service) manage(ctx context.Context, actor stacksync.Actor, id stacksync.WorkspaceID, n stacksync.Needs, users []stacksync.UserID, f func(ctx context.Context, w *session.Write, ro *member.Roster) error) error {
	return session.Settle("members", func() (bool, error) {
		// Users are locked together with the workspace, so the members must be known before the
		// lock.
		lock := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}, Users: append(slices.Clone(users), actor.User)}
		err := s.kernel.View(ctx, actor, id, n, func(ctx context.Context, r stacksync.Reader, _ stacksync.Access) error {
			res, err := r.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{id}})
			for i := range res.Members {
				lock.Users = append(lock.Users, res.Members[i].User)
			}
			return err
		})
		if err != nil {
			return false, err
		}
		err = s.kernel.Write(ctx, lock, func(ctx context.Context, w *session.Write) error {
			acc, err := session.Permit(ctx, w, actor, id, n)
			if err != nil {
				return err
			}
			ro, err := member.Read(ctx, w, acc.Workspace, lock)
			if err != nil {
				return err
			}
			return f(ctx, w, ro)
		})
		if errors.Is(err, member.ErrStale) {
			return false, nil
		}
		return true, err
	})
}

// takeOut removes members, and records an operation that tells the storage. When only the owner is
// left, it records the return of the folder instead. The returned operation is nil where there is
// nothing to do.
func (s *Service) takeOut(ctx context.Context, w *session.Write, ro *member.Roster, users []stacksync.UserID) (*stacksync.Operation, error) {
	if err := ro.Touch(ctx, w); err != nil {
		return nil, err
	}
	var gone stacksync.RemoveParams
	for _, u := range users {
		if ro.Members[u] != nil {
			gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ro.Workspace.ID, User: u})
			delete(ro.Members, u)
		}
	}
	if len(gone.Members) > 0 {
		if _, err := w.Remove(ctx, gone); err != nil {
			return nil, err
		}
		if ws := ro.Workspace; ws.Encrypted {
			w.Workspace(ws).KeyGeneration++ // a removed member knows the key
		}
	}
	// The content of an encrypted workspace can't be read without its key, so the folder stays a
	// workspace, with its owner.
	if len(ro.Others()) > 0 || ro.Workspace.Encrypted {
		if len(gone.Members) == 0 {
			return nil, nil
		}
		return s.granter.RecordAccess(w, ro.Workspace)
	}
	return s.recordReturn(ctx, w, ro)
}

// recordReturn records the return of the folder. ErrBusy: the folder is on its way back already.
func (s *Service) recordReturn(ctx context.Context, w *session.Write, ro *member.Roster) (*stacksync.Operation, error) {
	unfinished, err := operation.Unfinished(ctx, w, ro.Workspace.ID)
	if err != nil {
		return nil, err
	}
	for i := range unfinished {
		if op := &unfinished[i]; op.Kind == stacksync.OperationReturn {
			return nil, fmt.Errorf("%w: the folder is on its way back: operation %v", stacksync.ErrBusy, op.ID)
		}
	}
	secret, err := move.NewSecret()
	if err != nil {
		return nil, err
	}
	folder, err := ro.ReturnsTo(ctx, w)
	if err != nil {
		return nil, err
	}
	// The operation is the owner's, so that a member who has left does not see it.
	op, err := s.engine.Record(w, stacksync.OperationReturn, w.Owner(ro.Workspace), ro.Owner.DefaultWorkspace, ro.Workspace.ID, &move.Payload{Folder: folder, Secret: secret})
	return &op, err
}

// Unshare implements Sharing.
func (s *Service) Unshare(ctx context.Context, r stacksync.UnshareRequest) (stacksync.UnshareResult, error) {
	return call(ctx, s, "Unshare", func(ctx context.Context) (stacksync.UnshareResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, session.ToManage, nil, func(ctx context.Context, w *session.Write, ro *member.Roster) (err error) {
			if err := ro.CheckShared(); err != nil {
				return err
			}
			users := r.Users
			if len(users) == 0 {
				users = ro.Others()
			}
			if slices.Contains(users, ro.Workspace.Owner) {
				return fmt.Errorf("%w: %q", stacksync.ErrIsOwner, ro.Workspace.Owner)
			}
			op, err = s.takeOut(ctx, w, ro, users)
			return err
		})
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return stacksync.UnshareResult{}, max(1, len(r.Users)), err
	})
}

// Leave implements Sharing.
func (s *Service) Leave(ctx context.Context, r stacksync.LeaveRequest) (stacksync.LeaveResult, error) {
	return call(ctx, s, "Leave", func(ctx context.Context) (stacksync.LeaveResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, session.ToRead, nil, func(ctx context.Context, w *session.Write, ro *member.Roster) (err error) {
			if err := ro.CheckShared(); err != nil {
				return err
			}
			if r.User == ro.Workspace.Owner {
				return stacksync.ErrIsOwner
			}
			op, err = s.takeOut(ctx, w, ro, []stacksync.UserID{r.User})
			return err
		})
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return stacksync.LeaveResult{}, 1, err
	})
}

// SetRole implements Sharing.
func (s *Service) SetRole(ctx context.Context, r stacksync.SetRoleRequest) (stacksync.SetRoleResult, error) {
	return call(ctx, s, "SetRole", func(ctx context.Context) (stacksync.SetRoleResult, int, error) {
		if r.Role != stacksync.Viewer && r.Role != stacksync.Editor {
			return stacksync.SetRoleResult{}, 0, &stacksync.FieldError{Field: "Role", Reason: "is neither Viewer nor Editor"}
		}
		var (
			op  *stacksync.Operation
			res stacksync.SetRoleResult
		)
		err := s.manage(ctx, r.Actor, r.Workspace, session.ToManage, nil, func(ctx context.Context, w *session.Write, ro *member.Roster) (err error) {
			m := ro.Members[r.User]
			switch {
			case m == nil:
				return stacksync.ErrMemberNotFound
			case r.User == ro.Workspace.Owner:
				return stacksync.ErrIsOwner
			}
			op = nil
			if m.Role != r.Role {
				m.Role = r.Role
				w.Rows.Members = append(w.Rows.Members, *m)
				if err := ro.Touch(ctx, w); err != nil {
					return err
				}
				op, err = s.granter.RecordAccessBounded(ctx, w, ro.Workspace)
			}
			res.Member = member.Public(m, r.Actor.User)
			return err
		})
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return res, 1, err
	})
}

// TransferOwnership implements Sharing.
func (s *Service) TransferOwnership(ctx context.Context, r stacksync.TransferOwnershipRequest) (stacksync.TransferOwnershipResult, error) {
	return call(ctx, s, "TransferOwnership", func(ctx context.Context) (stacksync.TransferOwnershipResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, session.ToManage, nil, func(ctx context.Context, w *session.Write, ro *member.Roster) (err error) {
			if err := ro.CheckShared(); err != nil {
				return err
			}
			if m := ro.Members[r.To]; m == nil || m.Pending {
				return stacksync.ErrMemberNotFound
			}
			op = nil
			if r.To == ro.Workspace.Owner {
				return nil
			}
			if err := ro.Transfer(ctx, w, r.To); err != nil {
				return err
			}
			op, err = s.granter.RecordAccessBounded(ctx, w, ro.Workspace)
			return err
		})
		if err == nil {
			err = s.engine.FinishIf(ctx, op)
		}
		return stacksync.TransferOwnershipResult{}, 1, err
	})
}

// ListMembers implements Sharing.
func (s *Service) ListMembers(ctx context.Context, r stacksync.ListMembersRequest) (stacksync.ListMembersResult, error) {
	return call(ctx, s, "ListMembers", func(ctx context.Context) (stacksync.ListMembersResult, int, error) {
		var res stacksync.ListMembersResult
		err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
			rows, err := rd.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{r.Workspace}})
			res.Members = make([]stacksync.Member, len(rows.Members))
			for i := range rows.Members {
				res.Members[i] = member.Public(&rows.Members[i], r.User)
			}
			return err
		})
		return res, len(res.Members), err
	})
}

// SetKeys implements Sharing.
func (s *Service) SetKeys(ctx context.Context, r stacksync.SetKeysRequest) (stacksync.SetKeysResult, error) {
	return call(ctx, s, "SetKeys", func(ctx context.Context) (stacksync.SetKeysResult, int, error) {
		for u, key := range r.Keys {
			if err := member.CheckSealedKey(fmt.Sprintf("Keys[%q]", u), key); err != nil {
				return stacksync.SetKeysResult{}, 0, err
			}
		}
		err := s.manage(ctx, r.Actor, r.Workspace, stacksync.Needs{Role: stacksync.Editor}, nil, func(ctx context.Context, w *session.Write, ro *member.Roster) error {
			ws := ro.Workspace
			next := ws.KeyGeneration
			if ro.Keyed() {
				// A second key of a generation that is in use would replace the first key.
				next++
			}
			if !ws.Encrypted || r.Generation != ws.KeyGeneration+1 && r.Generation != next {
				return fmt.Errorf("%w: it is %d, and the next one to be handed out %d", stacksync.ErrKeyGeneration, ws.KeyGeneration, next)
			}
			var lacking []string
			for id, m := range ro.Members {
				key, ok := r.Keys[id]
				if !ok {
					lacking = append(lacking, string(id))
					continue
				}
				m.SealedKey, m.KeyGeneration = key, r.Generation
				w.Rows.Members = append(w.Rows.Members, *m)
			}
			if len(lacking) > 0 {
				slices.Sort(lacking)
				return &stacksync.FieldError{Field: "Keys", Reason: "lack " + strings.Join(lacking, ", ")}
			}
			w.Workspace(ws).KeyGeneration = r.Generation
			return ro.Touch(ctx, w)
		})
		return stacksync.SetKeysResult{}, len(r.Keys), err
	})
}
