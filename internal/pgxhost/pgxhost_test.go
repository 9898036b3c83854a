package pgxhost

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/metastore/postgres"
	"github.com/stacksync/stacksync-go/service"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// modes are the ways in which pgx sends statements.
var modes = map[string]pgx.QueryExecMode{
	"cached statements": pgx.QueryExecModeCacheStatement, "cached descriptions": pgx.QueryExecModeCacheDescribe, "described": pgx.QueryExecModeDescribeExec,
	"exec": pgx.QueryExecModeExec, "simple protocol": pgx.QueryExecModeSimpleProtocol,
}

// world is a service with a user, on a store with connections of its own, and a table of the host's.
type world struct {
	t      *testing.T
	server *pgtest.Server
	schema string
	store  *postgres.Store
	svc    *service.Service
	actor  stacksync.Actor
	ws     stacksync.WorkspaceID
	chunk  stacksync.Chunk
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: pgtest.Shared(t)}
	w.schema = w.server.Schema(t)
	var err error
	w.store, err = postgres.Open(t.Context(), postgres.Config{DSN: w.server.DSN(), Schema: w.schema})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.svc, err = service.New(w.store, service.Config{Storage: memory.New(memory.Config{})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.svc.Close()) })
	user, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: "ada"})
	require.NoError(t, err)
	w.actor, w.ws = stacksync.Actor{User: "ada"}, user.User.DefaultWorkspace
	device, err := w.svc.RegisterDevice(t.Context(), stacksync.RegisterDeviceRequest{Actor: w.actor, Name: "laptop"})
	require.NoError(t, err)
	w.actor.Device = device.Device.ID
	sum := sha256.Sum256([]byte("content"))
	w.chunk = stacksync.Chunk{Name: hex.EncodeToString(sum[:]), Size: 7}
	_, err = w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: w.chunk, Content: strings.NewReader("content")})
	require.NoError(t, err)
	w.server.Exec(t, "CREATE TABLE "+w.schema+".orders (name text PRIMARY KEY)")
	return w
}

// host returns a pool of pgx's, as database/sql has it.
func (w *world) host(mode pgx.QueryExecMode) *sql.DB {
	w.t.Helper()
	config, err := pgx.ParseConfig(w.server.DSN())
	require.NoError(w.t, err)
	config.DefaultQueryExecMode = mode
	db := stdlib.OpenDB(*config)
	w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
	return db
}

// proposals are values that a driver could change on the way.
func (w *world) proposals() []stacksync.Proposal {
	folder := stacksync.Proposal{Item: stacksync.NewItemID(), Version: 1, Name: stacksync.NewItemID().String(), Kind: stacksync.Folder}
	all := []stacksync.Proposal{folder}
	for _, name := range []string{"grün", `back\slash`, `quo'te"`, "NULL", "{a,b}", "$1 ?"} {
		all = append(all, stacksync.Proposal{
			Item: stacksync.NewItemID(), Version: 1, Parent: folder.Item, Name: name, Kind: stacksync.File, Size: w.chunk.Size, Checksum: name,
			Chunks: []stacksync.Chunk{w.chunk}, MediaType: "text/plain", ModifiedAt: time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			Attrs: map[string]string{name: "x"},
		})
	}
	return all
}

// commitIn orders something, and commits, in one transaction.
func (w *world) commitIn(tx *sql.Tx, name string, proposals []stacksync.Proposal) service.CommitInResult {
	w.t.Helper()
	_, err := tx.ExecContext(w.t.Context(), "INSERT INTO "+w.schema+".orders VALUES ($1)", name)
	require.NoError(w.t, err)
	res, err := w.svc.CommitIn(w.t.Context(), w.store.Tx(tx), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: proposals})
	require.NoError(w.t, err)
	for _, o := range res.Outcomes {
		require.NoError(w.t, o.Err)
	}
	return res
}

// all returns the items that the service has, by its own connections.
func (w *world) all() map[stacksync.ItemID]stacksync.Item {
	w.t.Helper()
	items := map[stacksync.ItemID]stacksync.Item{}
	page, err := w.svc.Changes(w.t.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws})
	require.NoError(w.t, err)
	require.False(w.t, page.More)
	for _, item := range page.Items {
		items[item.ID] = item
	}
	return items
}

// TestCommitIn commits new items, new versions and deletes in transactions that pgx has begun, in each of its modes.
func TestCommitIn(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			db := w.host(mode)
			begin := func() *sql.Tx {
				tx, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				t.Cleanup(func() { _ = tx.Rollback() })
				return tx
			}
			proposals := w.proposals()

			tx := begin()
			w.commitIn(tx, "taken back", proposals)
			require.NoError(t, tx.Rollback())
			require.Empty(t, w.all())

			want := map[stacksync.ItemID]stacksync.Item{}
			for version := int64(1); version <= 3; version++ {
				for i := range proposals {
					proposals[i].Version = version
				}
				proposals[1].Delete = version == 3
				tx := begin()
				res := w.commitIn(tx, "order "+string(rune('0'+version)), proposals)
				for i, o := range res.Outcomes {
					require.Equal(t, stacksync.Committed, o.Result)
					want[proposals[i].Item] = *o.Item
				}
				require.NoError(t, tx.Commit())
				res.Committed()
			}
			got := w.all()
			for id, item := range want {
				if item.Deleted { // which a first catch-up leaves out
					delete(want, id)
				}
			}
			require.Equal(t, want, got)
			require.Len(t, w.server.Query(t, "SELECT name FROM "+w.schema+".orders"), 3)
			for i := range proposals { // sent again: each version that was superseded is read and compared
				proposals[i].Version, proposals[i].Delete = 1, false
			}
			for _, o := range w.commitIn(begin(), "again", proposals).Outcomes {
				require.Equal(t, stacksync.AlreadyCommitted, o.Result)
			}
		})
	}
}

// A pool of pgx's own lends its connections to database/sql.
func TestCommitInOnPgxPool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool, err := pgxpool.New(t.Context(), w.server.DSN())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	w.commitIn(tx, "order", w.proposals()).Committed()
	require.NoError(t, tx.Commit())
	require.NotEmpty(t, w.all())
}

// What the store says of a transaction it says with pgx's errors, too.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			db := w.host(mode)
			locks := stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w.ws}, Users: []stacksync.UserID{"ada"}}
			begin := func(level sql.IsolationLevel, setting string) *sql.Tx {
				tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
				require.NoError(t, err)
				t.Cleanup(func() { _ = tx.Rollback() })
				_, err = tx.ExecContext(t.Context(), setting)
				require.NoError(t, err)
				return tx
			}
			lock := func(tx *sql.Tx) error {
				_, err := w.store.Tx(tx).Lock(t.Context(), locks)
				return errors.Join(err, tx.Rollback())
			}
			require.ErrorIs(t, lock(begin(sql.LevelRepeatableRead, "SET LOCAL lock_timeout = '10s'")), postgres.ErrIsolation)
			require.ErrorIs(t, lock(begin(sql.LevelReadCommitted, "SET LOCAL synchronous_commit = off")), postgres.ErrSetting)
			require.NoError(t, lock(begin(sql.LevelReadCommitted, "SET LOCAL bytea_output = escape")))

			holds := begin(sql.LevelReadCommitted, "SET LOCAL lock_timeout = '10s'")
			_, err := w.store.Tx(holds).Lock(t.Context(), locks)
			require.NoError(t, err)
			require.ErrorIs(t, lock(begin(sql.LevelReadCommitted, "SET LOCAL lock_timeout = '1ms'")), stacksync.ErrBusy)
			require.NoError(t, holds.Rollback())
		})
	}
}

// The store's own statements need pgdriver: a pool of pgx's is refused by name.
func TestPoolIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := postgres.Open(t.Context(), postgres.Config{DB: w.host(pgx.QueryExecModeCacheStatement), Schema: w.schema})
	require.ErrorContains(t, err, "Config.DB")
	require.ErrorContains(t, err, "pgdriver")
}
