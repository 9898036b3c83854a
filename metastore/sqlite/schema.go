package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

var (
	// ErrForeign says that a file is not a store of this package.
	ErrForeign = errors.New("the file is not a store of this library")
	// ErrNewerSchema says that a file was used by a later version of the library, whose schema this one doesn't know.
	ErrNewerSchema = sqlstore.ErrNewerSchema
	// ErrCorrupt says that a file is damaged: Backup returns it where SQLite can't read a page, or its integrity_check has found something,
	// and Changes where the order of the change log is broken. A damaged index can also make reads leave out rows, which Changes can't see: only the check does.
	ErrCorrupt = sqlstore.ErrCorrupt
	// ErrReadOnly says that this process may not write the file, or make others beside it. There is no store that only reads: SQLite must
	// write in the -shm file even then.
	ErrReadOnly = errors.New("the file of a store must be writable")
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the files of this package, in their header ("StSy").
const applicationID = 0x53745379

// Rollback undoes the last step of the schema that an Open has made, with all the data in the tables that it removes. It is for
// operators who go back to an earlier version of the library, and for tests. Nobody may have the file open. The next Open
// makes the step again.
func Rollback(ctx context.Context, path string) error {
	d, err := newDatabase(path, Config{})
	if err != nil {
		return fmt.Errorf("roll back SQLite store: %w", err)
	}
	if err := d.migrate(ctx, migrator, sqlstore.Migrator.Down); err != nil {
		return fmt.Errorf("roll back SQLite store %q: %w", d.path, err)
	}
	return nil
}

// create makes a missing file for its owner alone, as it has the names of everybody's files; SQLite gives the files it puts
// beside it the same mode. The file comes by a link, since SQLite's locks would be lost if this process opened and closed it.
func (d database) create() error {
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(d.path), filepath.Base(d.path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := temp.Close(); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), d.path); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Some file systems have no links. What is lost there is a guard between goroutines that open the same new file.
	file, err := os.OpenFile(d.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// probe returns ErrReadOnly unless the file can be written. SQLite would open it for reading, make its -wal and -shm as read-only as it, and
// fail with the first transaction.
func (d database) probe(ctx context.Context) error {
	if err := writable(d.path); err != nil {
		return err
	}
	db, err := d.pool(prober, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // has not even read
	probing, err := db.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = probing.Close() }()
	return probing.Raw(func(c any) error {
		own, ok := c.(*conn)
		if !ok {
			return fmt.Errorf("a connection is a %T", c)
		}
		readOnly, err := own.IsReadOnly("main")
		if err == nil && readOnly {
			err = ErrReadOnly
		}
		return err
	})
}

// migrate makes sure that the file is a store, and changes its schema.
func (d database) migrate(ctx context.Context, r role, change func(sqlstore.Migrator, context.Context) error) error {
	if err := d.probe(ctx); err != nil {
		return err
	}
	c, err := newConnector(d.dsn(r))
	if err != nil {
		return err
	}
	m := sqlstore.Migrator{
		Connector:  c,
		Dialect:    sqlitedialect.New(),
		Migrations: migrations,
		Begin:      []string{"BEGIN IMMEDIATE"},
		Prepare:    claim,
	}
	return sqlstore.Retry(ctx, func() (again bool, err error) {
		if err := d.useWAL(ctx, r); err != nil {
			return busy(err), err
		}
		err = change(m, ctx)
		return busy(err), err
	})
}

// useWAL, as the creator, makes the file if there is none. It switches it to WAL mode for good.
func (d database) useWAL(ctx context.Context, r role) error {
	db, err := d.pool(r, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // has nothing left to save
	if _, err := identify(ctx, db); err != nil {
		return err
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("switch to WAL mode: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("SQLite's WAL mode does not work on this file system (journal mode is %q)", mode)
	}
	return nil
}

// claim marks a new file as one of this package.
func claim(ctx context.Context, tx bun.IDB) error {
	empty, err := identify(ctx, tx)
	if err != nil || !empty {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return fmt.Errorf("mark the file: %w", err)
	}
	return nil
}

// identify returns ErrForeign unless the file is a store of this package, or empty.
func identify(ctx context.Context, db bun.IDB) (empty bool, err error) {
	var id, tables int
	err = db.QueryRowContext(ctx, "SELECT (SELECT * FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").Scan(&id, &tables)
	switch {
	case code(err) == sqlite3.SQLITE_NOTADB:
		return false, fmt.Errorf("%w: %w", ErrForeign, err)
	case err != nil:
		return false, fmt.Errorf("read the header: %w", err)
	case id == applicationID:
		return false, nil
	case id == 0 && tables == 0:
		return true, nil
	}
	return false, fmt.Errorf("%w: its application id is %#x and it has %d tables and indexes", ErrForeign, uint32(id), tables)
}
