package service

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// write is a transaction that is not a commit of items by a device. What it puts is saved together at its end.
type write struct {
	stacksync.Tx
	service *Service
	put     stacksync.PutParams
	users   map[stacksync.UserID]*stacksync.User // those it changes
	touched map[stacksync.UserID]bool
	spaces  map[stacksync.WorkspaceID]*stacksync.Workspace // those it changes
	grown   map[stacksync.WorkspaceID]bool                 // of these, those whose change log it adds to
}

// write runs f in a transaction that has locked lock, saves what f has put, and publishes the hints that result. f may run again.
func (s *Service) write(ctx context.Context, lock stacksync.LockParams, f func(ctx context.Context, w *write) error) error {
	var hints []hint
	err := s.store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		w := &write{Tx: tx, service: s, users: make(map[stacksync.UserID]*stacksync.User), touched: make(map[stacksync.UserID]bool), spaces: make(map[stacksync.WorkspaceID]*stacksync.Workspace), grown: make(map[stacksync.WorkspaceID]bool)}
		if err := f(ctx, w); err != nil {
			return err
		}
		var err error
		hints, err = w.save(ctx)
		return err
	})
	if err == nil {
		s.hints.publish(hints...)
	}
	return err
}

// user returns a user that the transaction has locked, to be changed.
func (w *write) user(ctx context.Context, id stacksync.UserID) (*stacksync.User, error) {
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

// touch counts up the revisions of users, whose devices are told of it. Unknown users are passed over.
func (w *write) touch(ctx context.Context, ids ...stacksync.UserID) error {
	for _, id := range ids {
		u, err := w.user(ctx, id)
		if errors.Is(err, stacksync.ErrUserNotFound) || w.touched[id] {
			continue
		}
		if err != nil {
			return err
		}
		w.touched[id] = true
		if u.Notified >= u.Revision { // else a hint is owed already, and due when it was
			u.HintDue = w.service.hintDue()
		}
		u.Revision++
	}
	return nil
}

// space returns a workspace that the transaction has locked, to be changed.
func (w *write) space(of *stacksync.Workspace) *stacksync.Workspace {
	sp := w.spaces[of.ID]
	if sp == nil {
		own := *of
		sp = &own
		w.spaces[of.ID] = sp
	}
	return sp
}

// owner returns whom a workspace belongs to, as of what the transaction has changed.
func (w *write) owner(of *stacksync.Workspace) stacksync.UserID {
	if sp := w.spaces[of.ID]; sp != nil {
		return sp.Owner
	}
	return of.Owner
}

// grow returns a workspace that the transaction has locked, to take revisions, which its followers are told of.
func (w *write) grow(of *stacksync.Workspace) *stacksync.Workspace {
	sp := w.space(of)
	if !w.grown[of.ID] && sp.Notified >= sp.Revision {
		sp.HintDue = w.service.hintDue()
	}
	w.grown[of.ID] = true
	return sp
}

func (w *write) save(ctx context.Context) ([]hint, error) {
	var hints []hint
	for _, id := range slices.Sorted(maps.Keys(w.users)) {
		w.put.Users = append(w.put.Users, *w.users[id])
		if w.touched[id] {
			hints = append(hints, userHint(w.users[id]))
		}
	}
	for id, sp := range w.spaces {
		w.put.Workspaces = append(w.put.Workspaces, *sp)
		if w.grown[id] {
			hints = append(hints, workspaceHint(sp))
		}
	}
	_, err := w.Put(ctx, w.put)
	return hints, err
}
