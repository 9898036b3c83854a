package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptrace/bun"
)

// BeginTx starts a transaction as database/sql does it.
func BeginTx(ctx context.Context, db *bun.DB, opts *sql.TxOptions) (Session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return txSession{tx.Tx, conn}, nil
}

// txSession holds on to its connection until after the rollback that an end of ctx may have started beside it.
type txSession struct {
	*sql.Tx
	conn bun.Conn
}

func (s txSession) Commit(context.Context) error {
	defer func() { _ = s.conn.Close() }()
	if err := s.Tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

func (s txSession) Rollback() {
	_ = s.Tx.Rollback() // its only effect is to undo, and that happens without it too
	_ = s.conn.Close()
}
