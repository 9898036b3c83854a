package sqlstore

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// transaction runs statements, one at a time, until the first one fails.
type transaction struct {
	conn   Conn
	tables *tables
	id     func(*uuid.UUID) any // nil: ids are bound as they are

	mu sync.Mutex
	// broken is the first error. After one, the database may have rolled back by itself: in SQLite, the statements that
	// follow would then be saved one by one.
	broken error
}

func (t *transaction) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// do runs one statement, all of it: a prepared one can't be run again while its rows are open.
func (t *transaction) do(fn func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken != nil {
		return fmt.Errorf("the transaction has failed before: %w", t.broken)
	}
	t.broken = fn()
	return t.broken
}

// bind replaces pointers to what a driver knows by what they point to. database/sql would do it too, by reflection. Where text is
// not what the database takes it is refused.
func (t *transaction) bind(args []any) ([]any, error) {
	for i, arg := range args {
		switch p := arg.(type) {
		case *uuid.UUID:
			if t.id != nil {
				args[i] = t.id(p)
			}
		case *optionalID:
			switch {
			case p.UUID == uuid.Nil:
				args[i] = nil
			case t.id != nil:
				args[i] = t.id(&p.UUID)
			}
		case *string:
			args[i] = *p
		case *int64:
			args[i] = *p
		case *bool:
			args[i] = *p
		}
		if text, ok := args[i].(string); ok && t.tables.wide != nil {
			if err := checkText(text); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}

func (t *transaction) exec(ctx context.Context, text string, args []any) error {
	return t.do(func() error {
		args, err := t.bind(args)
		if err != nil {
			return err
		}
		_, err = t.conn.ExecContext(ctx, text, args...)
		return err
	})
}

// query calls each for every row, after it was scanned into dest, until it returns false.
func (t *transaction) query(ctx context.Context, text string, args, dest []any, each func() bool) error {
	return t.do(func() error {
		args, err := t.bind(args)
		if err != nil {
			return err
		}
		rows, err := t.conn.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err has all that matters
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			if !each() {
				break
			}
		}
		return rows.Err()
	})
}

// reader is a stacksync.Reader.
type reader struct{ *transaction }

// writer is a stacksync.Tx.
type writer struct {
	reader
	lock func(ctx context.Context, tx Conn, p stacksync.LockParams) error
}

var _ stacksync.Tx = (*writer)(nil)
