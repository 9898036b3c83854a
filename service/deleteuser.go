package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
)

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
	const tries = 100
	for range tries {
		var ops []stacksync.Operation
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
	return fmt.Errorf("memberships keep changing: %w", stacksync.ErrBusy)
}

// lockFor returns what the deletion of a user has to lock: the workspaces the user is in, all their members, and an earlier deletion that
// has stopped.
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
			lock.Operations, err = operationsOf(ctx, rd, r.User, stacksync.OperationDelete, stacksync.OperationStopped)
		}
		return err
	})
	return lock, err
}

// dissolve takes a user out of everything, and records that what the user leaves behind is to be removed.
func (w *write) dissolve(ctx context.Context, r stacksync.DeleteUserRequest, lock stacksync.LockParams) ([]stacksync.Operation, error) {
	u, err := w.user(ctx, r.User)
	if err != nil {
		return nil, err
	}
	mounts, err := w.Memberships(ctx, stacksync.MembershipsParams{User: r.User})
	if err != nil {
		return nil, err
	}
	if u.Leaving() {
		return w.resumeDeletion(ctx, r.User, lock)
	}
	var (
		data operationData
		ops  []stacksync.Operation
		gone stacksync.RemoveParams
		kept []stacksync.WorkspaceID // shared, without a decision
		used = make(map[stacksync.WorkspaceID]bool)
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
			return nil, fmt.Errorf("transfer of workspace %v: %w", ws.ID, stacksync.ErrMemberNotFound)
		case named:
			used[ws.ID] = true
			if err := w.transfer(ctx, ro, to); err != nil {
				return nil, fmt.Errorf("transfer workspace %v: %w", ws.ID, err)
			}
			w.put.Members = slices.DeleteFunc(w.put.Members, func(m stacksync.Member) bool { return m.User == r.User })
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
				gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ws.ID, User: other})
			}
		}
		if err := w.touchAll(ctx, ro); err != nil {
			return nil, err
		}
		gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ws.ID, User: r.User})
		if slices.Contains(data.Spaces, ws.ID) {
			continue
		}
		// As with Leave: the folder returns when none but its owner is left.
		delete(ro.members, r.User)
		if len(ro.members) == 1 && !ws.Encrypted {
			ro.Owner = w.users[w.owner(ws)]
			op, err := w.recordReturn(ctx, ro)
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
	op, err := w.record(stacksync.OperationDelete, r.User, u.DefaultWorkspace, stacksync.WorkspaceID{}, data)
	u.DefaultWorkspace = stacksync.WorkspaceID{}
	return append(ops, op), err
}

// resumeDeletion returns the operation that removes a user who is in nothing any more.
func (w *write) resumeDeletion(ctx context.Context, user stacksync.UserID, lock stacksync.LockParams) ([]stacksync.Operation, error) {
	for _, state := range []stacksync.OperationState{stacksync.OperationRunning, stacksync.OperationStopped} {
		res, err := w.Operations(ctx, stacksync.OperationsParams{Users: []stacksync.UserID{user}, State: state, Limit: maxOperations})
		if err != nil {
			return nil, err
		}
		for _, op := range res.Operations {
			switch {
			case op.Kind != stacksync.OperationDelete:
			case state == stacksync.OperationRunning:
				return nil, fmt.Errorf("%w: operation %v deletes the user", stacksync.ErrBusy, op.ID)
			case !slices.Contains(lock.Operations, op.ID): // it has just stopped
				return nil, errStaleRoster
			default:
				w.takeUp(&op)
				return []stacksync.Operation{op}, nil
			}
		}
	}
	op, err := w.record(stacksync.OperationDelete, user, stacksync.WorkspaceID{}, stacksync.WorkspaceID{}, operationData{})
	return []stacksync.Operation{op}, err
}

// roster reads the members of a workspace, all of whom must be locked.
func (w *write) roster(ctx context.Context, ws *stacksync.Workspace, lock stacksync.LockParams) (*roster, error) {
	if !slices.Contains(lock.Workspaces, ws.ID) {
		return nil, errStaleRoster
	}
	owner, err := w.user(ctx, ws.Owner)
	if err != nil {
		return nil, err
	}
	ro := &roster{Workspace: ws, Owner: owner, members: make(map[stacksync.UserID]*stacksync.Member)}
	res, err := w.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{ws.ID}})
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
