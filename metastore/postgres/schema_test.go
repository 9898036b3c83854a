package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// upTo runs the migrations up to the one of a number.
func upTo(last string) func(m sqlstore.Migrator, ctx context.Context) error {
	return func(m sqlstore.Migrator, ctx context.Context) error {
		names, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			return err
		}
		files := fstest.MapFS{}
		for _, name := range names {
			b, err := migrations.ReadFile(name)
			if err != nil {
				return err
			}
			if base := path.Base(name); base[:4] <= last {
				files[base] = &fstest.MapFile{Data: b}
			}
		}
		m.Migrations = files
		return m.Up(ctx)
	}
}

// schemaOf returns the columns, indexes and options of a schema.
func schemaOf(t *testing.T, server *pgtest.Server, schema string) (lines [][]string) {
	t.Helper()
	return server.Query(t, `SELECT c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attoptions, a.attcollation,
			pg_get_expr(d.adbin, d.adrelid), pg_get_indexdef(c.oid)) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = $1::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT LIKE 'bun_%'
		ORDER BY 1, 2`, schema)
}

func TestRollback(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	store := openStore(t, config)
	require.NoError(t, put(t.Context(), store, account(1)))
	require.NoError(t, store.Close())
	up := schemaOf(t, server, config.Schema)
	require.NotEmpty(t, up)
	require.NoError(t, Rollback(t.Context(), config))
	require.Empty(t, schemaOf(t, server, config.Schema), "each migration's down removes what its up has made")
	require.NoError(t, Rollback(t.Context(), config), "there is nothing left to roll back")
	store = openStore(t, config)
	require.Empty(t, users(t, store, "user-1"))
	require.Equal(t, up, schemaOf(t, server, config.Schema))
}

// TestUpgradeToSharing opens a database of the version before workspaces could be shared, and goes back.
func TestUpgradeToSharing(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config, err := fresh(t, server).withDefaults()
	require.NoError(t, err)
	_, err = config.migrate(t.Context(), upTo("0001"))
	require.NoError(t, err)
	w, empty := workspaceID(1), workspaceID(2)
	server.Exec(t, fmt.Sprintf(`SET search_path = %s;
		INSERT INTO users VALUES ('ada', '%[2]s', 100, 30, 7);
		INSERT INTO devices VALUES ('ada', '%[4]s', 'laptop', false, 7);
		INSERT INTO workspaces VALUES ('%[2]s', 'ada', 'c0', 3, 0, 1, true, false, 7, 2, 9), ('%[3]s', 'ada', 'c1', 3, 0, 1, true, false, 7, 2, 9);
		INSERT INTO members SELECT id, 'ada', 3, 'name', '%[5]s', 7 FROM workspaces;
		INSERT INTO items SELECT '%[2]s', md5('i' || n)::uuid, 1, n, 1, n = 3, '%[5]s', 'n' || n, 'n' || n, 1, 5 * 2 ^ n, '', NULL, '', NULL, NULL, 'ada', '%[4]s', 7
			FROM generate_series(1, 3) AS n;
		INSERT INTO item_versions SELECT * FROM items`, config.Schema, w, empty, id("device", 1), stacksync.ItemID{}))
	before := schemaOf(t, server, config.Schema)

	store := openStore(t, config)
	at, due := time.UnixMicro(7).UTC(), time.UnixMicro(9).UTC()
	res, err := store.Load(t.Context(), stacksync.LoadParams{
		Access:   []stacksync.AccessKey{{Workspace: w, User: "ada"}, {Workspace: empty, User: "ada"}},
		Subtrees: []stacksync.ItemKey{{Workspace: w}},
	})
	require.NoError(t, err)
	require.Equal(t, []stacksync.User{{ID: "ada", DefaultWorkspace: w, QuotaLimit: 100, QuotaUsed: 30, CreatedAt: at}}, res.Owners, "who is owed nothing")
	require.ElementsMatch(t, []stacksync.Workspace{
		{ID: w, Owner: "ada", Container: "c0", Revision: 3, Size: 30, Epoch: 1, Provisioned: true, CreatedAt: at, Notified: 2, HintDue: due},
		{ID: empty, Owner: "ada", Container: "c1", Revision: 3, Epoch: 1, Provisioned: true, CreatedAt: at, Notified: 2, HintDue: due},
	}, res.Workspaces)
	owner := stacksync.Member{Workspace: w, User: "ada", Role: stacksync.Owner, MountName: "name", JoinedAt: at}
	require.Contains(t, res.Members, owner, "who was a member is one, not an invited one")
	require.Len(t, res.Items, 2)
	require.Zero(t, res.Items[0].MovedTo)

	invited := stacksync.Member{Workspace: w, User: "bob", Role: stacksync.Owner, Pending: true}
	require.NoError(t, put(t.Context(), store, stacksync.PutParams{
		Users: []stacksync.User{{ID: "bob", Revision: 1}}, Members: []stacksync.Member{invited},
		Operations: []stacksync.Operation{{ID: stacksync.OperationID{UUID: id("operation", 1)}, State: stacksync.OperationRunning}},
	}))
	require.NoError(t, store.Close())

	require.NoError(t, Rollback(t.Context(), config))
	require.Equal(t, before, schemaOf(t, server, config.Schema))
	require.Equal(t, [][]string{{"ada"}, {"ada"}}, server.Query(t, "SELECT user_id FROM "+config.Schema+".members"),
		"who was only invited must not become a member of the version before")

	store = openStore(t, config)
	require.ElementsMatch(t, []stacksync.UserID{"ada", "bob"}, users(t, store, "ada", "bob"))
}
