package session

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// Write is a locked transaction that is not a commit of items by a device. What it changes collects
// in it and is saved together at its end. It belongs to the function that Kernel.Write calls with
// it.
type Write struct {
	stacksync.Tx
	Kernel *Kernel
	// Rows are saved at the end, beside the users and workspaces that User and Workspace hand out.
	Rows stacksync.PutParams

	users   map[stacksync.UserID]*stacksync.User
	touched map[stacksync.UserID]bool
	spaces  map[stacksync.WorkspaceID]*stacksync.Workspace
	grown   map[stacksync.WorkspaceID]bool // of spaces, those whose change log grows
}

// Write runs f in a transaction that has locked lock, saves what f has changed, and publishes the
// hints that result. f may run again.
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

// User returns a user that the transaction has locked, to be changed. ErrUserNotFound.
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

// Touch counts up the revisions of users, whose devices are told of it. Unknown users are passed
// over.
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

// Workspace returns a workspace that the transaction has locked, to be changed: the same one for
// all calls about it.
func (w *Write) Workspace(of *stacksync.Workspace) *stacksync.Workspace {
	ws := w.spaces[of.ID]
	if ws == nil {
		own := *of
		ws = &own
		w.spaces[of.ID] = ws
	}
	return ws
}

// Owner returns the owner of a workspace as the transaction leaves it.
func (w *Write) Owner(of *stacksync.Workspace) stacksync.UserID {
	if ws := w.spaces[of.ID]; ws != nil {
		return ws.Owner
	}
	return of.Owner
}

// Changed returns a user that User has handed out, nil for another.
func (w *Write) Changed(id stacksync.UserID) *stacksync.User { return w.users[id] }

// Grow is Workspace for a workspace whose change log grows: its followers are told of it.
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
