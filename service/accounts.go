package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// PutUser implements Accounts.
func (s *Service) PutUser(ctx context.Context, r stacksync.PutUserRequest) (stacksync.PutUserResult, error) {
	return call(ctx, s, "PutUser", func(ctx context.Context) (stacksync.PutUserResult, int, error) {
		user, err := s.putUser(ctx, r)
		return stacksync.PutUserResult{User: user}, 1, err
	})
}

func (s *Service) putUser(ctx context.Context, r stacksync.PutUserRequest) (stacksync.User, error) {
	if err := stacksync.CheckUserID("User", r.User); err != nil {
		return stacksync.User{}, err
	}
	if r.QuotaLimit != nil && *r.QuotaLimit < 0 {
		return stacksync.User{}, &stacksync.FieldError{Field: "QuotaLimit", Reason: "is negative"}
	}
	acc, err := s.findUser(ctx, r.User)
	if err != nil {
		return stacksync.User{}, err
	}
	if acc.Owner == nil || r.QuotaLimit != nil && *r.QuotaLimit != acc.Owner.QuotaLimit {
		if acc, err = s.saveUser(ctx, r); err != nil {
			return stacksync.User{}, err
		}
	}
	// The container is made after the rows that name it, and a repeated call makes it if a crash
	// came between the two. So there is never a container that no row names.
	if s.kernel.Storage != nil {
		if err := s.kernel.Provisioned(ctx, acc.Workspace); err != nil {
			if errors.Is(err, stacksync.ErrWorkspaceNotFound) {
				err = errLeaving
			}
			return stacksync.User{}, err
		}
	}
	return *acc.Owner, nil
}

// findUser reads a user with the default workspace. The result is zero for an unknown user, and the
// error is errLeaving for a user who is being deleted.
func (s *Service) findUser(ctx context.Context, id stacksync.UserID) (stacksync.Access, error) {
	var acc stacksync.Access
	err := s.store.View(ctx, func(ctx context.Context, r stacksync.Reader) (err error) {
		acc, err = readUser(ctx, r, id)
		return err
	})
	return acc, err
}

func readUser(ctx context.Context, r stacksync.Reader, id stacksync.UserID) (stacksync.Access, error) {
	users, err := r.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{id}})
	if err != nil || len(users.Users) == 0 {
		return stacksync.Access{}, err
	}
	if users.Users[0].Leaving() {
		return stacksync.Access{}, errLeaving
	}
	key := stacksync.AccessKey{Workspace: users.Users[0].DefaultWorkspace, User: id}
	rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{key}})
	if err != nil {
		return stacksync.Access{}, err
	}
	return rows.Permit(stacksync.Actor{User: id}, key.Workspace, stacksync.Needs{Role: stacksync.Owner})
}

var errLeaving = fmt.Errorf("%w: the user is being deleted", stacksync.ErrBusy)

// saveUser makes the user, or changes the quota limit of an existing user.
func (s *Service) saveUser(ctx context.Context, r stacksync.PutUserRequest) (stacksync.Access, error) {
	var acc stacksync.Access
	err := s.store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, stacksync.LockParams{Users: []stacksync.UserID{r.User}}); err != nil {
			return err
		}
		var err error
		if acc, err = readUser(ctx, tx, r.User); err != nil {
			return err
		}
		var put stacksync.PutParams
		if acc.Owner == nil {
			var member stacksync.Member
			if acc, member, err = s.newUser(r.User); err != nil {
				return err
			}
			put.Workspaces = []stacksync.Workspace{*acc.Workspace}
			put.Members = []stacksync.Member{member}
		} else {
			owner := *acc.Owner
			acc.Owner = &owner
		}
		if r.QuotaLimit != nil {
			acc.Owner.QuotaLimit = *r.QuotaLimit
		}
		put.Users = []stacksync.User{*acc.Owner}
		_, err = tx.Put(ctx, put)
		return err
	})
	return acc, err
}

func (s *Service) newUser(id stacksync.UserID) (stacksync.Access, stacksync.Member, error) {
	workspace, err := s.kernel.NewID()
	if err != nil {
		return stacksync.Access{}, stacksync.Member{}, err
	}
	epoch, err := newEpoch()
	if err != nil {
		return stacksync.Access{}, stacksync.Member{}, err
	}
	now, w := s.kernel.Now(), stacksync.WorkspaceID{UUID: workspace}
	acc := stacksync.Access{
		Role:      stacksync.Owner,
		Owner:     &stacksync.User{ID: id, DefaultWorkspace: w, QuotaLimit: s.cfg.QuotaLimit, CreatedAt: now},
		Workspace: &stacksync.Workspace{ID: w, Owner: id, Container: session.NewContainerName(), Epoch: epoch, FoldCase: s.cfg.FoldCase, CreatedAt: now},
	}
	return acc, stacksync.Member{Workspace: w, User: id, Role: stacksync.Owner, JoinedAt: now}, nil
}

// GetUser implements Accounts.
func (s *Service) GetUser(ctx context.Context, r stacksync.GetUserRequest) (stacksync.GetUserResult, error) {
	return call(ctx, s, "GetUser", func(ctx context.Context) (stacksync.GetUserResult, int, error) {
		if err := stacksync.CheckUserID("User", r.User); err != nil {
			return stacksync.GetUserResult{}, 0, err
		}
		acc, err := s.findUser(ctx, r.User)
		if err == nil && acc.Owner == nil || errors.Is(err, errLeaving) {
			err = stacksync.ErrUserNotFound
		}
		if err != nil {
			return stacksync.GetUserResult{}, 0, err
		}
		return stacksync.GetUserResult{User: *acc.Owner}, 1, nil
	})
}
