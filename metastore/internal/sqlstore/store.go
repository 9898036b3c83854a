package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

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
	running   sync.WaitGroup // Updates and Views; Add only under mu while not closed
	closeOnce sync.Once
	closeErr  error
}

var _ stacksync.MetadataStore = (*Store)(nil)

// New returns a store that runs Updates on write and Views on read, which may be the same. Close closes both.
func New(write, read *bun.DB, dialect Dialect) *Store {
	return &Store{write: write, read: read, dialect: dialect, tables: newTables(write, dialect)}
}

// Update is that of stacksync.MetadataStore.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	return s.run(ctx, s.write, s.dialect.Update, func(tx *transaction) error {
		return fn(ctx, &writer{reader{tx}, s.dialect.Lock})
	})
}

// View is that of stacksync.MetadataStore.
func (s *Store) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	return s.run(ctx, s.read, s.dialect.View, func(tx *transaction) error {
		return fn(ctx, &reader{tx})
	})
}

// Close is that of stacksync.MetadataStore. A Close beside another one waits for that.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.running.Wait()
		s.closeErr = errors.Join(s.read.Close(), s.write.Close())
	})
	return s.closeErr
}

func (s *Store) run(ctx context.Context, db *bun.DB, opts *sql.TxOptions, fn func(tx *transaction) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("metadata store: %w", stacksync.ErrClosed)
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	return Retry(ctx, func() (again bool, err error) { return s.attempt(ctx, db, opts, fn) })
}

// attempt runs fn in a transaction. again says that it failed for a reason that may be gone the next time.
func (s *Store) attempt(ctx context.Context, db *bun.DB, opts *sql.TxOptions, fn func(tx *transaction) error) (again bool, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return s.dialect.Retryable(err), fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // gives it back, after the rollback that an end of ctx may have started beside this
	sqlTx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return s.dialect.Retryable(err), fmt.Errorf("begin transaction: %w", err)
	}
	committing := false
	defer func() {
		if !committing { // fn failed, panicked or ended its goroutine
			_ = sqlTx.Rollback() // its only effect is to undo, and that happens without it too
		}
	}()

	tx := &transaction{conn: sqlTx.Tx, tables: s.tables, id: s.dialect.ID}
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
	if err := sqlTx.Commit(); err != nil {
		return s.dialect.Retryable(err), withContext(ctx, fmt.Errorf("commit transaction: %w", err))
	}
	return false, nil
}

// withContext adds ctx's error to that of a transaction that was rolled back because ctx ended.
func withContext(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}
