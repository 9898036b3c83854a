package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func TestOpenOddPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"meta.db", "with space.db", "a?b=c&mode=memory.db", "a#b.db", "100%25.db", "a%00b.db", "a+b;c'd\"e.db", "dié-日本.db",
		":memory:", "file:x.db", "-wal",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			store := open(t, path, Config{})
			require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
			require.Equal(t, 3, count(t, store, 1))
			require.NoError(t, store.Close())
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 1, "closing folds the other files in")
			require.Equal(t, name, entries[0].Name())
			require.Equal(t, 3, count(t, open(t, path, Config{}), 1))
		})
	}
}

// Nobody else may read the names of everybody's files.
func TestFilesAreTheOwners(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	store, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Users: []stacksync.User{{ID: "ada"}}})
		return err
	}))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, files, 3, "the database, its log and its index")
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
	}
}

func TestOpenRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	store := open(t, "meta.db", Config{})
	t.Chdir(t.TempDir())
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	require.Equal(t, 3, count(t, store, 1), "connections are made where the file was when the store was opened")
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   string
		config Config
		reason string
	}{
		"no path":     {"", Config{}, "memory"},
		"memory":      {":memory:", Config{}, "memory"},
		"URI":         {"file:meta.db?mode=memory", Config{}, "not the path of a file"},
		"NUL":         {"a\x00b", Config{}, "NUL"},
		"no folder":   {filepath.Join(t.TempDir(), "none", "meta.db"), Config{}, "no such file or directory"},
		"a folder":    {t.TempDir(), Config{}, "unable to open"},
		"Synchronous": {tempPath(t), Config{Synchronous: 2}, "Config.Synchronous"},
		"BusyTimeout": {tempPath(t), Config{BusyTimeout: -time.Second}, "Config.BusyTimeout"},
		"no Readers":  {tempPath(t), Config{Readers: -1}, "Config.Readers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), c.path, c.config)
			require.ErrorContains(t, err, c.reason)
		})
	}
	require.ErrorContains(t, Rollback(t.Context(), ":memory:"), "memory")
}

func TestOpenForeignFile(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, path string) {
		t.Helper()
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = Open(t.Context(), path, Config{})
		require.ErrorIs(t, err, ErrForeign)
		require.ErrorContains(t, err, path)
		require.ErrorIs(t, Rollback(t.Context(), path), ErrForeign)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after, "the file is left as it is")
	}
	t.Run("text", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		require.NoError(t, os.WriteFile(path, []byte("This is a text file, longer than the header of a database. "+
			"This is a text file, longer than the header of a database."), 0o600))
		check(t, path)
	})
	t.Run("tables", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		db := openRaw(t, path)
		execute(t, db, "CREATE TABLE mine (a)")
		require.NoError(t, db.Close())
		check(t, path)
	})
	t.Run("application id", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		db := openRaw(t, path)
		execute(t, db, "PRAGMA application_id = 7")
		require.NoError(t, db.Close())
		check(t, path)
	})
}

func TestOpenDamagedFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	require.NoError(t, open(t, path, Config{}).Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, damage := range map[string]func() []byte{
		"cut off": func() []byte { return whole[:len(whole)/2] },
		"schema overwritten": func() []byte {
			b := append([]byte(nil), whole...)
			for i := 100; i < 4096; i++ {
				b[i] = 0xa5
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			require.NoError(t, os.WriteFile(path, damage(), 0o600))
			_, err := Open(t.Context(), path, Config{})
			require.ErrorContains(t, err, "malformed")
			require.ErrorContains(t, err, path)
		})
	}
}

// A process that is killed while it makes a file leaves one of these.
func TestOpenUnfinishedFile(t *testing.T) {
	t.Parallel()
	t.Run("empty", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.Zero(t, count(t, open(t, path, Config{}), 1))
	})
	t.Run("without tables", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		db := openRaw(t, path)
		execute(t, db, "PRAGMA journal_mode = WAL")
		require.NoError(t, db.Close())
		require.Zero(t, count(t, open(t, path, Config{}), 1))
	})
}

func TestConnections(t *testing.T) {
	t.Parallel()
	for synchronous, level := range map[Synchronous]int{Full: 2, Normal: 1} {
		_, write, read := openPools(t, tempPath(t), Config{Synchronous: synchronous})
		pragma := func(name string) (ofWriter, ofReader any) {
			require.NoError(t, write.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&ofWriter))
			require.NoError(t, read.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&ofReader))
			return ofWriter, ofReader
		}
		mode, _ := pragma("journal_mode")
		assert.Equal(t, "wal", mode)
		sync, _ := pragma("synchronous")
		assert.EqualValues(t, level, sync)
		writerReadsOnly, readerReadsOnly := pragma("query_only")
		assert.EqualValues(t, 0, writerReadsOnly)
		assert.EqualValues(t, 1, readerReadsOnly)
		keys, _ := pragma("foreign_keys")
		assert.EqualValues(t, 1, keys)
		cache, _ := pragma("cache_size")
		assert.EqualValues(t, -32768, cache)
		timeout, _ := pragma("busy_timeout")
		assert.EqualValues(t, 1000, timeout, "a tenth of the default")
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), Config{Readers: 2})
	view := func(ctx context.Context, inside func() error) error {
		return store.View(ctx, func(context.Context, stacksync.Reader) error { return inside() })
	}
	require.NoError(t, view(t.Context(), func() error {
		return view(t.Context(), func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			require.ErrorIs(t, view(ctx, func() error { return errors.New("a third reader") }), context.DeadlineExceeded)
			return nil
		})
	}))
}

// A file that vanishes must not come back as an empty store.
func TestDeletedFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store, _, read := openPools(t, path, Config{})
	read.SetMaxIdleConns(0) // each View connects anew
	require.Zero(t, count(t, store, 1))
	require.NoError(t, os.Remove(path))
	err := store.View(t.Context(), nil)
	require.ErrorContains(t, err, "unable to open")
	require.NoFileExists(t, path)
}

// No row of an account outlives, or comes before, what it belongs to.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), Config{})
	for name, p := range map[string]stacksync.PutParams{
		"device without user":      {Devices: []stacksync.Device{{User: "nobody"}}},
		"workspace without owner":  {Workspaces: []stacksync.Workspace{{Owner: "nobody"}}},
		"member without workspace": {Users: []stacksync.User{{ID: "ada"}}, Members: []stacksync.Member{{User: "ada"}}},
		"member without user":      {Users: []stacksync.User{{ID: "ada"}}, Workspaces: []stacksync.Workspace{{Owner: "ada"}}, Members: []stacksync.Member{{User: "nobody"}}},
	} {
		require.ErrorContains(t, put(t.Context(), store, p), "FOREIGN KEY", name)
	}
}
