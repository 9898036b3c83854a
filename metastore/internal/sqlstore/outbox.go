package sqlstore

import (
	"bytes"
	"context"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// ClaimHints is that of stacksync.Outbox.
func (w *writer) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.ClaimHintsResult{}, err
	}
	var res stacksync.ClaimHintsResult
	args := []any{p.Now.UnixMicro(), p.Limit, p.Until.UnixMicro()}
	err := w.tables.workspaces.query(ctx, w.transaction, w.tables.claim, args, &res.Workspaces)
	return res, err
}

type mark struct {
	workspace stacksync.WorkspaceID
	revision  int64
}

func markArgs(args []any, m *mark) []any { return append(args, &m.workspace.UUID, m.revision) }

// MarkNotified is that of stacksync.Outbox.
func (w *writer) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	marks := make([]mark, 0, len(p.Notified))
	for id, revision := range p.Notified {
		marks = append(marks, mark{id, revision})
	}
	// Whoever locks several workspaces does it by id, also where these take several statements.
	slices.SortFunc(marks, func(a, b mark) int { return bytes.Compare(a.workspace.UUID[:], b.workspace.UUID[:]) })
	t := w.tables
	err := lookUp(ctx, w.transaction, &t.mark, marks, markArgs, t.workspaces, new([]stacksync.Workspace), p.Due.UnixMicro())
	return stacksync.MarkNotifiedResult{}, err
}
