package session

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// Write is a locked transaction that changes users, workspaces, members, items or operations, other
// than a commit of a device. The changes collect in it, and Kernel.Write saves them together at its
// end. A Write belongs to the function that Kernel.Write calls with it.
type Write struct {
	stacksync.Tx
	Kernel *Kernel
	// Rows are saved at the end, with the users and workspaces that User and Workspace have
	// returned.
	Rows stacksync.PutParams

	users map[stacksync.UserID]*stacksync.User
	// touched are the users whose revision has grown.
	touched map[stacksync.UserID]bool
	spaces  map[stacksync.WorkspaceID]*stacksync.Workspace
	grown   map[stacksync.WorkspaceID]bool // those of spaces whose change log grows
}

// Write runs f in a transaction that has locked lock, saves the changes that f has made in w, and
// publishes the hints that they owe. f may run again, each time with a new Write.
func (k *Kernel) Write(ctx context.Context, lock stacksync.LockParams, f func(ctx context.Context, w *Write) error) error {
	var hints []Hint
	err := k.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		w := &Write{
			Tx: tx, Kernel: k,
			users: make(map[stacksync.UserID]*stacksync.User), touched: make(map[stacksync.UserID]bool),
			spaces: make(map[stacksync.WorkspaceID]*stacksync.Workspace), grown: make(map[stacksync.WorkspaceID]bool),
		}
		if err := f(ctx, w); err != nil {
			return err
		}
		var err error
		hints, err = w.save(ctx)
		return err
	})
	if err == nil {
		k.Publish(hints...)
	}
	return err
}

// User returns a user that the transaction has locked, for the caller to change. All calls for one
// user return the same pointer. ErrUserNotFound.
func (w *Write) User(ctx context.Context, id stacksync.UserID) (*stacksync.User, error) {
	if u := w.users[id]; u != nil {
		return u, nil
	}
	res, err := w.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{id}})
	if err != nil {
		return nil, err
	}
	if len(res.Users) == 0 {
		return nil, stacksync.ErrUserNotFound
	}
	u := res.Users[0]
	w.users[id] = &u
	return &u, nil
}

// Touch counts up the revisions of users, each once in a transaction, and owes them a hint. Unknown
// users are passed over.
func (w *Write) Touch(ctx context.Context, ids ...stacksync.UserID) error {
	for _, id := range ids {
		u, err := w.User(ctx, id)
		if errors.Is(err, stacksync.ErrUserNotFound) || w.touched[id] {
			continue
		}
		if err != nil {
			return err
		}
		w.touched[id] = true
		w.Kernel.OweUser(u, u.Revision)
		u.Revision++
	}
	return nil
}

// Workspace returns a copy of a workspace that the transaction has locked, for the caller to
// change. All calls for one workspace return the same pointer.
func (w *Write) Workspace(of *stacksync.Workspace) *stacksync.Workspace {
	ws := w.spaces[of.ID]
	if ws == nil {
		own := *of
		ws = &own
		w.spaces[of.ID] = ws
	}
	return ws
}

// Owner returns the owner that a workspace has at the end of the transaction.
func (w *Write) Owner(of *stacksync.Workspace) stacksync.UserID {
	if ws := w.spaces[of.ID]; ws != nil {
		return ws.Owner
	}
	return of.Owner
}

// Changed returns a user that User has returned before; nil for any other user.
func (w *Write) Changed(id stacksync.UserID) *stacksync.User { return w.users[id] }

// Grow is Workspace for a workspace whose change log grows, and owes its followers a hint.
func (w *Write) Grow(of *stacksync.Workspace) *stacksync.Workspace {
	ws := w.Workspace(of)
	if !w.grown[of.ID] {
		w.grown[of.ID] = true
		w.Kernel.OweWorkspace(ws, ws.Revision)
	}
	return ws
}

func (w *Write) save(ctx context.Context) ([]Hint, error) {
	var hints []Hint
	for _, id := range slices.Sorted(maps.Keys(w.users)) {
		w.Rows.Users = append(w.Rows.Users, *w.users[id])
		if w.touched[id] {
			hints = append(hints, UserHint(w.users[id]))
		}
	}
	for id, ws := range w.spaces {
		w.Rows.Workspaces = append(w.Rows.Workspaces, *ws)
		if w.grown[id] {
			hints = append(hints, WorkspaceHint(ws))
		}
	}
	_, err := w.Put(ctx, w.Rows)
	return hints, err
}
