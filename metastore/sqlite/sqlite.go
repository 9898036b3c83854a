// Package sqlite keeps metadata in an SQLite file. It needs no cgo and no server.
//
// Updates run one at a time, on one connection, whatever workspaces they lock. Views run beside them and beside each
// other, each on one snapshot, and never wait for an Update (SQLite's WAL mode). So the file belongs on a local disk, not
// on a network file system. Other stores and other processes may have the same file open: they wait for each other, up to
// Config.BusyTimeout. An Update that begins another one inside waits for itself.
//
// When the last store that has the file open is closed, the -wal and -shm files beside it are folded in and removed. They
// belong to the file until then.
//
// # What never to do with a file that is in use
//
// NEVER OPEN THE FILE, OR ITS -wal OR -shm, IN THE PROCESS THAT HAS THE STORE OPEN: no os.ReadFile, os.Open or io.Copy to back it up or to
// serve it. Closing any descriptor of a file takes away all locks that the process has on it (POSIX locks are the process's), and SQLite's are
// such locks. Another process then takes itself for the last one and removes the -wal, and commits that have succeeded are lost: with
// Synchronous Full, too, without any error, and integrity_check says ok.
//
// NEVER COPY THE DATABASE FILE ALONE. The newest commits, up to 16 MB of them, are in the -wal only: the copy of a store with 1,200 items
// was empty. Nor do the three files, copied one after the other, belong together.
//
// Never remove, rename or replace any of the three while a store is open, and never put a -wal of another time beside a restored file.
//
// [Store.Backup] copies a store that is in use; docs/sqlite.md has the rest, such as how to restore a copy.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// Store is a stacksync.MetadataStore in an SQLite file.
type Store struct {
	sql      *sqlstore.Store
	database database
}

var _ stacksync.MetadataStore = (*Store)(nil)

// Open opens the store in the file at path, after it has made the file, or brought its schema up to date, where needed.
// The folder must exist. It returns ErrForeign where the file is something else, ErrNewerSchema where a later version
// of the library has used it, and ErrReadOnly where the file or the folder can't be written. A database in memory is not supported: that is package metastore/memory.
func Open(ctx context.Context, path string, config Config) (*Store, error) {
	d, err := newDatabase(path, config)
	if err != nil {
		return nil, fmt.Errorf("open SQLite store: %w", err)
	}
	store, err := d.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open SQLite store %q: %w", d.path, err)
	}
	return store, nil
}

func (d database) open(ctx context.Context) (*Store, error) {
	if err := d.create(); err != nil {
		return nil, err
	}
	if err := d.migrate(ctx, creator, sqlstore.Migrator.Up); err != nil {
		return nil, err
	}
	write, err := d.pool(writer, 1)
	if err != nil {
		return nil, err
	}
	read, err := d.pool(reader, d.config.Readers)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return d.newStore(write, read), nil
}

func (d database) newStore(write, read *bun.DB) *Store {
	return &Store{database: d, sql: sqlstore.New(write, read, sqlstore.Dialect{
		Placeholder: func(int, string) string { return "?" },
		ID:          func(id *uuid.UUID) any { return id[:] },
		Retryable:   busy,
		PlansLimit:  true,
		Begin: func(ctx context.Context, db *bun.DB, mode sqlstore.Mode) (sqlstore.Session, error) {
			return sqlstore.BeginTx(ctx, db, &sql.TxOptions{ReadOnly: mode != sqlstore.Write}) // a reader takes no lock
		},
	})}
}

// pool returns connections that stay open.
func (d database) pool(r role, size int) (*bun.DB, error) {
	c, err := newConnector(d.dsn(r))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return bun.NewDB(pool, sqlitedialect.New()), nil
}

// Update implements stacksync.MetadataStore. It returns stacksync.ErrBusy where another process, or
// another Store, has held the database for Config.BusyTimeout.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	err := s.sql.Update(ctx, fn)
	if busy(err) && !errors.Is(err, stacksync.ErrBusy) {
		return fmt.Errorf("%w: %w", stacksync.ErrBusy, err)
	}
	return err
}

// View implements stacksync.MetadataStore. All reads of fn see one snapshot. A View that lasts keeps the -wal file growing.
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

// Close implements stacksync.MetadataStore.
func (s *Store) Close() error {
	if err := s.sql.Close(); err != nil {
		return fmt.Errorf("close SQLite store: %w", err)
	}
	return nil
}

// busy reports whether another connection was in the way. SQLITE_PROTOCOL is a race for the -wal file that was lost.
func busy(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// code returns the primary result code of SQLite, or 0 where err is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}
