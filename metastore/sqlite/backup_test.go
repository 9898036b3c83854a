package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// savePairs saves two items and the workspace at a time, until more says no.
func savePairs(ctx context.Context, store *Store, saved *atomic.Int64, more func() bool) error {
	for more() {
		n := int(saved.Load())
		err := put(ctx, store, stacksync.PutParams{
			Items: files(1, n+1, 2), Users: []stacksync.User{{ID: "ada"}},
			Workspaces: []stacksync.Workspace{{ID: workspaceID(1), Owner: "ada", Revision: int64(n + 2)}},
		})
		if err != nil {
			return err
		}
		saved.Store(int64(n + 2))
	}
	return nil
}

func revisionOf(t *testing.T, store *Store) int64 {
	t.Helper()
	res, err := store.Load(t.Context(), stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: workspaceID(1)}}})
	require.NoError(t, err)
	require.Len(t, res.Workspaces, 1)
	return res.Workspaces[0].Revision
}

// TestBackupBesideWriters copies a store while it is written: each copy is one moment's, with all that was acknowledged before.
func TestBackupBesideWriters(t *testing.T) {
	t.Parallel()
	path, folder := tempPath(t), t.TempDir()
	store := open(t, path, Config{})
	var saved atomic.Int64
	var stop atomic.Bool
	require.NoError(t, savePairs(t.Context(), store, &saved, func() bool { return saved.Load() < 20 }))
	written := make(chan error, 1)
	go func() { written <- savePairs(t.Context(), store, &saved, func() bool { return !stop.Load() }) }()
	var copies []string
	least := make(map[string]int64)
	for _, name := range []string{"one.db", "with 'quote\".db", "日本?.db", "file:x.db"} {
		to := filepath.Join(folder, name)
		least[to] = saved.Load()
		require.NoError(t, store.Backup(t.Context(), to))
		copies = append(copies, to)
		for before := saved.Load(); saved.Load() == before; { // others write on
			select {
			case err := <-written:
				require.NoError(t, err, "the writer has ended")
			default:
			}
		}
	}
	stop.Store(true)
	require.NoError(t, <-written)

	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, len(copies), "nothing else is left")
	for _, to := range copies {
		info, err := os.Stat(to)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		restored := open(t, to, Config{})
		n := int64(count(t, restored, 1))
		require.GreaterOrEqual(t, n, least[to])
		require.Equal(t, n, revisionOf(t, restored))
		require.NoError(t, put(t.Context(), restored, stacksync.PutParams{Items: files(1, int(n)+1, 1)}), "it is a store like any other")
	}
	require.EqualValues(t, saved.Load(), count(t, store, 1), "the copies are files of their own")
}

func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	path, folder := tempPath(t), t.TempDir()
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	to := filepath.Join(folder, "copy.db")
	for _, taken := range []string{to, to + "-wal", to + "-shm", to + "-journal"} {
		require.NoError(t, os.WriteFile(taken, []byte("mine"), 0o600))
		err := store.Backup(t.Context(), to)
		require.ErrorIs(t, err, fs.ErrExist)
		require.ErrorContains(t, err, taken)
		left, err := os.ReadFile(taken)
		require.NoError(t, err)
		require.Equal(t, "mine", string(left))
		require.NoError(t, os.Remove(taken))
	}
	require.NoError(t, os.Symlink(filepath.Join(folder, "nowhere"), to))
	require.ErrorIs(t, store.Backup(t.Context(), to), fs.ErrExist, "a link that leads nowhere is there, too")
	require.NoError(t, os.Remove(to))
	require.ErrorIs(t, store.Backup(t.Context(), path), fs.ErrExist, "the store itself")
	for _, odd := range []string{"", ":memory:", "file:copy.db", "a\x00b"} {
		require.Error(t, store.Backup(t.Context(), odd))
	}
	require.ErrorIs(t, store.Backup(t.Context(), filepath.Join(folder, "none", "copy.db")), fs.ErrNotExist)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	require.ErrorIs(t, store.Backup(ctx, to), context.Canceled)
	require.NoError(t, store.Close())
	require.ErrorIs(t, store.Backup(t.Context(), to), stacksync.ErrClosed)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A Backup that its ctx ends in the middle leaves nothing.
func TestBackupEndsWithContext(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	store := open(t, tempPath(t), Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 20_000)}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- store.Backup(ctx, filepath.Join(folder, "copy.db")) }()
	for {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		if len(entries) > 0 { // it has begun
			break
		}
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// Of two that want one name one gets it, and the other is told.
func TestBackupsOfOneName(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	to := filepath.Join(t.TempDir(), "copy.db")
	const callers = 4
	done := make(chan error, callers)
	for range callers {
		go func() { done <- store.Backup(t.Context(), to) }()
	}
	made := 0
	for range callers {
		if err := <-done; err == nil {
			made++
		} else {
			require.ErrorIs(t, err, fs.ErrExist)
		}
	}
	require.Equal(t, 1, made)
	require.Equal(t, 3, count(t, open(t, to, Config{}), 1))
}

// TestBackupOfDamagedIndex damages a page of the change log's index, so that reads leave out rows without a word. A backup says so, and
// REINDEX mends it.
func TestBackupOfDamagedIndex(t *testing.T) {
	t.Parallel()
	const items = 2400
	path, folder := tempPath(t), t.TempDir()
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, items)}))
	require.NoError(t, store.Close())
	dropFromIndex(t, path)

	store = open(t, path, Config{})
	require.Less(t, count(t, store, 1), items, "what makes a check needed")
	err := store.Backup(t.Context(), filepath.Join(folder, "copy.db"))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "items_log")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NoError(t, store.Close())

	db := openRaw(t, path)
	execute(t, db, "REINDEX")
	require.NoError(t, db.Close())
	store = open(t, path, Config{})
	require.Equal(t, items, count(t, store, 1))
	require.NoError(t, store.Backup(t.Context(), filepath.Join(folder, "copy.db")))
}

// A page of a table that can't be read ends the copy itself, before any check: that is ErrCorrupt too.
func TestBackupOfDamagedTable(t *testing.T) {
	t.Parallel()
	path, folder := tempPath(t), t.TempDir()
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 2400)}))
	require.NoError(t, store.Close())
	damage(t, path, "items", func(leaf []byte) { clear(leaf) }) // as a block of a disk that was never written

	store = open(t, path, Config{})
	require.ErrorIs(t, store.Backup(t.Context(), filepath.Join(folder, "copy.db")), ErrCorrupt)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// Changes notices a change log that is out of order, for nothing.
func TestChangesOutOfOrder(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 2400)}))
	require.NoError(t, store.Close())
	damageIndex(t, path, func(leaf []byte) { // two of the places where entries begin, which follow the header
		one, two := leaf[8+2*3:8+2*3+2], leaf[8+2*7:8+2*7+2]
		one[0], one[1], two[0], two[1] = two[0], two[1], one[0], one[1]
	})
	store = open(t, path, Config{})
	_, err := store.Changes(t.Context(), stacksync.ChangesParams{Workspace: workspaceID(1), PageBound: stacksync.PageBound{Limit: 5000}})
	require.ErrorIs(t, err, ErrCorrupt)
}

// dropFromIndex makes one leaf of the change log's index forget all its entries but one, as a lost write does.
func dropFromIndex(t *testing.T, path string) {
	t.Helper()
	damageIndex(t, path, func(leaf []byte) { leaf[3], leaf[4] = 0, 1 }) // the header of a page has their number
}

// damageIndex changes a page that has entries of the change log's index.
func damageIndex(t *testing.T, path string, change func(leaf []byte)) {
	t.Helper()
	damage(t, path, "items_log", change)
}

// damage changes a page that has rows of a table, or entries of an index.
func damage(t *testing.T, path, of string, change func(leaf []byte)) {
	t.Helper()
	db := openRaw(t, path)
	var page, size int64
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3", of).Scan(&page))
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA page_size").Scan(&size))
	require.NoError(t, db.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	leaf := make([]byte, size)
	_, err = f.ReadAt(leaf, (page-1)*size)
	require.NoError(t, err)
	change(leaf)
	_, err = f.WriteAt(leaf, (page-1)*size)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
