package memory

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// Remove is documented at stacksync.Remover.
func (t *tx) Remove(ctx context.Context, p stacksync.RemoveParams) (stacksync.RemoveResult, error) {
	if err := t.check(ctx); err != nil {
		return stacksync.RemoveResult{}, err
	}
	from, o := &t.tables, t.owner
	for _, key := range p.Members {
		from.members.delete(o, memberKey{user: key.User, workspace: key.Workspace})
		from.membersOf.delete(o, key)
	}
	for _, id := range p.Workspaces {
		if w, ok := from.workspaces.get(id); ok {
			from.owing.delete(o, owing(&w))
			from.workspaces.delete(o, id)
		}
	}
	for _, id := range p.Users {
		if u, ok := from.users.get(id); ok {
			from.removeDevices(o, id)
			from.owingUsers.delete(o, owingUser(&u))
			from.users.delete(o, id)
		}
	}
	for _, id := range p.Operations {
		from.removeOperation(o, id)
	}
	return stacksync.RemoveResult{}, nil
}

func (t *tables) removeDevices(o *owner, user stacksync.UserID) {
	var keys []deviceKey
	for key := range t.devices.from(deviceKey{user: user}) {
		if key.user != user {
			break
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		t.devices.delete(o, key)
	}
}

// Purge is documented at stacksync.Remover. It takes items first, then versions, then chunks.
func (t *tx) Purge(ctx context.Context, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
	if err := t.checkPage(ctx, p.Limit); err != nil {
		return stacksync.PurgeResult{}, err
	}
	from, o := &t.tables, t.owner
	var items []*stacksync.ItemRow
	for key, row := range from.items.from(stacksync.ItemKey{Workspace: p.Workspace}) {
		if key.Workspace != p.Workspace || len(items) == p.Limit {
			break
		}
		items = append(items, row)
	}
	for _, row := range items {
		from.items.delete(o, itemKey(row))
		from.log.delete(o, logged(row))
		from.names.delete(o, named(row))
	}
	rows := len(items)
	rows += purge(&from.superseded, o, stacksync.VersionKey{Workspace: p.Workspace}, p.Limit-rows,
		func(key stacksync.VersionKey) bool { return key.Workspace == p.Workspace })
	rows += purge(&from.chunks, o, stacksync.ChunkKey{Workspace: p.Workspace}, p.Limit-rows,
		func(key stacksync.ChunkKey) bool { return key.Workspace == p.Workspace })
	return stacksync.PurgeResult{Rows: rows}, nil
}

// purge deletes entries from first on, as long as of says yes to their keys, at most limit, and returns how many.
func purge[K, V any](t *table[K, V], o *owner, first K, limit int, of func(K) bool) int {
	var keys []K
	for key := range t.from(first) {
		if len(keys) == limit || !of(key) {
			break
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		t.delete(o, key)
	}
	return len(keys)
}
