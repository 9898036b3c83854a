package sqlite

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stacksync/stacksync-go"
)

func TestFullDisk(t *testing.T) {
	t.Parallel()
	store, write, _ := openPools(t, tempPath(t), Config{})
	limit := func(pages int) {
		var now, most int
		require.NoError(t, write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&now))
		require.NoError(t, write.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", now+pages)).Scan(&most))
	}
	limit(4)
	err := put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 1000)})
	require.Equal(t, sqlite3.SQLITE_FULL, code(err), "%v", err)
	require.Zero(t, count(t, store, 1))

	// What SQLite does by itself when the disk is full is to roll back: what follows would be saved on its own.
	err = store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Items: files(1, 1, 1000)})
		require.Equal(t, sqlite3.SQLITE_FULL, code(err))
		_, err = tx.Put(ctx, stacksync.PutParams{Items: files(1, 1, 1)})
		require.Equal(t, sqlite3.SQLITE_FULL, code(err), "a transaction that has failed accepts nothing more")
		_, err = tx.Changes(ctx, stacksync.ChangesParams{Workspace: workspaceID(1), PageBound: stacksync.PageBound{Limit: 1}})
		require.Error(t, err)
		return nil
	})
	require.Equal(t, sqlite3.SQLITE_FULL, code(err), "the closure has dropped the error, and Update returns it: %v", err)
	require.Zero(t, count(t, store, 1))

	limit(1000)
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 1000)}))
	require.Equal(t, 1000, count(t, store, 1))
}
