package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// deletion is the payload of an OperationDelete.
type deletion struct {
	Spaces []stacksync.WorkspaceID `json:"spaces,omitempty"` // the workspaces to remove with the user
	Left   []stacksync.WorkspaceID `json:"left,omitempty"`   // the workspaces that the user was a member of
}

func deletionOf(t *operation.Task) *deletion { return t.Payload.(*deletion) }

// DeleteUser implements Accounts.
func (s *Service) DeleteUser(ctx context.Context, r stacksync.DeleteUserRequest) (stacksync.DeleteUserResult, error) {
	return call(ctx, s, "DeleteUser", func(ctx context.Context) (stacksync.DeleteUserResult, int, error) {
		return stacksync.DeleteUserResult{}, 1, s.deleteUser(ctx, r)
	})
}

func (s *Service) deleteUser(ctx context.Context, r stacksync.DeleteUserRequest) error {
	if err := stacksync.CheckUserID("User", r.User); err != nil {
		return err
	}
	var ops []stacksync.Operation
	err := session.Settle("memberships", func() (bool, error) {
		lock, err := s.lockFor(ctx, r)
		if err == nil {
			err = s.kernel.Write(ctx, lock, func(ctx context.Context, w *session.Write) (err error) {
				ops, err = s.dissolve(ctx, w, r, lock)
				return err
			})
		}
		if errors.Is(err, member.ErrStale) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return s.engine.Finish(ctx, ops...)
}

// lockFor returns what the deletion of a user has to lock: the workspaces that the user is in, all
// their members, and an earlier deletion that has stopped.
func (s *Service) lockFor(ctx context.Context, r stacksync.DeleteUserRequest) (stacksync.LockParams, error) {
	lock := stacksync.LockParams{Users: []stacksync.UserID{r.User}}
	err := s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		rows, err := rd.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
		if err != nil {
			return err
		}
		for i := range rows.Workspaces {
			lock.Workspaces = append(lock.Workspaces, rows.Workspaces[i].ID)
		}
		members, err := rd.Members(ctx, stacksync.MembersParams{Workspaces: lock.Workspaces})
		for i := range members.Members {
			lock.Users = append(lock.Users, members.Members[i].User)
		}
		if err == nil {
			lock.Operations, err = operation.OfUser(ctx, rd, r.User, stacksync.OperationDelete, stacksync.OperationStopped)
		}
		return err
	})
	return lock, err
}

// dissolve takes a user out of all workspaces, and records the operations that remove the
// workspaces, account and row of the user, and that return folders to owners who are left alone.
func (s *Service) dissolve(ctx context.Context, w *session.Write, r stacksync.DeleteUserRequest, lock stacksync.LockParams) ([]stacksync.Operation, error) {
	u, err := w.User(ctx, r.User)
	if err != nil {
		return nil, err
	}
	mounts, err := w.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
	if err != nil {
		return nil, err
	}
	if u.Leaving() {
		return s.resumeDeletion(ctx, w, r.User, lock)
	}
	var (
		data deletion
		ops  []stacksync.Operation
		gone stacksync.RemoveParams
		kept []stacksync.WorkspaceID // shared workspaces without a decision
		used = make(map[stacksync.WorkspaceID]bool)
	)
	for i := range mounts.Workspaces {
		ws := &mounts.Workspaces[i]
		ro, err := member.Read(ctx, w, ws, lock)
		if err != nil {
			return nil, err
		}
		others := ro.Others()
		to, named := r.Transfer[ws.ID]
		named = named && !ws.Folder.IsZero()
		switch {
		case ws.Owner != r.User:
			data.Left = append(data.Left, ws.ID)
			if ws.Encrypted {
				w.Workspace(ws).KeyGeneration++
			}
		case named && (ro.Members[to] == nil || ro.Members[to].Pending || to == r.User):
			return nil, fmt.Errorf("transfer of workspace %v: %w", ws.ID, stacksync.ErrMemberNotFound)
		case named:
			used[ws.ID] = true
			if err := ro.Transfer(ctx, w, to); err != nil {
				return nil, fmt.Errorf("transfer workspace %v: %w", ws.ID, err)
			}
			w.Rows.Members = slices.DeleteFunc(w.Rows.Members, func(m stacksync.Member) bool { return m.User == r.User })
			data.Left = append(data.Left, ws.ID)
			if ws.Encrypted {
				w.Workspace(ws).KeyGeneration++
			}
		case len(others) > 0 && !r.DeleteShared:
			kept = append(kept, ws.ID)
		default:
			if err := ro.CheckStays(ctx, w); err != nil {
				return nil, err
			}
			u.QuotaUsed -= ws.Size
			data.Spaces = append(data.Spaces, ws.ID)
			for _, other := range others {
				gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ws.ID, User: other})
			}
		}
		if err := ro.Touch(ctx, w); err != nil {
			return nil, err
		}
		gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ws.ID, User: r.User})
		if slices.Contains(data.Spaces, ws.ID) {
			continue
		}
		// As with Leave, the folder returns when only its owner is left.
		delete(ro.Members, r.User)
		if len(ro.Members) == 1 && !ws.Encrypted {
			ro.Owner = w.Changed(w.Owner(ws))
			op, err := s.recordReturn(ctx, w, ro)
			if err != nil {
				return nil, err
			}
			ops = append(ops, *op)
		}
	}
	for id := range r.Transfer {
		if !used[id] {
			return nil, &stacksync.FieldError{Field: fmt.Sprintf("Transfer[%v]", id), Reason: "is no shared workspace of the user's"}
		}
	}
	if kept != nil {
		return nil, &stacksync.SharedWorkspacesError{Workspaces: kept}
	}
	if _, err := w.Remove(ctx, gone); err != nil {
		return nil, err
	}
	op, err := s.engine.Record(w, stacksync.OperationDelete, r.User, u.DefaultWorkspace, stacksync.WorkspaceID{}, &data)
	u.DefaultWorkspace = stacksync.WorkspaceID{}
	return append(ops, op), err
}

// resumeDeletion returns the operation that removes a user who is in no workspace any more: a
// stopped operation, taken up again, or a new one. ErrBusy: the operation is running.
// member.ErrStale: it has stopped since lockFor read.
func (s *Service) resumeDeletion(ctx context.Context, w *session.Write, user stacksync.UserID, lock stacksync.LockParams) ([]stacksync.Operation, error) {
	for _, state := range []stacksync.OperationState{stacksync.OperationRunning, stacksync.OperationStopped} {
		res, err := w.Operations(ctx, stacksync.OperationsParams{Users: []stacksync.UserID{user}, State: state, Limit: operation.Most})
		if err != nil {
			return nil, err
		}
		for _, op := range res.Operations {
			switch {
			case op.Kind != stacksync.OperationDelete:
			case state == stacksync.OperationRunning:
				return nil, fmt.Errorf("%w: operation %v deletes the user", stacksync.ErrBusy, op.ID)
			case !slices.Contains(lock.Operations, op.ID): // it has stopped just now
				return nil, member.ErrStale
			default:
				s.engine.TakeUp(w, &op)
				return []stacksync.Operation{op}, nil
			}
		}
	}
	op, err := s.engine.Record(w, stacksync.OperationDelete, user, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, &deletion{})
	return []stacksync.Operation{op}, err
}
