package memory

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// ClaimHints is documented at stacksync.Outbox.
func (t *tx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	if err := t.checkPage(ctx, p.Limit); err != nil {
		return stacksync.ClaimHintsResult{}, err
	}
	var result stacksync.ClaimHintsResult
	for key := range t.tables.owing.from(owingKey{due: minDue}) {
		if len(result.Workspaces) == p.Limit || key.due > p.Now.UnixMicro() {
			break
		}
		w, _ := t.tables.workspaces.get(key.workspace)
		w.HintDue = keptTime(p.Until)
		result.Workspaces = append(result.Workspaces, w)
	}
	for _, w := range result.Workspaces {
		t.tables.putWorkspace(t.owner, w)
	}
	return result, nil
}

// MarkNotified is documented at stacksync.Outbox.
func (t *tx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	if err := t.check(ctx); err != nil {
		return stacksync.MarkNotifiedResult{}, err
	}
	for id, revision := range p.Notified {
		w, ok := t.tables.workspaces.get(id)
		if !ok {
			continue
		}
		w.Notified = max(w.Notified, min(revision, w.Revision))
		if w.Revision > w.Notified {
			w.HintDue = keptTime(p.Due)
		}
		t.tables.putWorkspace(t.owner, w)
	}
	return stacksync.MarkNotifiedResult{}, nil
}
