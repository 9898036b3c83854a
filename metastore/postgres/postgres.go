// Package postgres keeps metadata in a PostgreSQL database, version 13 or later, for any number of processes.
//
// Updates lock the rows of the workspaces they are about, and run beside each other otherwise. Views are read-only
// transactions on one snapshot. Load, Changes and Put are one statement each, whatever they are about, BEGIN travels with
// the first statement and COMMIT with the last: a commit of 1 item or of 1,000 takes four round trips, Changes takes one.
//
// What fails because of others (a serialization failure, a deadlock) or of the connection, and was certainly not saved, is
// run again, for about a second. Where the connection breaks in a COMMIT, the store asks the server, on another connection,
// what became of the transaction, and ends it if it goes on, unless it waits for a standby. Only where nobody can tell (the server
// does not come back within half a minute, has crashed, or another one answers that does not know) does the caller get ErrUncertain.
// So does the caller of a commit that waited for a synchronous standby when somebody ended the wait (pg_cancel_backend): a failover may
// lose it. That is seen on the store's own connections only; in a host's pool such a commit succeeds.
//
// The database user must own the schema, or may create it where it is missing. With a DSN, connections have settings and prepared
// statements of their own, so that PgBouncer can only stand between in session mode; a host's pool has neither.
//
// A commit locks one advisory lock for each user concerned, and gathered commits those of all, as do ClaimHints and MarkNotified: where many
// thousand are at work at once, max_locks_per_transaction has to grow with them.
package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// Store is a stacksync.MetadataStore in a PostgreSQL database. Its methods may be called from many goroutines.
type Store struct {
	sql               *sqlstore.Store
	writers           int
	allowAsynchronous bool
}

var (
	_ stacksync.MetadataStore = (*Store)(nil)
	_ stacksync.ManyWriters   = (*Store)(nil)
)

// Open connects to the database and makes the schema, or brings it up to date. Any number of processes may do that at once.
// It returns ErrNewerSchema where a later version of the library has used the schema, ErrServerVersion where the server is too old,
// ErrStandby where it takes no writes, and a *SettingError (ErrSetting) where the store can't work with how it is set up.
func Open(ctx context.Context, config Config) (*Store, error) {
	store, err := open(ctx, config, asking{most: 30 * time.Second, pause: 50 * time.Millisecond, patience: 2 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL store: %w", err)
	}
	return store, nil
}

func open(ctx context.Context, config Config, asking asking) (*Store, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	version, err := config.migrate(ctx, sqlstore.Migrator.Up)
	if err != nil {
		return nil, err
	}
	pool, owned, err := config.pool()
	if err != nil {
		return nil, err
	}
	begin := sessions{asking: asking}
	if !owned {
		begin.settings = config.inTransaction(version)
	}
	db := bun.NewDB(pool, pgdialect.New())
	store := sqlstore.New(db, db, sqlstore.Dialect{
		Placeholder: func(n int, sqlType string) string { return fmt.Sprintf("$%d::%s", n, sqlType) },
		Lock:        newLocker(config.Schema, config.AllowAsynchronousCommit).lock,
		Combined:    true,
		RowLocks:    true,
		UserLocks:   userLocks(config.Schema),
		Schema:      config.Schema,
		Retryable:   retryable,
		Begin:       begin.begin,
		Borrowed:    !owned,
	})
	return &Store{sql: store, writers: writers(pool.Stats().MaxOpenConnections), allowAsynchronous: config.AllowAsynchronousCommit}, nil
}

// Update implements stacksync.MetadataStore.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	return s.sql.Update(ctx, fn)
}

// View implements stacksync.MetadataStore. All reads of fn see one snapshot. A View that lasts keeps the server from
// cleaning up after updates.
func (s *Store) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	return s.sql.View(ctx, fn)
}

// Load implements stacksync.MetadataStore.
func (s *Store) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return s.sql.Load(ctx, p)
}

// Changes implements stacksync.MetadataStore.
func (s *Store) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return s.sql.Changes(ctx, p)
}

// Writers implements stacksync.ManyWriters: a quarter of the connections, so that there are some for what waits and for readers.
func (s *Store) Writers() int { return s.writers }

// writers makes of a number of connections, of which 0 has no bound, how many should write at once.
func writers(conns int) int {
	if conns == 0 {
		conns = defaultMaxConns
	}
	return max(1, conns/4)
}

// Tx returns a transaction of the host's, on the same database, as one of the store: see service.Service.CommitIn. The host
// begins and ends it. It must be READ COMMITTED, as PostgreSQL's are by default: its Lock returns ErrIsolation otherwise. LockParams.Wait
// is left to the host's lock_timeout.
//
// The transaction may be pgdriver's (a bun.Tx has the *sql.Tx in its field Tx) or, on the same database, that of pgx's package stdlib
// (stdlib.OpenDB, or stdlib.OpenDBFromPool for a pgxpool), in each of its query modes: the suite of stores passes on such transactions. A pgx.Tx is
// none. The store itself needs a DSN then, or a pool of pgdriver's beside pgx's. Other drivers are untested.
//
// After an error of the returned Tx the host must roll back. A COMMIT would be a rollback too, and the driver would not say so.
// Statements are planned with the settings of the host's connection. Before the first one, in a round trip of its own, the Tx sets
// bytea_output to hex and array_nulls to on, until the transaction ends; it returns a *SettingError (ErrSetting) where client_encoding is not
// UTF8, standard_conforming_strings not on, or synchronous_commit off without Config.AllowAsynchronousCommit.
//
// ROLLBACK TO SAVEPOINT takes back the settings and the locks that were made after the savepoint, and the Tx does not see it: call
// Tx once more, and go on with that one.
func (s *Store) Tx(tx *sql.Tx) stacksync.Tx {
	return s.sql.In(&hostTx{Tx: tx, allowAsynchronous: s.allowAsynchronous})
}

// Close implements stacksync.MetadataStore. A pool that was given stays open.
func (s *Store) Close() error {
	if err := s.sql.Close(); err != nil {
		return fmt.Errorf("close PostgreSQL store: %w", err)
	}
	return nil
}

// quoted returns the name of a schema as SQL has it, also where it is a word of SQL's. checkSchema lets no quotes in.
func quoted(schema string) string { return `"` + schema + `"` }
