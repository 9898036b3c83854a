package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// schemaOf returns what a file's schema is, in SQL.
func schemaOf(t *testing.T, path string) []string {
	t.Helper()
	var schema []string
	require.NoError(t, openRaw(t, path).NewSelect().TableExpr("sqlite_schema").ColumnExpr("type || ' ' || name || ': ' || coalesce(sql, '')").
		Where("tbl_name NOT LIKE 'bun_%' AND name <> 'sqlite_sequence'").OrderExpr("1").Scan(t.Context(), &schema))
	return schema
}

func TestRollback(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	require.NoError(t, store.Close())
	up := schemaOf(t, path)
	require.NotEmpty(t, up)

	require.NoError(t, Rollback(t.Context(), path))
	require.Empty(t, schemaOf(t, path), "each migration's down removes what its up has made")
	require.NoError(t, Rollback(t.Context(), path), "there is nothing left to roll back")

	store = open(t, path, Config{})
	require.Zero(t, count(t, store, 1))
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	require.NoError(t, store.Close())
	require.Equal(t, up, schemaOf(t, path))
}

func TestRollbackMakesNoFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	require.Error(t, Rollback(t.Context(), path))
	require.NoFileExists(t, path)
}

// through returns the migrations up to the one of a number.
func through(last string) fstest.MapFS {
	files := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		b, err := migrations.ReadFile(name)
		if err != nil {
			panic(err)
		}
		if base := path.Base(name); base[:4] <= last {
			files[base] = &fstest.MapFile{Data: b}
		}
	}
	return files
}

// later returns the migrations of a later version of the library.
func later(up, down string) fs.FS {
	files := through("9998")
	files["9999_later.up.sql"], files["9999_later.down.sql"] = &fstest.MapFile{Data: []byte(up)}, &fstest.MapFile{Data: []byte(down)}
	return files
}

// TestUpgradeOwesNothing opens a file of the version before workspaces had an outbox.
func TestUpgradeOwesNothing(t *testing.T) {
	t.Parallel()
	file := tempPath(t)
	d, err := newDatabase(file, Config{})
	require.NoError(t, err)
	require.NoError(t, d.create())
	m := newMigrator(t, file, through("0001"))
	require.NoError(t, m.Up(t.Context()))
	db := openRaw(t, file)
	execute(t, db, `INSERT INTO users VALUES ('ada', x'', 0, 0, 0)`)
	id := workspaceID(1)
	execute(t, db, fmt.Sprintf(`INSERT INTO workspaces VALUES (x'%x', 'ada', 'c', 7, 0, 1, 1, 0, 0)`, id.UUID[:]))

	store := open(t, file, Config{})
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		res, err := tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Now: time.Now(), Until: time.Now(), Limit: 1})
		require.Empty(t, res.Workspaces)
		return err
	}))
	res, err := store.Load(t.Context(), stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: id, User: "ada"}}})
	require.NoError(t, err)
	require.Len(t, res.Workspaces, 1)
	require.EqualValues(t, 7, res.Workspaces[0].Revision)
	require.EqualValues(t, 7, res.Workspaces[0].Notified)
}

// TestUpgradeToSharing opens a file of the version before workspaces could be shared, and goes back.
func TestUpgradeToSharing(t *testing.T) {
	t.Parallel()
	file := tempPath(t)
	d, err := newDatabase(file, Config{})
	require.NoError(t, err)
	require.NoError(t, d.create())
	m := newMigrator(t, file, through("0002"))
	require.NoError(t, m.Up(t.Context()))
	db := openRaw(t, file)
	w, empty := workspaceID(1), workspaceID(2)
	blob := func(id [16]byte) string { return fmt.Sprintf("x'%x'", id[:]) }
	execute(t, db, `INSERT INTO users VALUES ('ada', `+blob(w.UUID)+`, 100, 30, 7)`)
	execute(t, db, `INSERT INTO devices VALUES ('ada', `+blob(id("device", 1))+`, 'laptop', 0, 7)`)
	for n, id := range []stacksync.WorkspaceID{w, empty} {
		execute(t, db, fmt.Sprintf(`INSERT INTO workspaces VALUES (%s, 'ada', 'c%d', 3, 0, 1, 1, 0, 7, 2, 9)`, blob(id.UUID), n))
		execute(t, db, `INSERT INTO members VALUES (`+blob(id.UUID)+`, 'ada', 3, 'name', zeroblob(16), 7)`)
	}
	for n, size := range []int{10, 20, 40} { // the last one is deleted
		for _, table := range []string{"items", "item_versions"} {
			execute(t, db, fmt.Sprintf(`INSERT INTO %s VALUES (%s, %s, 1, %d, 1, %t, zeroblob(16), 'n%d', 'n%d', 1, %d, '', NULL, '', NULL, NULL, 'ada', %s, 7)`,
				table, blob(w.UUID), blob(id("item", n)), n+1, n == 2, n, n, size, blob(id("device", 1))))
		}
	}
	before := schemaOf(t, file)

	store := open(t, file, Config{})
	at := time.UnixMicro(7).UTC()
	ada := stacksync.User{ID: "ada", DefaultWorkspace: w, QuotaLimit: 100, QuotaUsed: 30, CreatedAt: at}
	owner := stacksync.Member{Workspace: w, User: "ada", Role: stacksync.Owner, MountName: "name", JoinedAt: at}
	res, err := store.Load(t.Context(), stacksync.LoadParams{
		Access:   []stacksync.AccessKey{{Workspace: w, User: "ada"}, {Workspace: empty, User: "ada"}},
		Items:    []stacksync.ItemKey{{Workspace: w, Item: stacksync.ItemID{UUID: id("item", 2)}}},
		Versions: []stacksync.VersionKey{{Workspace: w, Item: stacksync.ItemID{UUID: id("item", 0)}, Version: 1}},
	})
	require.NoError(t, err)
	require.Equal(t, []stacksync.User{ada}, res.Owners, "who is owed nothing")
	require.ElementsMatch(t, []stacksync.Workspace{
		{ID: w, Owner: "ada", Container: "c0", Revision: 3, Size: 30, Epoch: 1, Provisioned: true, CreatedAt: at, Notified: 2, HintDue: time.UnixMicro(9).UTC()},
		{ID: empty, Owner: "ada", Container: "c1", Revision: 3, Epoch: 1, Provisioned: true, CreatedAt: at, Notified: 2, HintDue: time.UnixMicro(9).UTC()},
	}, res.Workspaces)
	require.Contains(t, res.Members, owner, "who was a member is one, not an invited one")
	require.Len(t, res.Items, 1)
	require.True(t, res.Items[0].Deleted)
	require.Zero(t, res.Items[0].MovedTo)
	require.Len(t, res.Versions, 1)

	invited := stacksync.Member{Workspace: w, User: "bob", Role: stacksync.Owner, Pending: true}
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{
		Users: []stacksync.User{{ID: "bob", Revision: 1}}, Members: []stacksync.Member{invited},
		Operations: []stacksync.Operation{{ID: operationID(1), State: stacksync.OperationRunning}},
	}))
	require.NoError(t, store.Close())

	require.NoError(t, Rollback(t.Context(), file))
	require.Equal(t, before, schemaOf(t, file))
	var members []string
	require.NoError(t, db.NewSelect().TableExpr("members").ColumnExpr("user_id").Scan(t.Context(), &members))
	require.Equal(t, []string{"ada", "ada"}, members, "who was only invited must not become a member of the version before")

	store = open(t, file, Config{})
	require.Equal(t, 3, count(t, store, 1))
}

// newMigrator makes the Migrator of a file with other migrations.
func newMigrator(t testing.TB, path string, files fs.FS) sqlstore.Migrator {
	t.Helper()
	d, err := newDatabase(path, Config{})
	require.NoError(t, err)
	c, err := newConnector(d.dsn(creator))
	require.NoError(t, err)
	return sqlstore.Migrator{Connector: c, Dialect: sqlitedialect.New(), Migrations: files, Begin: []string{"BEGIN IMMEDIATE"}, Prepare: claim}
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, Config{})
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, 1, 3)}))
	require.NoError(t, store.Close())
	m := newMigrator(t, path, later("ALTER TABLE items ADD COLUMN later TEXT;", "ALTER TABLE items DROP COLUMN later;"))
	require.NoError(t, m.Up(t.Context()))
	newer := schemaOf(t, path)

	_, err := Open(t.Context(), path, Config{})
	require.ErrorIs(t, err, ErrNewerSchema)
	require.ErrorContains(t, err, "9999")
	require.ErrorIs(t, Rollback(t.Context(), path), ErrNewerSchema)
	require.Equal(t, newer, schemaOf(t, path), "nothing was changed")

	require.NoError(t, m.Down(t.Context()))
	require.Equal(t, 3, count(t, open(t, path, Config{}), 1), "rolling back one step keeps what the others hold")
}

func TestFailedMigration(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	require.NoError(t, open(t, path, Config{}).Close())
	before := schemaOf(t, path)
	m := newMigrator(t, path, later("CREATE TABLE half (a);\n--bun:split\nCREATE TABLE items (a);", "DROP TABLE half;"))
	require.ErrorContains(t, m.Up(t.Context()), "already exists")
	require.Equal(t, before, schemaOf(t, path))
	require.NoError(t, open(t, path, Config{}).Close())
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	const openers = 8
	errs := make([]error, openers)
	var all sync.WaitGroup
	for i := range openers {
		all.Go(func() {
			store, err := Open(t.Context(), path, Config{})
			if err == nil {
				err = put(t.Context(), store, stacksync.PutParams{Items: files(1, 1+i, 1)})
				err = errors.Join(err, store.Close())
			}
			errs[i] = err
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, openers, count(t, open(t, path, Config{}), 1))
}

func TestProcessesOpenAtOnce(t *testing.T) {
	t.Parallel()
	const ready = "saved"
	path := tempPath(t)
	if child(t, func(path string) {
		store := open(t, path, Config{})
		require.NoError(t, put(t.Context(), store, stacksync.PutParams{Items: files(1, os.Getpid(), 1)}))
		fmt.Println(ready)
	}) {
		return
	}
	children := make([]*process, 3)
	for i := range children {
		children[i] = startChild(t, path)
	}
	for _, p := range children {
		p.waitFor(ready)
	}
	require.Equal(t, len(children), count(t, open(t, path, Config{}), 1))
}

func TestOpenWhileWritten(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	require.NoError(t, open(t, path, Config{}).Close())
	other := openRaw(t, path)
	execute(t, other, "BEGIN IMMEDIATE")
	store := open(t, path, Config{}) // waits for no lock, as there is nothing to migrate
	require.Zero(t, count(t, store, 1))
	execute(t, other, "ROLLBACK")
}

// commitless connects so that a COMMIT calls instead, and then never comes.
type commitless struct {
	driver.Connector
	instead func()
}

func (c commitless) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return commitlessConn{raw.(*conn), c.instead}, nil
}

type commitlessConn struct {
	*conn
	instead func()
}

func (c commitlessConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if query == "COMMIT" {
		c.instead()
		select {}
	}
	return c.conn.ExecContext(ctx, query, args)
}

func TestKilledWhileMigrating(t *testing.T) {
	t.Parallel()
	const ready = "migrated"
	path := tempPath(t)
	if child(t, func(path string) {
		m := newMigrator(t, path, migrations)
		m.Connector = commitless{m.Connector, func() { fmt.Println(ready) }}
		t.Errorf("the migration returned: %v", m.Up(t.Context()))
	}) {
		return
	}
	p := startChild(t, path)
	p.waitFor(ready)
	p.kill()
	require.NoError(t, put(t.Context(), open(t, path, Config{}), stacksync.PutParams{Items: files(1, 1, 1)}))
}
