package sqlstore

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
)

// Lock is that of stacksync.Locker.
func (w *writer) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	if w.lock == nil {
		return stacksync.LockResult{}, nil
	}
	if err := w.do(func() error { return w.lock(ctx, w.conn, p) }); err != nil {
		return stacksync.LockResult{}, fmt.Errorf("lock: %w", err)
	}
	return stacksync.LockResult{}, nil
}

// Put is that of stacksync.Writer.
func (w *writer) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if w.tables.wide != nil {
		return stacksync.PutResult{}, w.putCombined(ctx, p)
	}
	t, tx := w.tables, w.transaction
	// After a failure the transaction refuses the rest.
	return stacksync.PutResult{}, cmp.Or(
		t.users.put(ctx, tx, p.Users),
		t.devices.put(ctx, tx, p.Devices),
		t.workspaces.put(ctx, tx, p.Workspaces),
		t.members.put(ctx, tx, p.Members),
		t.superseded.put(ctx, tx, p.Superseded),
		t.items.put(ctx, tx, p.Items),
		t.chunks.put(ctx, tx, p.Chunks),
		t.operations.put(ctx, tx, p.Operations),
	)
}
