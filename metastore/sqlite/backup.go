package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// Backup copies the store to a new file at path, which has what one moment had: all Updates that returned before the call, and no part of
// another. Updates and Views go on meanwhile; an Update may take some tens of milliseconds longer, and the -wal file grows until the copy
// is done. The copy is compact, and of the mode 0600, so that its owner alone can read the names of everybody's files.
//
// The file appears at path when it is whole and on the disk. Backup never overwrites: where there is something at path, or a -wal, -shm or
// -journal file of that name, which would be taken for a part of the copy, the error is an fs.ErrExist. The copy is checked, which takes longer
// than copying (together about a second for 100,000 items): the error is ErrCorrupt, and there is no file, where the store is damaged. Other errors
// are those of the file system, SQLite's, ctx's, and ErrClosed. Close waits for a Backup. Several may run at once.
//
// Chunks are backed up after it, so that whatever the copy names is there. See docs/sqlite.md for how to restore it.
func (s *Store) Backup(ctx context.Context, path string) error {
	to, err := newDatabase(path, Config{})
	if err != nil {
		return fmt.Errorf("back up SQLite store: %w", err)
	}
	if err := s.sql.Hold(func() error { return s.database.copyTo(ctx, to) }); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return fmt.Errorf("back up SQLite store %q to %q: %w", s.database.path, to.path, err)
	}
	return nil
}

func (d database) copyTo(ctx context.Context, to database) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(to.path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, &fs.PathError{Op: "create", Path: to.path + suffix, Err: fs.ErrExist})
		}
	}
	temp, err := os.CreateTemp(filepath.Dir(to.path), filepath.Base(to.path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	unfinished := to
	unfinished.path = temp.Name()
	defer func() {
		_ = os.Remove(unfinished.path)
		_ = os.Remove(unfinished.path + "-journal") // of a copy that was cut short
	}()
	if err := temp.Close(); err != nil {
		return err
	}
	err = sqlstore.Retry(ctx, func() (again bool, err error) {
		err = d.vacuumInto(ctx, unfinished.path)
		return busy(err), err
	})
	if err != nil {
		return err
	}
	if err := unfinished.check(ctx); err != nil {
		return err
	}
	if err := flush(unfinished.path, os.O_RDWR); err != nil {
		return err
	}
	if err := publish(unfinished.path, to.path); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // folders can't be flushed there
	}
	return flush(filepath.Dir(to.path), os.O_RDONLY)
}

// vacuumInto lets SQLite write a copy into an empty file. It is one transaction that reads, on a connection of its own: those of the
// readers refuse to write to any file.
func (d database) vacuumInto(ctx context.Context, path string) error {
	if err := os.Truncate(path, 0); err != nil { // of an attempt before
		return err
	}
	db, err := d.pool(copier, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // has nothing left to save
	// Not through bun, which would write the argument into the text.
	if _, err := db.DB.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy: %w", damaged(err))
	}
	return nil
}

// damaged makes an ErrCorrupt of an error by which SQLite says that it can't read a page.
func damaged(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// check returns ErrCorrupt unless SQLite finds the file sound. Nobody else has it open.
func (d database) check(ctx context.Context) error {
	db, err := d.pool(checker, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check the copy: %w", damaged(err))
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	return nil
}

// flush waits until a file, or what is in a folder, is on the disk. No store has the file open: its locks would be lost.
func flush(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// publish gives a file its name, unless that is taken.
func publish(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Some file systems have no links. What is lost there is the guard against one that takes the name at this moment.
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, &fs.PathError{Op: "create", Path: to, Err: fs.ErrExist})
	}
	return os.Rename(from, to)
}
