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
	for id := range dueNow(&t.tables.owing, p.Now) {
		if len(result.Workspaces) == p.Limit {
			break
		}
		w, _ := t.tables.workspaces.get(id)
		w.HintDue = keptTime(p.Until)
		result.Workspaces = append(result.Workspaces, w)
	}
	for id := range dueNow(&t.tables.owingUsers, p.Now) {
		if len(result.Users) == p.Limit {
			break
		}
		u, _ := t.tables.users.get(id)
		u.HintDue = keptTime(p.Until)
		result.Users = append(result.Users, u)
	}
	for _, w := range result.Workspaces {
		t.tables.putWorkspace(t.owner, w)
	}
	for _, u := range result.Users {
		t.tables.putUser(t.owner, u)
	}
	return result, nil
}

// MarkNotified is documented at stacksync.Outbox.
func (t *tx) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	if err := t.check(ctx); err != nil {
		return stacksync.MarkNotifiedResult{}, err
	}
	due := keptTime(p.Due)
	for id, revision := range p.Notified {
		w, ok := t.tables.workspaces.get(id)
		if !ok {
			continue
		}
		w.Notified = max(w.Notified, min(revision, w.Revision))
		if w.Revision > w.Notified {
			w.HintDue = due
		}
		t.tables.putWorkspace(t.owner, w)
	}
	for id, revision := range p.Users {
		u, ok := t.tables.users.get(id)
		if !ok {
			continue
		}
		u.Notified = max(u.Notified, min(revision, u.Revision))
		if u.Revision > u.Notified {
			u.HintDue = due
		}
		t.tables.putUser(t.owner, u)
	}
	return stacksync.MarkNotifiedResult{}, nil
}
