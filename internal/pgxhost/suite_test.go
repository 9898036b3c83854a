package pgxhost

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
	"github.com/stacksync/stacksync-go/metastore/postgres"
)

// hosted is a store whose transactions are all a host's.
type hosted struct {
	*postgres.Store
	db *sql.DB

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func (h *hosted) in(ctx context.Context, options *sql.TxOptions, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return stacksync.ErrClosed
	}
	h.running.Add(1)
	h.mu.Unlock()
	defer h.running.Done()
	tx, err := h.db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	held := &held{Tx: h.Store.Tx(tx), host: tx}
	if err := fn(ctx, held); err != nil {
		return err
	}
	return errors.Join(held.failed, tx.Commit())
}

func (h *hosted) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	return h.in(ctx, nil, fn)
}

func (h *hosted) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	options := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	return h.in(ctx, options, func(ctx context.Context, tx stacksync.Tx) error { return fn(ctx, tx) })
}

func (h *hosted) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.running.Wait()
	return errors.Join(h.db.Close(), h.Store.Close())
}

// held bounds waits for locks, as a host does in its own transaction.
type held struct {
	stacksync.Tx
	host   *sql.Tx
	failed error
}

func (h *held) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	if p.Wait > 0 {
		if _, err := h.host.ExecContext(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", max(1, p.Wait.Milliseconds()))); err != nil {
			return stacksync.LockResult{}, err
		}
	}
	res, err := h.Tx.Lock(ctx, p)
	h.failed = errors.Join(h.failed, err)
	return res, err
}

// TestSuite runs the suite of stores on transactions of pgx: all that a Tx promises holds there.
func TestSuite(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	metastoretest.Run(t, metastoretest.Suite{New: func(metastoretest.T) metastoretest.Opener {
		schema := server.Schema(t)
		return func(t metastoretest.T) stacksync.MetadataStore {
			store, err := postgres.Open(t.Context(), postgres.Config{DSN: server.DSN(), Schema: schema})
			require.NoError(t, err)
			config, err := pgx.ParseConfig(server.DSN())
			require.NoError(t, err)
			return &hosted{Store: store, db: stdlib.OpenDB(*config)}
		}
	}})
}
