package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
	"github.com/uptrace/bun/schema"
)

// ErrNewerSchema says that a database was used by a later version of the library, whose schema this one doesn't know.
var ErrNewerSchema = errors.New("the database has the schema of a later version of the library")

// Migrator brings a schema up to date, or back. All that it does happens in one transaction on one connection: processes
// that do it at once wait for each other, and one that is killed leaves nothing behind. bun's own lock, a row that a
// killed process leaves in a table, is not used.
type Migrator struct {
	// Connector is used for one connection.
	Connector driver.Connector
	// Dialect is bun's.
	Dialect schema.Dialect
	// Migrations has files named 0001_what.up.sql and 0001_what.down.sql, each a script without BEGIN and COMMIT.
	Migrations fs.FS
	// Schema has the tables in which it is kept which migrations were run. "" means the only one there is.
	Schema string
	// Begin are the statements that start a transaction which no other Migrator's runs beside.
	Begin []string
	// Prepare, where there is one, is called first in the transaction.
	Prepare func(ctx context.Context, tx bun.IDB) error
}

// Up runs the migrations that have not been run. It returns ErrNewerSchema where others than those it knows were. Where
// there is nothing to do it waits for no lock.
func (m Migrator) Up(ctx context.Context) error {
	return m.run(ctx, upToDate, func(migrator *migrate.Migrator) error {
		_, err := migrator.Migrate(ctx)
		return err
	})
}

// upToDate looks from outside the transaction. Where it can't tell, a look from inside will.
func upToDate(ctx context.Context, migrator *migrate.Migrator) bool {
	known, err := migrator.MigrationsWithStatus(ctx)
	if err != nil || len(known.Unapplied()) > 0 {
		return false
	}
	unknown, err := migrator.MissingMigrations(ctx)
	return err == nil && len(unknown) == 0
}

// Down undoes the migrations that the last Up has run, with all the data in what they made. It returns ErrNewerSchema
// where Up does.
func (m Migrator) Down(ctx context.Context) error {
	never := func(context.Context, *migrate.Migrator) bool { return false }
	return m.run(ctx, never, func(migrator *migrate.Migrator) error {
		_, err := migrator.Rollback(ctx)
		return err
	})
}

func (m Migrator) run(
	ctx context.Context, done func(context.Context, *migrate.Migrator) bool, change func(*migrate.Migrator) error,
) (err error) {
	migrations := migrate.NewMigrations()
	if err := migrations.Discover(m.Migrations); err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	pool := sql.OpenDB(&oneConnection{Connector: m.Connector})
	pool.SetMaxOpenConns(1)
	db := bun.NewDB(pool, m.Dialect)
	defer func() { // without a COMMIT, closing is the rollback
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	options := []migrate.MigratorOption{migrate.WithMarkAppliedOnSuccess(true)}
	if m.Schema != "" {
		options = append(options, migrate.WithTableName(m.Schema+".bun_migrations"), migrate.WithLocksTableName(m.Schema+".bun_migration_locks"))
	}
	migrator := migrate.NewMigrator(db, migrations, options...)
	if done(ctx, migrator) {
		return nil
	}
	for _, begin := range m.Begin {
		if _, err := db.ExecContext(ctx, begin); err != nil {
			return fmt.Errorf("begin migration: %w", err)
		}
	}
	if m.Prepare != nil {
		if err := m.Prepare(ctx, db); err != nil {
			return err
		}
	}
	if err := migrator.Init(ctx); err != nil {
		return fmt.Errorf("make the tables of migrations: %w", err)
	}
	unknown, err := migrator.MissingMigrations(ctx)
	if err != nil {
		return fmt.Errorf("read which migrations were run: %w", err)
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%w: migration %s is unknown", ErrNewerSchema, unknown[0].Name)
	}
	if err := change(migrator); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := db.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit migration: %w", err)
	}
	return nil
}

// oneConnection connects once. A pool that lost its connection, and with it the transaction, must not go on with another.
type oneConnection struct {
	driver.Connector
	used atomic.Bool
}

// Connect implements driver.Connector.
func (c *oneConnection) Connect(ctx context.Context) (driver.Conn, error) {
	if c.used.Swap(true) {
		return nil, errors.New("the connection of the migration was lost")
	}
	return c.Connector.Connect(ctx)
}
