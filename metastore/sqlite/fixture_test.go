package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// tempPath returns the path of a file that does not exist.
func tempPath(t testing.TB) string { return filepath.Join(t.TempDir(), "meta.db") }

func open(t testing.TB, path string, config Config) *Store {
	t.Helper()
	store, err := Open(t.Context(), path, config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// openPools opens a store of which the test sees the connections.
func openPools(t testing.TB, path string, config Config) (store *Store, write, read *bun.DB) {
	t.Helper()
	d, err := newDatabase(path, config)
	require.NoError(t, err)
	require.NoError(t, open(t, path, config).Close()) // has made the schema
	write, err = d.pool(writer, 1)
	require.NoError(t, err)
	read, err = d.pool(reader, 1)
	require.NoError(t, err)
	store = d.newStore(write, read)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store, write, read
}

// openRaw connects to a file as another program would.
func openRaw(t testing.TB, path string) *bun.DB {
	t.Helper()
	d, err := newDatabase(path, Config{})
	require.NoError(t, err)
	db, err := d.pool(creator, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t testing.TB, db *bun.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err, statement)
}

func id(kind string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", kind, n))
}

func workspaceID(n int) stacksync.WorkspaceID { return stacksync.WorkspaceID{UUID: id("workspace", n)} }

func operationID(n int) stacksync.OperationID {
	return stacksync.OperationID{UUID: id("operation", n)}
}

// file makes the n-th item of a workspace: in the root, with the revision n.
func file(workspace, n int) stacksync.ItemRow {
	name := fmt.Sprintf("document %08d.txt", n)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)
	return stacksync.ItemRow{
		Workspace: workspaceID(workspace),
		NameKey:   name,
		Item: stacksync.Item{
			ID: stacksync.ItemID{UUID: id("item", n)}, Version: 1, Revision: int64(n), Status: stacksync.StatusNew,
			Name: name, Kind: stacksync.File, Size: 1 << 19, Checksum: fmt.Sprintf("%064x", n),
			Chunks: []stacksync.Chunk{{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(name))), Size: 1 << 19}}, MediaType: "text/plain",
			ModifiedAt: at, User: "user-1", Device: stacksync.DeviceID{UUID: id("device", 1)}, CommittedAt: at,
		},
	}
}

func files(workspace, from, n int) []stacksync.ItemRow {
	rows := make([]stacksync.ItemRow, n)
	for i := range rows {
		rows[i] = file(workspace, from+i)
	}
	return rows
}

func put(ctx context.Context, store stacksync.MetadataStore, p stacksync.PutParams) error {
	return store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, p)
		return err
	})
}

// count returns how many items a workspace has, up to 10,000.
func count(t testing.TB, store stacksync.MetadataStore, workspace int) int {
	t.Helper()
	var n int
	require.NoError(t, store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: workspaceID(workspace), PageBound: stacksync.PageBound{Limit: 10_000}})
		n = len(res.Items)
		return err
	}))
	return n
}
