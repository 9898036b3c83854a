package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stacksync/stacksync-go"
)

func TestWriteWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{BusyTimeout: time.Minute})
	other := openRaw(t, path)
	execute(t, other, "BEGIN IMMEDIATE")

	saved := make(chan error, 1)
	go func() { saved <- put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}) }()
	require.Zero(t, count(t, store, 1), "reading waits for nobody")
	select {
	case err := <-saved:
		t.Fatalf("Update beside another writer returned %v", err)
	default:
	}
	execute(t, other, "COMMIT")
	require.NoError(t, <-saved)
	require.Equal(t, 3, count(t, store, 1))
}

func TestWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{BusyTimeout: time.Hour})
	execute(t, openRaw(t, path), "BEGIN IMMEDIATE")

	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- put(ctx, store, stacksync.PutParams{Items: files(1, 1, 3)}) }()
	cancel(errors.New("enough"))
	require.ErrorIs(t, <-done, context.Canceled)

	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	require.ErrorIs(t, put(ctx, store, stacksync.PutParams{Items: files(1, 1, 3)}), context.DeadlineExceeded)
	require.Zero(t, count(t, store, 1))
}

func TestBusyTimeout(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{BusyTimeout: 10 * time.Millisecond})
	other := openRaw(t, path)
	execute(t, other, "BEGIN IMMEDIATE")
	err := put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)})
	require.Equal(t, sqlite3.SQLITE_BUSY, code(err), "%v", err)
	require.ErrorContains(t, err, "gave up after 10 attempts")
	require.ErrorIs(t, err, stacksync.ErrBusy)
	execute(t, other, "ROLLBACK")
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
}

// database/sql rolls back beside the closure when ctx ends: Update must wait for that.
func TestEndOfContextFreesTheFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{})
	other := openRaw(t, path)
	execute(t, other, "PRAGMA busy_timeout = 0")
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		err := store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
			_, err := tx.Put(ctx, stacksync.PutParams{Items: files(1, 1, 3)})
			require.NoError(t, err)
			cancel()
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		execute(t, other, "BEGIN IMMEDIATE")
		execute(t, other, "ROLLBACK")
	}
	require.Zero(t, count(t, store, 1))
}

func TestViewIsOneSnapshot(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), Config{})
	require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		see := func(n int) {
			res, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: workspaceID(1), PageBound: stacksync.PageBound{Limit: 100}})
			require.NoError(t, err)
			require.Len(t, res.Items, n)
		}
		see(0)
		require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
		see(0)
		require.Equal(t, 3, count(t, store, 1), "another View sees it")
		return nil
	}))
}
