// Package sqlstore is the stacksync.MetadataStore over SQL: the tables as bun models, the statements and the transactions,
// once for all databases. A database's own package opens it, brings its schema up to date with Migrator, and says in a
// Dialect what is different there.
//
// bun makes the statements from the models, a few dozen texts in all, when the store is made. They are then run through
// database/sql with bound arguments, so that a driver can keep them prepared: bun itself writes arguments into the text,
// so that the database parses and plans each statement anew. Measured on SQLite, where that costs least: a read of no rows
// takes 28 µs prepared and 85 µs not, 1,000 new rows 8 ms and 12.5 ms.
//
// A database in the process is asked in many small statements, which cost nothing to send. One behind a network is asked
// in one statement a call (Dialect.Combined), whatever the number of rows.
package sqlstore

import (
	"context"
	"database/sql"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// Dialect is what differs between databases, beside what bun's own dialect knows.
type Dialect struct {
	// Placeholder returns the text that stands for an argument: the n-th of its statement, counted from 1, of a SQL type as
	// the models give it ("uuid", "bytea", or what bun derives from the Go type). Values lists in FROM get their types from
	// it. Unless Combined, arguments appear in the text in the order of their numbers, each once.
	Placeholder func(n int, sqlType string) string
	// ID returns what is bound for an id. nil means the id itself, which the driver will ask for its text.
	ID func(id *uuid.UUID) any
	// Lock does what stacksync.Locker promises. nil means that nothing needs to be done, since there is one write
	// transaction at a time.
	Lock func(ctx context.Context, tx Conn, p stacksync.LockParams) error
	// Combined makes Load, Changes and Put one statement each. It needs arrays as PostgreSQL has them.
	Combined bool
	// PlansLimit says that a statement whose LIMIT is a bare argument is planned anew whenever 0 or 1 is bound to it.
	PlansLimit bool
	// RowLocks says that statements may lock rows (FOR UPDATE), and lock users by PostgreSQL's advisory locks, which have two keys: this
	// number, and hashtext of the user's id. Lock does both in this way.
	RowLocks  bool
	UserLocks int32
	// Schema has the tables. "" means the only one there is.
	Schema string
	// Retryable reports whether a transaction that failed with err, and has not committed, may succeed when it is run again
	// from the start.
	Retryable func(err error) bool
	// Borrowed says that Close leaves the databases open.
	Borrowed bool
	// Begin starts a transaction.
	Begin func(ctx context.Context, db *bun.DB, mode Mode) (Session, error)
}

// Mode says what a transaction is for.
type Mode uint8

// The modes.
const (
	Write Mode = iota
	Read       // on one snapshot
	Once       // one statement, if the dialect is Combined: it needs no transaction
)

// Conn is what runs statements with bound arguments: an *sql.Tx, or a Session.
type Conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Session is a transaction on a connection of its own.
type Session interface {
	Conn
	// Commit ends it. An error says that nothing was saved, unless it is a stacksync.ErrUncertain.
	Commit(ctx context.Context) error
	// Rollback ends it too, and gives the connection back.
	Rollback()
}
