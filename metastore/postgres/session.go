package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgconn"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

const (
	begin    = "BEGIN ISOLATION LEVEL READ COMMITTED"
	beginRO  = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	commit   = "COMMIT"
	rollback = "ROLLBACK"
)

// session is a transaction. It takes as few round trips as it can: BEGIN goes with the first statement, and what is saved
// goes with COMMIT. The usual commit is lock, load, save.
type session struct {
	db   *sql.DB
	conn *sql.Conn
	mode sqlstore.Mode
	// prefix are the statements that wait for the first one with an answer.
	prefix []string
	begun  bool // something was sent
	// text and args wait for COMMIT, or for the next statement.
	text string
	args []any
	// id is the transaction's own, once it is known: by it, an outcome that was lost can be asked for.
	id     transactionID
	asking asking
}

var _ sqlstore.Session = (*session)(nil)

// sessions begins them.
type sessions struct {
	asking asking
	// settings are made in each transaction, where the connections don't have them.
	settings []string
}

func (b sessions) begin(ctx context.Context, db *bun.DB, mode sqlstore.Mode) (sqlstore.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := db.DB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &session{db: db.DB, conn: conn, mode: mode, asking: b.asking}
	switch mode {
	case sqlstore.Write:
		s.prefix = []string{begin}
	case sqlstore.Read:
		s.prefix = []string{beginRO}
	case sqlstore.Once: // what goes in one message is a transaction
	}
	s.prefix = append(s.prefix, b.settings...)
	return s, nil
}

// QueryContext sends what waits, and the statement.
func (s *session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	query = s.message(query, "")
	var rows *sql.Rows
	err := s.guarded(ctx, func() (err error) {
		rows, err = s.conn.QueryContext(ctx, query, args...)
		return err
	})
	if err != nil && rows != nil {
		_ = rows.Close()
		rows = nil
	}
	return rows, err
}

// ExecContext keeps the statement for later: an error of it comes with the next one, or with COMMIT. Nobody asks for its result.
func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	s.text, s.args = query, args
	return driver.ResultNoRows, nil
}

// boundary is before and after a statement that shares its message with others, so that conn can tell it from them.
const boundary = " /*stacksync*/ "

// message puts what waits before a statement, and more after it.
func (s *session) message(statement, after string) string {
	s.begun = true
	before := ""
	for _, p := range s.prefix {
		before += p + "; "
	}
	s.prefix = nil
	if before == "" && after == "" {
		return statement
	}
	return before + boundary + statement + boundary + after
}

// flush sends the statement that waits.
func (s *session) flush(ctx context.Context) error {
	if s.text == "" {
		return nil
	}
	text, args := s.message(s.text, ""), s.args
	s.text, s.args = "", nil
	return s.exec(ctx, text, args...)
}

func (s *session) exec(ctx context.Context, text string, args ...any) error {
	return s.guarded(ctx, func() error {
		_, err := s.conn.ExecContext(ctx, text, args...)
		return err
	})
}

// guarded runs what waits for the server, until ctx ends.
func (s *session) guarded(ctx context.Context, run func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop, err := pgconn.Guard(ctx, s.conn)
	if err != nil {
		return err
	}
	err = run()
	stop() // if it is too late, the connection is closed, or about to be
	return errors.Join(ctx.Err(), err)
}

// Commit ends the transaction. It is not cut short by ctx: once COMMIT was sent, the answer matters.
func (s *session) Commit(ctx context.Context) error {
	defer func() { _ = s.conn.Close() }() // a second one does nothing
	if !s.begun && s.text == "" || s.mode == sqlstore.Once {
		return nil // there is nothing to commit
	}
	if s.text != "" && s.id == (transactionID{}) {
		if err := s.askID(ctx); err != nil {
			s.undo()
			return fmt.Errorf("commit transaction: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		s.undo()
		return err
	}
	text := commit
	if s.text != "" {
		text = s.message(s.text, "; "+commit)
	}
	ctx = context.WithoutCancel(ctx)
	_, err := s.conn.ExecContext(ctx, text, s.args...)
	if s.waitEnded() {
		if err != nil {
			s.discard()
		}
		return errors.Join(errNotReplicated, err)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("commit transaction: %w", err)
	if s.mode != sqlstore.Write || refused(err) {
		s.undo()
		return err
	}
	// The connection goes first: who asks needs one, and all may be in use by those who ask.
	s.discard()
	return s.asking.resolve(ctx, s.db, s.id, err)
}

// errNotReplicated is of a transaction that the primary has saved, and a standby perhaps not.
var errNotReplicated = fmt.Errorf("%w: it is saved on this server, but somebody has ended its wait for a synchronous standby (pg_cancel_backend, "+
	"pg_terminate_backend): a failover may lose it", stacksync.ErrUncertain)

// waitEnded reports whether the COMMIT has answered though no standby had it. On a connection of a host's nobody can tell.
func (s *session) waitEnded() (ended bool) {
	_ = s.conn.Raw(func(c any) error {
		if own, ok := c.(*conn); ok {
			ended = pgconn.WaitEnded(own.Conn)
		}
		return nil
	})
	return ended
}

// Rollback ends the transaction.
func (s *session) Rollback() {
	s.undo()
	_ = s.conn.Close()
}

// undoTimeout bounds the wait for ROLLBACK.
const undoTimeout = 5 * time.Second

// undo leaves the connection to the pool without a transaction, or not at all.
func (s *session) undo() {
	if !s.begun || s.mode == sqlstore.Once {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, rollback); err != nil {
		s.discard()
	}
}

// discard takes the connection out of the pool.
func (s *session) discard() {
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close()
}

// refused reports whether the server has answered that a transaction failed: it is there no more.
func refused(err error) bool {
	pg, ok := errorOf(err)
	return ok && pg.Field('V') == "ERROR"
}

// errNoID says that a server has answered a question in a way that it should not.
var errNoID = errors.New("the server has not told the transaction's id")

// askID asks the server what transaction this is.
func (s *session) askID(ctx context.Context) error {
	text, args := s.text, s.args
	s.text, s.args = "", nil
	rows, err := s.QueryContext(ctx, "SELECT "+idColumns)
	if err != nil {
		return err
	}
	s.text, s.args = text, args
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return errors.Join(errNoID, rows.Err())
	}
	if err := rows.Scan(s.id.columns()...); err != nil {
		return err
	}
	return rows.Err()
}
