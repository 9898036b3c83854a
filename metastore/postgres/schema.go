package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go/internal/pgconn"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

var (
	// ErrNewerSchema says that a schema was used by a later version of the library, which this one doesn't know.
	ErrNewerSchema = sqlstore.ErrNewerSchema
	// ErrCorrupt says that an index is damaged: Changes has met revisions out of order, or twice. REINDEX mends it; pg_amcheck looks for more.
	ErrCorrupt = sqlstore.ErrCorrupt
	// ErrServerVersion says that the server is older than PostgreSQL 13.
	ErrServerVersion = errors.New("PostgreSQL 13 or later is needed")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Rollback undoes the last step of the schema that an Open has made, with all the data in the tables that it removes. It
// is for operators who go back to an earlier version of the library, and for tests. Nobody may use the schema meanwhile. The
// next Open makes the step again.
func Rollback(ctx context.Context, config Config) error {
	config, err := config.withDefaults()
	if err != nil {
		return fmt.Errorf("roll back PostgreSQL store: %w", err)
	}
	if _, err := config.migrate(ctx, sqlstore.Migrator.Down); err != nil {
		return fmt.Errorf("roll back PostgreSQL store: %w", err)
	}
	return nil
}

// migrate changes the schema, on one connection, in one transaction. Others that do it wait for its lock. It returns the server's version.
func (c Config) migrate(ctx context.Context, change func(sqlstore.Migrator, context.Context) error) (version int, err error) {
	pool, err := pgconn.Given(c.DSN, c.DB, c.Bun)
	if err != nil {
		return 0, err
	}
	if pool == nil { // the store's own connections don't wait for as long as a migration may take
		connector, err := c.connector(0)
		if err != nil {
			return 0, err
		}
		pool = sql.OpenDB(connector)
		defer func() { _ = pool.Close() }()
	}
	err = sqlstore.Retry(ctx, func() (again bool, err error) {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return retryable(err), fmt.Errorf("connect: %w", err)
		}
		defer func() { _ = conn.Close() }()
		stop, err := pgconn.Guard(ctx, conn)
		if err == nil {
			version, err = c.migrateOn(ctx, conn, change)
			stop()
			if err != nil && ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", ctx.Err(), err)
			}
		}
		if err != nil { // it may be in the middle of a transaction
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		return retryable(err), err
	})
	return version, err
}

func (c Config) migrateOn(ctx context.Context, conn *sql.Conn, change func(sqlstore.Migrator, context.Context) error) (version int, err error) {
	columns, dest := make([]string, numFacts), make([]any, numFacts)
	for i := range columns {
		dest[i] = &columns[i]
	}
	if err := conn.QueryRowContext(ctx, "SELECT "+factColumns).Scan(dest...); err != nil {
		return 0, fmt.Errorf("ask for the server's version and settings: %w", err)
	}
	f, err := factsOf(columns)
	if err == nil {
		err = f.check(c.AllowAsynchronousCommit)
	}
	if err != nil {
		return 0, err
	}
	schema := c.Schema
	name := quoted(schema)
	begin := []string{
		"BEGIN",
		"SET LOCAL client_min_messages = warning",
		"SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0", // others may migrate a large database
		"SET LOCAL search_path = pg_catalog",           // functions are PostgreSQL's own
		"SET LOCAL datestyle = 'ISO, MDY'",             // the driver reads no other
		"SET LOCAL default_table_access_method = heap", // the only one that the store was tested with
	}
	if f.version >= 170000 {
		begin = append(begin, "SET LOCAL transaction_timeout = 0")
	}
	// The lock comes before the look at what is there, and ends with the transaction.
	begin = append(begin, fmt.Sprintf("SELECT pg_advisory_xact_lock(hashtext('stacksync migrations'), hashtext('%s'))", schema))
	return f.version, conn.Raw(func(c any) error {
		borrowed, ok := c.(driverConn)
		if !ok {
			return fmt.Errorf("a connection is a %T, not one of pgdriver", c)
		}
		return change(sqlstore.Migrator{
			Connector:  lent{borrowed},
			Dialect:    pgdialect.New(),
			Migrations: migrations,
			Schema:     name,
			Begin:      begin,
			Prepare: func(ctx context.Context, tx bun.IDB) error {
				var exists bool
				if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ?)", schema).Scan(&exists); err != nil {
					return fmt.Errorf("look for the schema: %w", err)
				}
				if !exists { // CREATE … IF NOT EXISTS needs the right to create schemas even where there is nothing to do
					if _, err := tx.ExecContext(ctx, "CREATE SCHEMA "+name); err != nil {
						return fmt.Errorf("create schema %s: %w", name, err)
					}
				}
				if _, err := tx.ExecContext(ctx, "SET LOCAL search_path = "+name); err != nil {
					return fmt.Errorf("enter schema %s: %w", name, err)
				}
				return nil
			},
		}, ctx)
	})
}

// driverConn is what a connection of the driver can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// lent is a connector that makes no connection: it lends the one it has.
type lent struct{ conn driverConn }

func (l lent) Connect(context.Context) (driver.Conn, error) { return staying{l.conn}, nil }

func (l lent) Driver() driver.Driver { return nil }

// staying is a connection that others can't close.
type staying struct{ driverConn }

func (staying) Close() error { return nil }
