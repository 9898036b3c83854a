package postgres

import (
	"database/sql"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

func opener(config Config) metastoretest.Opener {
	return func(t metastoretest.T) stacksync.MetadataStore {
		store, err := Open(t.Context(), config)
		require.NoError(t, err)
		return store
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	metastoretest.Run(t, metastoretest.Suite{Many: testsize.Of(2_000, 0), New: func(ct metastoretest.T) metastoretest.Opener {
		return opener(Config{DSN: server.DSN(), Schema: server.Emptied(ct)})
	}})
}

// hostPool is a pool as a host makes it: nothing in it is for the store.
func hostPool(dsn string) *sql.DB {
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn), pgdriver.WithTimeout(time.Minute)))
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	return db
}

// ofSessions are the checks of what a pool can change: transactions, locks, contexts and handles.
var ofSessions = regexp.MustCompile(`[Ll]ock|transaction|ctx|handle|Update|View|Wait|callers|snapshot|[Cc]los`)

// TestConformanceOfHostPool runs all checks at full size; else those that TestConformance can't stand for.
func TestConformanceOfHostPool(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	only := testsize.Of(ofSessions.MatchString, nil)
	metastoretest.Run(t, metastoretest.Suite{Many: testsize.Of(2_000, 0), Only: only, New: func(ct metastoretest.T) metastoretest.Opener {
		db := hostPool(server.DSN())
		ct.Cleanup(func() { require.NoError(ct, db.Close()) })
		// A busy machine may take longer than the default for the checks with thousands of rows.
		return opener(Config{DB: db, Schema: server.Emptied(ct), StatementTimeout: 50 * time.Second, LockTimeout: hostLockTimeout})
	}})
}

// Of a bun.DB the store takes the pool: what differs from Config.DB is only that.
func TestBun(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	db := bun.NewDB(hostPool(server.DSN()), pgdialect.New())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	config := Config{Bun: db, Schema: server.Schema(t)}
	store := openStore(t, config)
	w := newWorld(t, store)
	w.commit(w.file())
	require.Len(t, w.changes("").Items, 1)
	require.Equal(t, 2, store.Writers(), "a quarter of the connections")
	require.NoError(t, store.Close())
	require.NoError(t, db.PingContext(t.Context()), "the pool is the host's")
}
