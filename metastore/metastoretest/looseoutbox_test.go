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

// ClaimHints locks each workspace that is due and free, and looks again whether it still is.
func (t *looseTx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (result stacksync.ClaimHintsResult, err error) {
	due, err := t.store.due(ctx, p)
	if err != nil {
		return result, err
	}
	for _, w := range due {
		if len(result.Workspaces) == p.Limit {
			break
		}
		mine, err := t.lockToClaim(ctx, w, p)
		if err != nil {
			return stacksync.ClaimHintsResult{}, err
		}
		if mine {
			result.Workspaces = append(result.Workspaces, w)
		}
	}
	t.puts = append(t.puts, stacksync.PutParams{Workspaces: result.Workspaces})
	return result, nil
}

func (t *looseTx) lockToClaim(ctx context.Context, w stacksync.Workspace, p stacksync.ClaimHintsParams) (mine bool, err error) {
	switch {
	case t.store.claimsBlindly:
		return true, nil
	case t.store.waitsToClaim:
		if err := t.lock(ctx, w.ID.String()); err != nil {
			return false, err
		}
	case !t.tryLock(w.ID.String()):
		return false, nil
	}
	due, err := t.store.due(ctx, p)
	return slices.ContainsFunc(due, func(now stacksync.Workspace) bool { return now.ID == w.ID && now.Revision == w.Revision }), err
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

// due returns all that a ClaimHints would, whatever is locked.
func (l *loose) due(ctx context.Context, p stacksync.ClaimHintsParams) (due []stacksync.Workspace, err error) {
	errUndo := errors.New("undo")
	p.Limit = math.MaxInt
	err = l.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		claimed, err := tx.ClaimHints(ctx, p)
		if err != nil {
			return err
		}
		due = claimed.Workspaces
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return nil, err
	}
	return due, nil
}

func (t *looseTx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (result stacksync.MarkNotifiedResult, err error) {
	ids := slices.Collect(maps.Keys(p.Notified))
	if !t.store.marksAsAsked {
		slices.SortFunc(ids, func(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	}
	for _, id := range ids {
		if t.store.marksBlindly {
			break
		}
		if err := t.lock(ctx, id.String()); err != nil {
			return result, err
		}
		runtime.Gosched() // as a database's round trips would
	}
	rows, err := t.store.read(ctx, ids)
	for i, w := range rows {
		if rows[i].Notified = max(w.Notified, p.Notified[w.ID]); rows[i].Notified < w.Revision {
			rows[i].HintDue = p.Due
		}
	}
	t.puts = append(t.puts, stacksync.PutParams{Workspaces: rows})
	return result, err
}

func (l *loose) read(ctx context.Context, ids []stacksync.WorkspaceID) ([]stacksync.Workspace, error) {
	var p stacksync.LoadParams
	for _, id := range ids {
		p.Access = append(p.Access, stacksync.AccessKey{Workspace: id})
	}
	got, err := l.Load(ctx, p)
	return slices.Clone(got.Workspaces), err
}
