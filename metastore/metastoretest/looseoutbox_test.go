package metastoretest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// ClaimHints locks each row that is due and free, and looks again whether it still is.
func (t *looseTx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (result stacksync.ClaimHintsResult, err error) {
	due := func() (due stacksync.ClaimHintsResult, err error) {
		all := p
		all.Limit = math.MaxInt
		err = t.store.tried(ctx, func(ctx context.Context, tx stacksync.Tx) error {
			due, err = tx.ClaimHints(ctx, all)
			return err
		})
		return due, err
	}
	result.Workspaces, err = claimFree(ctx, t, p.Limit, func(w stacksync.Workspace) string { return w.ID.String() }, func() ([]stacksync.Workspace, error) {
		now, err := due()
		return now.Workspaces, err
	})
	if err != nil {
		return stacksync.ClaimHintsResult{}, err
	}
	result.Users, err = claimFree(ctx, t, p.Limit, func(u stacksync.User) string { return string(u.ID) }, func() ([]stacksync.User, error) {
		now, err := due()
		return now.Users, err
	})
	t.puts = append(t.puts, stacksync.PutParams{Workspaces: result.Workspaces, Users: result.Users})
	return result, err
}

// ClaimOperations does the same.
func (t *looseTx) ClaimOperations(ctx context.Context, p stacksync.ClaimOperationsParams) (result stacksync.ClaimOperationsResult, err error) {
	id := func(op stacksync.Operation) string { return op.ID.String() }
	result.Operations, err = claimFree(ctx, t, p.Limit, id, func() (due []stacksync.Operation, err error) {
		all := p
		all.Limit = math.MaxInt
		err = t.store.tried(ctx, func(ctx context.Context, tx stacksync.Tx) error {
			now, err := tx.ClaimOperations(ctx, all)
			due = now.Operations
			return err
		})
		return due, err
	})
	t.puts = append(t.puts, stacksync.PutParams{Operations: result.Operations})
	return result, err
}

// claimFree locks up to limit of those rows that due returns, now and when they are locked.
func claimFree[R any](ctx context.Context, t *looseTx, limit int, id func(R) string, due func() ([]R, error)) (claimed []R, err error) {
	rows, err := due()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(claimed) == limit {
			break
		}
		if free, err := t.lockToClaim(ctx, id(row)); err != nil {
			return nil, err
		} else if !free {
			continue
		}
		now, err := due()
		if err != nil {
			return nil, err
		}
		if t.store.claimsBlindly || slices.ContainsFunc(now, func(now R) bool { return equal(row, now) }) {
			claimed = append(claimed, row)
		}
	}
	return claimed, nil
}

func (t *looseTx) lockToClaim(ctx context.Context, id string) (free bool, err error) {
	switch {
	case t.store.claimsBlindly:
		return true, nil
	case t.store.waitsToClaim:
		return true, t.lock(ctx, id)
	default:
		return t.tryLock(id), nil
	}
}

func (t *looseTx) tryLock(id string) bool {
	if slices.Contains(t.held, id) {
		return true
	}
	select {
	case t.store.of(id) <- struct{}{}:
		t.held = append(t.held, id)
		return true
	default:
		return false
	}
}

// tried runs fn in a transaction that is rolled back.
func (l *loose) tried(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	errUndo := errors.New("undo")
	err := l.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

func (t *looseTx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (result stacksync.MarkNotifiedResult, err error) {
	workspaces, users := slices.Collect(maps.Keys(p.Notified)), slices.Collect(maps.Keys(p.Users))
	if !t.store.marksAsAsked {
		slices.SortFunc(workspaces, func(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
		slices.Sort(users)
	}
	var ids []string
	for _, id := range workspaces {
		ids = append(ids, id.String())
	}
	for _, id := range users {
		ids = append(ids, string(id))
	}
	for _, id := range ids {
		if t.store.marksBlindly {
			break
		}
		if err := t.lock(ctx, id); err != nil {
			return result, err
		}
		runtime.Gosched() // as a database's round trips would
	}
	var put stacksync.PutParams
	err = t.store.tried(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.MarkNotified(ctx, p); err != nil {
			return err
		}
		var load stacksync.LoadParams
		for _, id := range workspaces {
			load.Access = append(load.Access, stacksync.AccessKey{Workspace: id})
		}
		marked, err := tx.Load(ctx, load)
		if err != nil {
			return err
		}
		known, err := tx.Users(ctx, stacksync.UsersParams{IDs: users})
		put.Workspaces, put.Users = marked.Workspaces, known.Users
		return err
	})
	t.puts = append(t.puts, put)
	return result, err
}
