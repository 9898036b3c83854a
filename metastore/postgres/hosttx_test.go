package postgres

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// TestHostTransaction saves rows of the store in a transaction of the host's, beside a row of its own.
func TestHostTransaction(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	store := openStore(t, config)
	orders := config.Schema + ".orders"
	server.Exec(t, "CREATE TABLE "+orders+" (id int PRIMARY KEY)")
	db := bun.NewDB(hostPool(server.DSN()), pgdialect.New())
	t.Cleanup(func() { require.NoError(t, db.Close()) })

	// work is what the host does in its transaction.
	work := func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO "+orders+" VALUES (1)"); err != nil {
			return err
		}
		meta := store.Tx(tx)
		if _, err := meta.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{workspaceID(1)}, Users: []stacksync.UserID{"user-1"}}); err != nil {
			return err
		}
		p := account(1)
		if _, err := meta.Put(ctx, p); err != nil {
			return err
		}
		row := stacksync.ItemRow{Workspace: workspaceID(1), NameKey: "a", Item: stacksync.Item{ID: stacksync.ItemID{UUID: id("item", 1)}, Version: 1, Revision: 1, Name: "A", Kind: stacksync.File}}
		if _, err := meta.Put(ctx, stacksync.PutParams{Items: []stacksync.ItemRow{row}}); err != nil {
			return err
		}
		seen, err := meta.Load(ctx, stacksync.LoadParams{
			Items:  []stacksync.ItemKey{{Workspace: row.Workspace, Item: row.ID}},
			Access: []stacksync.AccessKey{{Workspace: row.Workspace, User: "user-1"}},
		})
		require.NoError(t, err)
		require.Len(t, seen.Items, 1, "it sees what it has saved")
		require.Len(t, seen.Members, 1)
		children, err := meta.Children(ctx, stacksync.ChildrenParams{Workspace: row.Workspace, PageBound: stacksync.PageBound{Limit: 10}})
		require.NoError(t, err)
		require.Len(t, children.Items, 1)
		changes, err := meta.Changes(ctx, stacksync.ChangesParams{Workspace: row.Workspace, PageBound: stacksync.PageBound{Limit: 10}})
		require.NoError(t, err)
		require.Len(t, changes.Items, 1)
		require.Empty(t, users(t, store, "user-1"), "nobody else does")
		return nil
	}
	saved := func(want int) {
		t.Helper()
		require.Len(t, server.Query(t, "SELECT id FROM "+orders), want)
		require.Len(t, users(t, store, "user-1"), want)
	}

	ctx := t.Context()
	changed := errors.New("the host has changed its mind")
	require.ErrorIs(t, db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		require.NoError(t, work(ctx, tx.Tx))
		return changed
	}), changed)
	saved(0)

	tx, err := db.DB.BeginTx(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, work(ctx, tx))
	require.NoError(t, tx.Rollback())
	saved(0)

	tx, err = db.DB.BeginTx(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, work(ctx, tx))
	_, err = tx.ExecContext(ctx, "INSERT INTO "+orders+" VALUES (1)")
	require.Error(t, err, "the order is there already")
	_ = tx.Commit() // which rolls back; the driver does not say so
	saved(0)

	require.NoError(t, db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return work(ctx, tx.Tx) }))
	saved(1)
}

// What fails in the store fails at once, not with the host's COMMIT, and the Tx says so from then on.
func TestHostTransactionFails(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	store := openStore(t, fresh(t, server))
	tx, err := server.DB(t).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	meta := store.Tx(tx)
	_, err = meta.Put(t.Context(), stacksync.PutParams{Devices: []stacksync.Device{{User: "nobody"}}})
	require.ErrorContains(t, err, "foreign key")
	_, err = meta.Put(t.Context(), account(1))
	require.ErrorContains(t, err, "foreign key")
	require.NoError(t, tx.Rollback())
	require.Empty(t, users(t, store, "user-1"))
}

// A host's transaction holds its locks until it ends.
func TestHostTransactionLocks(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := named(t, server)
	store := openStore(t, config)
	for _, locks := range []stacksync.LockParams{lockAda, lockHome} {
		require.NoError(t, put(t.Context(), store, account(1)))
		tx, err := server.DB(t).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = store.Tx(tx).Lock(t.Context(), locks)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- lock(t.Context(), store, locks, func() error { return nil }) }()
		waits(t, server, config, 1)
		require.NoError(t, tx.Commit())
		require.NoError(t, <-done)
	}
}
