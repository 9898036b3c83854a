package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// maxSealedKey bounds a sealed key, in bytes.
const maxSealedKey = 4096

// roster is a workspace with its members, under the lock of all of them.
type roster struct {
	Workspace *stacksync.Workspace
	Owner     *stacksync.User
	members   map[stacksync.UserID]*stacksync.Member
}

// others returns the members but the owner, by id.
func (ro *roster) others() []stacksync.UserID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ro.members)), func(u stacksync.UserID) bool { return u == ro.Workspace.Owner })
}

var errStaleRoster = errors.New("members have changed")

// manage runs a transaction about the members of a workspace for an actor who has what n asks. It locks the workspace, its members and some
// other users.
func (s *Service) manage(ctx context.Context, actor stacksync.Actor, id stacksync.WorkspaceID, n stacksync.Needs, users []stacksync.UserID, f func(ctx context.Context, w *write, ro *roster) error) error {
	const tries = 100
	for range tries {
		// Users are locked together with the workspace, so who they are has to be known before.
		lock := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{id}, Users: append(slices.Clone(users), actor.User)}
		err := s.view(ctx, actor, id, n, func(ctx context.Context, r stacksync.Reader, _ stacksync.Access) error {
			res, err := r.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{id}})
			for i := range res.Members {
				lock.Users = append(lock.Users, res.Members[i].User)
			}
			return err
		})
		if err != nil {
			return err
		}
		err = s.write(ctx, lock, func(ctx context.Context, w *write) error {
			rows, err := w.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{stacksync.NewAccessKey(actor, id)}})
			if err != nil {
				return err
			}
			acc, err := rows.Permit(actor, id, n)
			if err != nil {
				return err
			}
			ro, err := w.roster(ctx, acc.Workspace, lock)
			if err != nil {
				return err
			}
			return f(ctx, w, ro)
		})
		if !errors.Is(err, errStaleRoster) {
			return err
		}
	}
	return fmt.Errorf("members keep changing: %w", stacksync.ErrBusy)
}

// toManage is what the calls of an owner need.
var toManage = stacksync.Needs{Role: stacksync.Owner}

// touchAll tells all members.
func (w *write) touchAll(ctx context.Context, ro *roster) error {
	return w.touch(ctx, slices.Sorted(maps.Keys(ro.members))...)
}

// finishIf finishes what a transaction has recorded, if anything.
func (s *Service) finishIf(ctx context.Context, op *stacksync.Operation) error {
	if op == nil {
		return nil
	}
	return s.finish(ctx, *op)
}

// takeOut removes members. When none but the owner is left, the return of the folder is recorded.
func (w *write) takeOut(ctx context.Context, ro *roster, users []stacksync.UserID) (*stacksync.Operation, error) {
	if err := w.touchAll(ctx, ro); err != nil {
		return nil, err
	}
	var gone stacksync.RemoveParams
	for _, u := range users {
		if ro.members[u] != nil {
			gone.Members = append(gone.Members, stacksync.MemberKey{Workspace: ro.Workspace.ID, User: u})
			delete(ro.members, u)
		}
	}
	if len(gone.Members) > 0 {
		if _, err := w.Remove(ctx, gone); err != nil {
			return nil, err
		}
		if ws := ro.Workspace; ws.Encrypted {
			w.space(ws).KeyGeneration++ // who has gone knows the key
		}
	}
	// The content of an encrypted workspace can't be read without its key: it stays, with its owner.
	if len(ro.others()) > 0 || ro.Workspace.Encrypted {
		if len(gone.Members) == 0 {
			return nil, nil
		}
		return w.storageKnows(ro.Workspace)
	}
	return w.recordReturn(ctx, ro)
}

// recordReturn records that the folder is to return, unless it is on its way already.
func (w *write) recordReturn(ctx context.Context, ro *roster) (*stacksync.Operation, error) {
	unfinished, err := w.unfinished(ctx, ro.Workspace.ID)
	if err != nil {
		return nil, err
	}
	for i := range unfinished {
		if op := &unfinished[i]; op.Kind == stacksync.OperationReturn {
			return nil, fmt.Errorf("%w: the folder is on its way back: operation %v", stacksync.ErrBusy, op.ID)
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
	op, err := w.record(stacksync.OperationReturn, w.owner(ro.Workspace), ro.Owner.DefaultWorkspace, ro.Workspace.ID, operationData{Folder: folder, Secret: secret})
	return &op, err
}

func (ro *roster) checkShared() error {
	if ro.Workspace.Folder.IsZero() {
		return stacksync.ErrNotShared
	}
	return nil
}

// Unshare implements Sharing.
func (s *Service) Unshare(ctx context.Context, r stacksync.UnshareRequest) (stacksync.UnshareResult, error) {
	return call(ctx, s, "Unshare", func(ctx context.Context) (stacksync.UnshareResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			users := r.Users
			if len(users) == 0 {
				users = ro.others()
			}
			if slices.Contains(users, ro.Workspace.Owner) {
				return fmt.Errorf("%w: %q", stacksync.ErrIsOwner, ro.Workspace.Owner)
			}
			op, err = w.takeOut(ctx, ro, users)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return stacksync.UnshareResult{}, max(1, len(r.Users)), err
	})
}

// Leave implements Sharing.
func (s *Service) Leave(ctx context.Context, r stacksync.LeaveRequest) (stacksync.LeaveResult, error) {
	return call(ctx, s, "Leave", func(ctx context.Context) (stacksync.LeaveResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toRead, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			if r.User == ro.Workspace.Owner {
				return stacksync.ErrIsOwner
			}
			op, err = w.takeOut(ctx, ro, []stacksync.UserID{r.User})
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
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
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			m := ro.members[r.User]
			switch {
			case m == nil:
				return stacksync.ErrMemberNotFound
			case r.User == ro.Workspace.Owner:
				return stacksync.ErrIsOwner
			}
			op = nil
			if m.Role != r.Role {
				m.Role = r.Role
				w.put.Members = append(w.put.Members, *m)
				if err := w.touchAll(ctx, ro); err != nil {
					return err
				}
				op, err = w.storageHears(ctx, ro.Workspace)
			}
			res.Member = publicMember(m, r.Actor.User)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return res, 1, err
	})
}

// TransferOwnership implements Sharing.
func (s *Service) TransferOwnership(ctx context.Context, r stacksync.TransferOwnershipRequest) (stacksync.TransferOwnershipResult, error) {
	return call(ctx, s, "TransferOwnership", func(ctx context.Context) (stacksync.TransferOwnershipResult, int, error) {
		var op *stacksync.Operation
		err := s.manage(ctx, r.Actor, r.Workspace, toManage, nil, func(ctx context.Context, w *write, ro *roster) (err error) {
			if err := ro.checkShared(); err != nil {
				return err
			}
			if m := ro.members[r.To]; m == nil || m.Pending {
				return stacksync.ErrMemberNotFound
			}
			op = nil
			if r.To == ro.Workspace.Owner {
				return nil
			}
			if err := w.transfer(ctx, ro, r.To); err != nil {
				return err
			}
			op, err = w.storageHears(ctx, ro.Workspace)
			return err
		})
		if err == nil {
			err = s.finishIf(ctx, op)
		}
		return stacksync.TransferOwnershipResult{}, 1, err
	})
}

// transfer makes another member the owner.
func (w *write) transfer(ctx context.Context, ro *roster, to stacksync.UserID) error {
	if err := ro.checkStays(ctx, w); err != nil {
		return err
	}
	bytes := ro.Workspace.Size
	was, err := w.user(ctx, ro.Workspace.Owner)
	if err != nil {
		return err
	}
	is, err := w.user(ctx, to)
	if err != nil {
		return err
	}
	if err := is.CheckQuota(bytes); err != nil {
		return err
	}
	was.QuotaUsed -= bytes
	is.QuotaUsed += bytes
	old, next := ro.members[was.ID], ro.members[is.ID]
	old.Role, next.Role = stacksync.Editor, stacksync.Owner
	w.put.Members = append(w.put.Members, *old, *next)
	w.space(ro.Workspace).Owner = is.ID
	return w.touchAll(ctx, ro)
}

// checkStays refuses to change the owner of a workspace while items leave it or come to it.
func (ro *roster) checkStays(ctx context.Context, w *write) error {
	unfinished, err := w.unfinished(ctx, ro.Workspace.ID)
	if err != nil {
		return err
	}
	for i := range unfinished {
		op := &unfinished[i]
		if told := op.Kind == stacksync.OperationShare && op.Step == accessStep; op.Kind != stacksync.OperationAccess && !told {
			return fmt.Errorf("%w: operation %v is not done", stacksync.ErrBusy, op.ID)
		}
	}
	return nil
}

// publicMember returns what a user may see of a member: not another one's key, nor where that has the mount.
func publicMember(m *stacksync.Member, to stacksync.UserID) stacksync.Member {
	shown := *m
	shown.SealedKey = ""
	if m.User != to {
		shown.MountName, shown.MountParent = "", stacksync.ItemID{}
	}
	return shown
}

// ListMembers implements Sharing.
func (s *Service) ListMembers(ctx context.Context, r stacksync.ListMembersRequest) (stacksync.ListMembersResult, error) {
	return call(ctx, s, "ListMembers", func(ctx context.Context) (stacksync.ListMembersResult, int, error) {
		var res stacksync.ListMembersResult
		err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
			rows, err := rd.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{r.Workspace}})
			res.Members = make([]stacksync.Member, len(rows.Members))
			for i := range rows.Members {
				res.Members[i] = publicMember(&rows.Members[i], r.User)
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
			if err := checkSealedKey(fmt.Sprintf("Keys[%q]", u), key); err != nil {
				return stacksync.SetKeysResult{}, 0, err
			}
		}
		err := s.manage(ctx, r.Actor, r.Workspace, stacksync.Needs{Role: stacksync.Editor}, nil, func(ctx context.Context, w *write, ro *roster) error {
			ws := ro.Workspace
			next := ws.KeyGeneration
			if ro.keyed() {
				next++ // another key of a generation that is in use would take the first one's place
			}
			if !ws.Encrypted || r.Generation != ws.KeyGeneration+1 && r.Generation != next {
				return fmt.Errorf("%w: it is %d, and the next one to be handed out %d", stacksync.ErrKeyGeneration, ws.KeyGeneration, next)
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
				return &stacksync.FieldError{Field: "Keys", Reason: "lack " + strings.Join(lacking, ", ")}
			}
			w.space(ws).KeyGeneration = r.Generation
			return w.touchAll(ctx, ro)
		})
		return stacksync.SetKeysResult{}, len(r.Keys), err
	})
}

// keyed reports whether some member has a key of the present generation.
func (ro *roster) keyed() bool {
	for _, m := range ro.members {
		if m.KeyGeneration == ro.Workspace.KeyGeneration {
			return true
		}
	}
	return false
}

func checkSealedKey(field, key string) error {
	if key == "" {
		return &stacksync.FieldError{Field: field, Reason: "is empty"}
	}
	return stacksync.CheckText(field, key, maxSealedKey)
}
