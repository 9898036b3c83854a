package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// Store is a stacksync.MetadataStore.
type Store struct {
	write, read *bun.DB
	dialect     Dialect
	tables      *tables

	mu        sync.Mutex
	closed    bool
	running   sync.WaitGroup // what Hold runs; Add only under mu while not closed
	closeOnce sync.Once
	closeErr  error
}

var _ stacksync.MetadataStore = (*Store)(nil)

// New returns a store that runs Updates on write and Views on read, which may be the same.
func New(write, read *bun.DB, dialect Dialect) *Store {
	return &Store{write: write, read: read, dialect: dialect, tables: newTables(write, dialect)}
}

// Update is that of stacksync.MetadataStore.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	return s.run(ctx, s.write, Write, func(tx *transaction) error {
		return fn(ctx, &writer{reader{tx}, s.dialect.Lock})
	})
}

// View is that of stacksync.MetadataStore.
func (s *Store) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	return s.run(ctx, s.read, Read, func(tx *transaction) error {
		return fn(ctx, &reader{tx})
	})
}

// Load is that of stacksync.MetadataStore.
func (s *Store) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return view(ctx, s, p, (*reader).Load)
}

// Changes is that of stacksync.MetadataStore.
func (s *Store) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return view(ctx, s, p, (*reader).Changes)
}

// view is a View that calls one method.
func view[P, R any](ctx context.Context, s *Store, p P, method func(*reader, context.Context, P) (R, error)) (result R, err error) {
	err = s.run(ctx, s.read, Once, func(tx *transaction) error {
		result, err = method(&reader{tx}, ctx, p)
		return err
	})
	return result, err
}

// Close is that of stacksync.MetadataStore. A Close beside another one waits for that.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.running.Wait()
		if !s.dialect.Borrowed {
			s.closeErr = errors.Join(s.read.Close(), s.write.Close())
		}
	})
	return s.closeErr
}

func (s *Store) run(ctx context.Context, db *bun.DB, mode Mode, fn func(tx *transaction) error) error {
	return s.Hold(func() error {
		return Retry(ctx, func() (again bool, err error) { return s.attempt(ctx, db, mode, fn) })
	})
}

// Hold runs fn, for which Close waits. After Close it returns ErrClosed instead.
func (s *Store) Hold(fn func() error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("metadata store: %w", stacksync.ErrClosed)
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	return fn()
}

// attempt runs fn in a transaction. again says that it failed for a reason that may be gone the next time.
func (s *Store) attempt(ctx context.Context, db *bun.DB, mode Mode, fn func(tx *transaction) error) (again bool, err error) {
	session, err := s.dialect.Begin(ctx, db, mode)
	if err != nil {
		return s.dialect.Retryable(err), withContext(ctx, err)
	}
	committing := false
	defer func() {
		if !committing { // fn failed, panicked or ended its goroutine
			session.Rollback()
		}
	}()

	tx := s.transaction(session)
	err = fn(tx)
	// A closure may have dropped or replaced an error of the store. What counts is that the transaction is broken.
	if broken := tx.failure(); broken != nil {
		if err == nil {
			err = broken
		}
		return s.dialect.Retryable(broken), withContext(ctx, err)
	}
	if err != nil {
		return false, withContext(ctx, err)
	}
	committing = true
	if err := session.Commit(ctx); err != nil {
		return !errors.Is(err, stacksync.ErrUncertain) && s.dialect.Retryable(err), withContext(ctx, err)
	}
	return false, nil
}

func (s *Store) transaction(conn Conn) *transaction {
	return &transaction{conn: conn, tables: s.tables, id: s.dialect.ID}
}

// In returns a transaction that somebody else has begun, and ends, on the same database.
func (s *Store) In(conn Conn) stacksync.Tx {
	return &writer{reader{s.transaction(conn)}, s.dialect.Lock}
}

// withContext adds ctx's error to that of a transaction that was rolled back because ctx ended, and to that of a driver that has
// set a connection's deadline to ctx's, and was a moment ahead of it.
func withContext(ctx context.Context, err error) error {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if deadline, ok := ctx.Deadline(); ok && late && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ctx.Err() != nil && (late || errors.Is(err, sql.ErrTxDone)) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}
