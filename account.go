package stacksync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// Accounts are calls of the host itself, not of its users: a transport must not pass them on.
type Accounts interface {
	// PutUser makes a user with a default workspace and its container, or changes an existing one's quota limit. It can be
	// called at every login: for a user who has all this already it saves nothing. ErrBusy while the user is being deleted.
	PutUser(ctx context.Context, r PutUserRequest) (PutUserResult, error)
	// DeleteUser removes a user with the default workspace, its content, devices, memberships and storage account. Shared workspaces
	// of the user need a decision: *SharedWorkspacesError otherwise, and nothing is changed. From the first moment on the user is not found;
	// the rest is an operation. Called again it is ErrBusy while that runs, and takes it up where it has stopped. ErrMemberNotFound and
	// ErrQuotaExceeded for who is to get a workspace; ErrUserNotFound.
	DeleteUser(ctx context.Context, r DeleteUserRequest) (DeleteUserResult, error)
	// GetUser reads a user; ErrUserNotFound.
	GetUser(ctx context.Context, r GetUserRequest) (GetUserResult, error)
}

// PutUserRequest is that of Accounts.PutUser.
type PutUserRequest struct {
	User UserID
	// QuotaLimit is in bytes, 0 for no limit. nil leaves an existing user's as it is, and gives a new one Config.QuotaLimit.
	// A limit below what is used refuses growth, and takes nothing away.
	QuotaLimit *int64
}

// PutUserResult is that of Accounts.PutUser.
type PutUserResult struct{ User User }

// GetUserRequest is that of Accounts.GetUser.
type GetUserRequest struct{ User UserID }

// GetUserResult is that of Accounts.GetUser.
type GetUserResult struct{ User User }

// PutUser implements Accounts.
func (s *Service) PutUser(ctx context.Context, r PutUserRequest) (PutUserResult, error) {
	return call(ctx, s, "PutUser", func(ctx context.Context) (PutUserResult, int, error) {
		user, err := s.putUser(ctx, r)
		return PutUserResult{User: user}, 1, err
	})
}

func (s *Service) putUser(ctx context.Context, r PutUserRequest) (User, error) {
	if err := r.User.check("User"); err != nil {
		return User{}, err
	}
	if r.QuotaLimit != nil && *r.QuotaLimit < 0 {
		return User{}, &FieldError{Field: "QuotaLimit", Reason: "is negative"}
	}
	acc, err := s.findUser(ctx, r.User)
	if err != nil {
		return User{}, err
	}
	if acc.owner == nil || r.QuotaLimit != nil && *r.QuotaLimit != acc.owner.QuotaLimit {
		if acc, err = s.saveUser(ctx, r); err != nil {
			return User{}, err
		}
	}
	// The container comes after the rows that name it, and this call again after a crash between the two: so none is made that
	// nobody knows of.
	if s.storage != nil {
		if err := s.provisioned(ctx, acc.workspace); err != nil {
			if errors.Is(err, ErrWorkspaceNotFound) {
				err = errLeaving
			}
			return User{}, err
		}
	}
	return *acc.owner, nil
}

// findUser reads a user with the default workspace; neither is there for an unknown one.
func (s *Service) findUser(ctx context.Context, id UserID) (access, error) {
	var acc access
	err := s.store.View(ctx, func(ctx context.Context, r Reader) (err error) {
		acc, err = readUser(ctx, r, id)
		return err
	})
	return acc, err
}

func readUser(ctx context.Context, r Reader, id UserID) (access, error) {
	users, err := r.Users(ctx, UsersParams{IDs: []UserID{id}})
	if err != nil || len(users.Users) == 0 {
		return access{}, err
	}
	if users.Users[0].leaving() {
		return access{}, errLeaving
	}
	key := AccessKey{Workspace: users.Users[0].DefaultWorkspace, User: id}
	rows, err := r.Load(ctx, LoadParams{Access: []AccessKey{key}})
	if err != nil {
		return access{}, err
	}
	return rows.permit(Actor{User: id}, key.Workspace, needs{role: Owner})
}

// leaving reports whether a user is being deleted.
func (u *User) leaving() bool { return u.DefaultWorkspace.IsZero() }

var errLeaving = fmt.Errorf("%w: the user is being deleted", ErrBusy)

// saveUser makes the user, or changes the limit of the one that is there.
func (s *Service) saveUser(ctx context.Context, r PutUserRequest) (access, error) {
	var acc access
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Lock(ctx, LockParams{Users: []UserID{r.User}}); err != nil {
			return err
		}
		var err error
		if acc, err = readUser(ctx, tx, r.User); err != nil {
			return err
		}
		var put PutParams
		if acc.owner == nil {
			var member Member
			if acc, member, err = s.newUser(r.User); err != nil {
				return err
			}
			put.Workspaces = []Workspace{*acc.workspace}
			put.Members = []Member{member}
		} else {
			owner := *acc.owner
			acc.owner = &owner
		}
		if r.QuotaLimit != nil {
			acc.owner.QuotaLimit = *r.QuotaLimit
		}
		put.Users = []User{*acc.owner}
		_, err = tx.Put(ctx, put)
		return err
	})
	return acc, err
}

func (s *Service) newUser(id UserID) (access, Member, error) {
	workspace, err := s.cfg.NewID()
	if err != nil {
		return access{}, Member{}, fmt.Errorf("make an id: %w", err)
	}
	epoch, err := newEpoch()
	if err != nil {
		return access{}, Member{}, err
	}
	now, w := s.now(), WorkspaceID{workspace}
	acc := access{
		role:      Owner,
		owner:     &User{ID: id, DefaultWorkspace: w, QuotaLimit: s.cfg.QuotaLimit, CreatedAt: now},
		workspace: &Workspace{ID: w, Owner: id, Container: newContainerName(), Epoch: epoch, FoldCase: s.cfg.FoldCase, CreatedAt: now},
	}
	return acc, Member{Workspace: w, User: id, Role: Owner, JoinedAt: now}, nil
}

// newContainerName makes a name that nobody can guess (130 random bits), and that every storage takes.
func newContainerName() string { return "ws-" + strings.ToLower(rand.Text()) }

// provisioned has the container of a workspace there. It may not be: the workspace was made while the service had no storage, or while
// that was down.
func (s *Service) provisioned(ctx context.Context, w *Workspace) error {
	if w.Provisioned {
		return nil
	}
	return s.provision(ctx, w)
}

// provision makes the container of a workspace, and notes that it is there.
func (s *Service) provision(ctx context.Context, w *Workspace) error {
	if _, err := s.storage.CreateContainer(ctx, CreateContainerParams{Container: w.Container}); err != nil {
		return fmt.Errorf("create container of workspace %v: %w", w.ID, err)
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Lock(ctx, LockParams{Workspaces: []WorkspaceID{w.ID}}); err != nil {
			return err
		}
		rows, err := tx.Load(ctx, LoadParams{Access: []AccessKey{{Workspace: w.ID, User: w.Owner}}})
		if err == nil && len(rows.Workspaces) == 0 {
			err = ErrWorkspaceNotFound
		}
		if err != nil {
			return err
		}
		now := rows.Workspaces[0]
		now.Provisioned = true
		_, err = tx.Put(ctx, PutParams{Workspaces: []Workspace{now}})
		return err
	})
	if errors.Is(err, ErrWorkspaceNotFound) { // removed meanwhile, perhaps before its container was there
		if _, gone := s.storage.DeleteContainer(ctx, DeleteContainerParams{Container: w.Container}); gone != nil {
			err = fmt.Errorf("%w; delete its container: %w", err, gone)
		}
	}
	return err
}

// GetUser implements Accounts.
func (s *Service) GetUser(ctx context.Context, r GetUserRequest) (GetUserResult, error) {
	return call(ctx, s, "GetUser", func(ctx context.Context) (GetUserResult, int, error) {
		if err := r.User.check("User"); err != nil {
			return GetUserResult{}, 0, err
		}
		acc, err := s.findUser(ctx, r.User)
		if err == nil && acc.owner == nil || errors.Is(err, errLeaving) {
			err = ErrUserNotFound
		}
		if err != nil {
			return GetUserResult{}, 0, err
		}
		return GetUserResult{User: *acc.owner}, 1, nil
	})
}
