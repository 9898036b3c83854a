package stacksync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxSealedKey bounds a sealed key, in bytes.
const maxSealedKey = 4096

// roster is a workspace with its members, under the lock of all of them.
type roster struct {
	access
	members map[UserID]*Member
}

// others returns the members but the owner, by id.
func (ro *roster) others() []UserID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ro.members)), func(u UserID) bool { return u == ro.workspace.Owner })
}

var errStaleRoster = errors.New("members have changed")

// manage runs a transaction about the members of a workspace for an actor who has what n asks. It locks the workspace, its members and some
// other users.
func (s *Service) manage(ctx context.Context, actor Actor, id WorkspaceID, n needs, users []UserID, f func(ctx context.Context, w *write, ro *roster) error) error {
	const tries = 100
	for range tries {
		// Users are locked together with the workspace, so who they are has to be known before.
		lock := LockParams{Workspaces: []WorkspaceID{id}, Users: append(slices.Clone(users), actor.User)}
		err := s.view(ctx, actor, id, n, func(ctx context.Context, r Reader, _ access) error {
			res, err := r.Members(ctx, MembersParams{Workspaces: []WorkspaceID{id}})
			for i := range res.Members {
				lock.Users = append(lock.Users, res.Members[i].User)
			}
			return err
		})
		if err != nil {
			return err
		}
		err = s.write(ctx, lock, func(ctx context.Context, w *write) error {
			rows, err := w.Load(ctx, LoadParams{Access: []AccessKey{actor.key(id)}})
			if err != nil {
				return err
			}
			acc, err := rows.permit(actor, id, n)
			if err != nil {
				return err
			}
			ro, err := w.roster(ctx, acc.workspace, lock)
			if err != nil {
				return err
			}
			return f(ctx, w, ro)
		})
		if !errors.Is(err, errStaleRoster) {
			return err
		}
	}
	return fmt.Errorf("members keep changing: %w", ErrBusy)
}

// toManage is what the calls of an owner need.
var toManage = needs{role: Owner}

// touchAll tells all members.
func (w *write) touchAll(ctx context.Context, ro *roster) error {
	return w.touch(ctx, slices.Sorted(maps.Keys(ro.members))...)
}

// finishIf finishes what a transaction has recorded, if anything.
func (s *Service) finishIf(ctx context.Context, op *Operation) error {
	if op == nil {
		return nil
	}
	return s.finish(ctx, *op)
}

// takeOut removes members. When none but the owner is left, the return of the folder is recorded.
func (w *write) takeOut(ctx context.Context, ro *roster, users []UserID) (*Operation, error) {
	if err := w.touchAll(ctx, ro); err != nil {
		return nil, err
	}
	var gone RemoveParams
	for _, u := range users {
		if ro.members[u] != nil {
			gone.Members = append(gone.Members, MemberKey{ro.workspace.ID, u})
			delete(ro.members, u)
		}
	}
	if len(gone.Members) > 0 {
		if _, err := w.Remove(ctx, gone); err != nil {
			return nil, err
		}
		if ws := ro.workspace; ws.Encrypted {
			w.space(ws).KeyGeneration++ // who has gone knows the key
		}
	}
	// The content of an encrypted workspace can't be read without its key: it stays, with its owner.
	if len(ro.others()) > 0 || ro.workspace.Encrypted {
		if len(gone.Members) == 0 {
			return nil, nil
		}
		return w.storageKnows(ro.workspace)
	}
	return w.recordReturn(ctx, ro)
}

// recordReturn records that the folder is to return, unless it is on its way already.
func (w *write) recordReturn(ctx context.Context, ro *roster) (*Operation, error) {
	unfinished, err := w.unfinished(ctx, ro.workspace.ID)
	if err != nil {
		return nil, err
	}
	for i := range unfinished {
		if op := &unfinished[i]; op.Kind == OperationReturn {
			return nil, fmt.Errorf("%w: the folder is on its way back: operation %v", ErrBusy, op.ID)
		}
	}
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	folder, err := w.returnsTo(ctx, ro)
	if err != nil {
		return nil, err
	}
	// It is the owner's: who has left must not see it.
	op, err := w.record(OperationReturn, w.owner(ro.workspace), ro.owner.DefaultWorkspace, ro.workspace.ID, operationData{Folder: folder, Secret: secret})
	return &op, err
}

func (ro *roster) checkShared() error {
	if ro.workspace.Folder.IsZero() {
		return ErrNotShared
	}
	return nil
}

// Unshare implements Sharing.
func (s *Service) Unshare(ctx context.Context, r UnshareRequest) (UnshareResult, error) {
	return call(ctx, s, "Unshare", func(ctx context.Context) (UnshareResult, int, error) {
		var op *Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			users := r.Users
			if len(users) == 0 {
				users = ro.others()
			}
			if slices.Contains(users, ro.workspace.Owner) {
				return fmt.Errorf("%w: %q", ErrIsOwner, ro.workspace.Owner)
			}
			op, err = w.takeOut(ctx, ro, users)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return UnshareResult{}, max(1, len(r.Users)), err
	})
}

// Leave implements Sharing.
func (s *Service) Leave(ctx context.Context, r LeaveRequest) (LeaveResult, error) {
	return call(ctx, s, "Leave", func(ctx context.Context) (LeaveResult, int, error) {
		var op *Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toRead, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			if r.User == ro.workspace.Owner {
				return ErrIsOwner
			}
			op, err = w.takeOut(ctx, ro, []UserID{r.User})
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return LeaveResult{}, 1, err
	})
}

// SetRole implements Sharing.
func (s *Service) SetRole(ctx context.Context, r SetRoleRequest) (SetRoleResult, error) {
	return call(ctx, s, "SetRole", func(ctx context.Context) (SetRoleResult, int, error) {
		if r.Role != Viewer && r.Role != Editor {
			return SetRoleResult{}, 0, &FieldError{Field: "Role", Reason: "is neither Viewer nor Editor"}
		}
		var (
			op  *Operation
			res SetRoleResult
		)
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			m := ro.members[r.User]
			switch {
			case m == nil:
				return ErrMemberNotFound
			case r.User == ro.workspace.Owner:
				return ErrIsOwner
			}
			op = nil
			if m.Role != r.Role {
				m.Role = r.Role
				w.put.Members = append(w.put.Members, *m)
				if err := w.touchAll(ctx, ro); err != nil {
					return err
				}
				op, err = w.storageHears(ctx, ro.workspace)
			}
			res.Member = m.public(r.Actor.User)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return res, 1, err
	})
}

// TransferOwnership implements Sharing.
func (s *Service) TransferOwnership(ctx context.Context, r TransferOwnershipRequest) (TransferOwnershipResult, error) {
	return call(ctx, s, "TransferOwnership", func(ctx context.Context) (TransferOwnershipResult, int, error) {
		var op *Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			if m := ro.members[r.To]; m == nil || m.Pending {
				return ErrMemberNotFound
			}
			op = nil
			if r.To == ro.workspace.Owner {
				return nil
			}
			if err := w.transfer(ctx, ro, r.To); err != nil {
				return err
			}
			op, err = w.storageHears(ctx, ro.workspace)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return TransferOwnershipResult{}, 1, err
	})
}

// transfer makes another member the owner.
func (w *write) transfer(ctx context.Context, ro *roster, to UserID) error {
	if err := ro.checkStays(ctx, w); err != nil {
		return err
	}
	bytes := ro.workspace.Size
	was, err := w.user(ctx, ro.workspace.Owner)
	if err != nil {
		return err
	}
	is, err := w.user(ctx, to)
	if err != nil {
		return err
	}
	if err := is.checkQuota(bytes); err != nil {
		return err
	}
	was.QuotaUsed -= bytes
	is.QuotaUsed += bytes
	old, next := ro.members[was.ID], ro.members[is.ID]
	old.Role, next.Role = Editor, Owner
	w.put.Members = append(w.put.Members, *old, *next)
	w.space(ro.workspace).Owner = is.ID
	return w.touchAll(ctx, ro)
}

// checkStays refuses to change the owner of a workspace while items leave it or come to it.
func (ro *roster) checkStays(ctx context.Context, w *write) error {
	unfinished, err := w.unfinished(ctx, ro.workspace.ID)
	if err != nil {
		return err
	}
	for i := range unfinished {
		op := &unfinished[i]
		if told := op.Kind == OperationShare && op.Step == accessStep; op.Kind != OperationAccess && !told {
			return fmt.Errorf("%w: operation %v is not done", ErrBusy, op.ID)
		}
	}
	return nil
}

// public returns what a user may see of a member: not another one's key, nor where that has the mount.
func (m *Member) public(to UserID) Member {
	shown := *m
	shown.SealedKey = ""
	if m.User != to {
		shown.MountName, shown.MountParent = "", ItemID{}
	}
	return shown
}

// ListMembers implements Sharing.
func (s *Service) ListMembers(ctx context.Context, r ListMembersRequest) (ListMembersResult, error) {
	return call(ctx, s, "ListMembers", func(ctx context.Context) (ListMembersResult, int, error) {
		var res ListMembersResult
		err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, _ access) error {
			rows, err := rd.Members(ctx, MembersParams{Workspaces: []WorkspaceID{r.Workspace}})
			res.Members = make([]Member, len(rows.Members))
			for i := range rows.Members {
				res.Members[i] = rows.Members[i].public(r.User)
			}
			return err
		})
		return res, len(res.Members), err
	})
}

// SetKeys implements Sharing.
func (s *Service) SetKeys(ctx context.Context, r SetKeysRequest) (SetKeysResult, error) {
	return call(ctx, s, "SetKeys", func(ctx context.Context) (SetKeysResult, int, error) {
		for u, key := range r.Keys {
			if err := checkSealedKey(fmt.Sprintf("Keys[%q]", u), key); err != nil {
				return SetKeysResult{}, 0, err
			}
		}
		err := s.manage(ctx, r.Actor, r.Workspace, needs{role: Editor}, nil, func(ctx context.Context, w *write, ro *roster) error {
			ws := ro.workspace
			next := ws.KeyGeneration
			if ro.keyed() {
				next++ // another key of a generation that is in use would take the first one's place
			}
			if !ws.Encrypted || r.Generation != ws.KeyGeneration+1 && r.Generation != next {
				return fmt.Errorf("%w: it is %d, and the next one to be handed out %d", ErrKeyGeneration, ws.KeyGeneration, next)
			}
			var lacking []string
			for id, m := range ro.members {
				key, ok := r.Keys[id]
				if !ok {
					lacking = append(lacking, string(id))
					continue
				}
				m.SealedKey, m.KeyGeneration = key, r.Generation
				w.put.Members = append(w.put.Members, *m)
			}
			if len(lacking) > 0 {
				slices.Sort(lacking)
				return &FieldError{Field: "Keys", Reason: "lack " + strings.Join(lacking, ", ")}
			}
			w.space(ws).KeyGeneration = r.Generation
			return w.touchAll(ctx, ro)
		})
		return SetKeysResult{}, len(r.Keys), err
	})
}

// keyed reports whether some member has a key of the present generation.
func (ro *roster) keyed() bool {
	for _, m := range ro.members {
		if m.KeyGeneration == ro.workspace.KeyGeneration {
			return true
		}
	}
	return false
}

func checkSealedKey(field, key string) error {
	if key == "" {
		return &FieldError{Field: field, Reason: "is empty"}
	}
	return checkText(field, key, maxSealedKey)
}
