package stacksync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// DeleteUserRequest is that of Accounts.DeleteUser.
type DeleteUserRequest struct {
	User UserID
	// Transfer says who becomes the owner of shared workspaces: a member of each, whose quota must hold it.
	Transfer map[WorkspaceID]UserID
	// DeleteShared deletes the shared workspaces that Transfer does not name, for all their members. One that has no other
	// member, nor anybody invited, as an encrypted one may have none, is deleted with the user in any case.
	DeleteShared bool
}

// DeleteUserResult is that of Accounts.DeleteUser.
type DeleteUserResult struct{}

// SharedWorkspacesError names the workspaces of an ErrSharedWorkspaces.
type SharedWorkspacesError struct{ Workspaces []WorkspaceID }

func (e *SharedWorkspacesError) Error() string {
	return fmt.Sprintf("%v, %d of which nobody is to get", ErrSharedWorkspaces, len(e.Workspaces))
}

// Unwrap returns ErrSharedWorkspaces.
func (e *SharedWorkspacesError) Unwrap() error { return ErrSharedWorkspaces }

// DeleteUser implements Accounts.
func (s *Service) DeleteUser(ctx context.Context, r DeleteUserRequest) (DeleteUserResult, error) {
	return call(ctx, s, "DeleteUser", func(ctx context.Context) (DeleteUserResult, int, error) {
		return DeleteUserResult{}, 1, s.deleteUser(ctx, r)
	})
}

func (s *Service) deleteUser(ctx context.Context, r DeleteUserRequest) error {
	if err := r.User.check("User"); err != nil {
		return err
	}
	const tries = 100
	for range tries {
		var ops []Operation
		lock, err := s.lockFor(ctx, r)
		if err == nil {
			err = s.write(ctx, lock, func(ctx context.Context, w *write) (err error) {
				ops, err = w.dissolve(ctx, r, lock)
				return err
			})
		}
		if errors.Is(err, errStaleRoster) {
			continue
		}
		if err != nil {
			return err
		}
		return s.finish(ctx, ops...)
	}
	return fmt.Errorf("memberships keep changing: %w", ErrBusy)
}

// lockFor returns what the deletion of a user has to lock: the workspaces the user is in, all their members, and an earlier deletion that
// has stopped.
func (s *Service) lockFor(ctx context.Context, r DeleteUserRequest) (LockParams, error) {
	lock := LockParams{Users: []UserID{r.User}}
	err := s.store.View(ctx, func(ctx context.Context, rd Reader) error {
		rows, err := rd.Memberships(ctx, MembershipsParams{User: r.User})
		if err != nil {
			return err
		}
		for i := range rows.Workspaces {
			lock.Workspaces = append(lock.Workspaces, rows.Workspaces[i].ID)
		}
		members, err := rd.Members(ctx, MembersParams{Workspaces: lock.Workspaces})
		for i := range members.Members {
			lock.Users = append(lock.Users, members.Members[i].User)
		}
		if err == nil {
			lock.Operations, err = operationsOf(ctx, rd, r.User, OperationDelete, OperationStopped)
		}
		return err
	})
	return lock, err
}

// dissolve takes a user out of everything, and records that what the user leaves behind is to be removed.
func (w *write) dissolve(ctx context.Context, r DeleteUserRequest, lock LockParams) ([]Operation, error) {
	u, err := w.user(ctx, r.User)
	if err != nil {
		return nil, err
	}
	mounts, err := w.Memberships(ctx, MembershipsParams{User: r.User})
	if err != nil {
		return nil, err
	}
	if u.leaving() {
		return w.resumeDeletion(ctx, r.User, lock)
	}
	var (
		data operationData
		ops  []Operation
		gone RemoveParams
		kept []WorkspaceID // shared, without a decision
		used = make(map[WorkspaceID]bool)
	)
	for i := range mounts.Workspaces {
		ws := &mounts.Workspaces[i]
		ro, err := w.roster(ctx, ws, lock)
		if err != nil {
			return nil, err
		}
		others := ro.others()
		to, named := r.Transfer[ws.ID]
		named = named && !ws.Folder.IsZero()
		switch {
		case ws.Owner != r.User:
			data.Left = append(data.Left, ws.ID)
			if ws.Encrypted {
				w.space(ws).KeyGeneration++
			}
		case named && (ro.members[to] == nil || ro.members[to].Pending || to == r.User):
			return nil, fmt.Errorf("transfer of workspace %v: %w", ws.ID, ErrMemberNotFound)
		case named:
			used[ws.ID] = true
			if err := w.transfer(ctx, ro, to); err != nil {
				return nil, fmt.Errorf("transfer workspace %v: %w", ws.ID, err)
			}
			w.put.Members = slices.DeleteFunc(w.put.Members, func(m Member) bool { return m.User == r.User })
			data.Left = append(data.Left, ws.ID)
			if ws.Encrypted {
				w.space(ws).KeyGeneration++
			}
		case len(others) > 0 && !r.DeleteShared:
			kept = append(kept, ws.ID)
		default:
			if err := ro.checkStays(ctx, w); err != nil {
				return nil, err
			}
			u.QuotaUsed -= ws.Size
			data.Spaces = append(data.Spaces, ws.ID)
			for _, other := range others {
				gone.Members = append(gone.Members, MemberKey{ws.ID, other})
			}
		}
		if err := w.touchAll(ctx, ro); err != nil {
			return nil, err
		}
		gone.Members = append(gone.Members, MemberKey{ws.ID, r.User})
		if slices.Contains(data.Spaces, ws.ID) {
			continue
		}
		// As with Leave: the folder returns when none but its owner is left.
		delete(ro.members, r.User)
		if len(ro.members) == 1 && !ws.Encrypted {
			ro.owner = w.users[w.owner(ws)]
			op, err := w.recordReturn(ctx, ro)
			if err != nil {
				return nil, err
			}
			ops = append(ops, *op)
		}
	}
	for id := range r.Transfer {
		if !used[id] {
			return nil, &FieldError{Field: fmt.Sprintf("Transfer[%v]", id), Reason: "is no shared workspace of the user's"}
		}
	}
	if kept != nil {
		return nil, &SharedWorkspacesError{Workspaces: kept}
	}
	if _, err := w.Remove(ctx, gone); err != nil {
		return nil, err
	}
	op, err := w.record(OperationDelete, r.User, u.DefaultWorkspace, WorkspaceID{}, data)
	u.DefaultWorkspace = WorkspaceID{}
	return append(ops, op), err
}

// resumeDeletion returns the operation that removes a user who is in nothing any more.
func (w *write) resumeDeletion(ctx context.Context, user UserID, lock LockParams) ([]Operation, error) {
	for _, state := range []OperationState{OperationRunning, OperationStopped} {
		res, err := w.Operations(ctx, OperationsParams{Users: []UserID{user}, State: state, Limit: maxOperations})
		if err != nil {
			return nil, err
		}
		for _, op := range res.Operations {
			switch {
			case op.Kind != OperationDelete:
			case state == OperationRunning:
				return nil, fmt.Errorf("%w: operation %v deletes the user", ErrBusy, op.ID)
			case !slices.Contains(lock.Operations, op.ID): // it has just stopped
				return nil, errStaleRoster
			default:
				w.takeUp(&op)
				return []Operation{op}, nil
			}
		}
	}
	op, err := w.record(OperationDelete, user, WorkspaceID{}, WorkspaceID{}, operationData{})
	return []Operation{op}, err
}

// roster reads the members of a workspace, all of whom must be locked.
func (w *write) roster(ctx context.Context, ws *Workspace, lock LockParams) (*roster, error) {
	if !slices.Contains(lock.Workspaces, ws.ID) {
		return nil, errStaleRoster
	}
	owner, err := w.user(ctx, ws.Owner)
	if err != nil {
		return nil, err
	}
	ro := &roster{access: access{workspace: ws, owner: owner}, members: make(map[UserID]*Member)}
	res, err := w.Members(ctx, MembersParams{Workspaces: []WorkspaceID{ws.ID}})
	if err != nil {
		return nil, err
	}
	for i := range res.Members {
		m := res.Members[i]
		ro.members[m.User] = &m
	}
	for u := range maps.Keys(ro.members) {
		if !slices.Contains(lock.Users, u) {
			return nil, errStaleRoster
		}
	}
	return ro, nil
}
