package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
)

// transactionID names a transaction: its number, the server process that runs it, and when that server was started, and the
// transaction begun, by the server's clock.
type transactionID struct {
	xid                string
	pid, server, begun int64 // times are microseconds since 1970
}

// idColumns are what a SELECT in a transaction finds its id by. Asking gives it one.
const (
	idColumns  = "pg_current_xact_id()::text, pg_backend_pid()::bigint, " + serverTime + ", (extract(epoch FROM now()) * 1000000)::bigint"
	serverTime = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
)

func (id *transactionID) columns() []any { return []any{&id.xid, &id.pid, &id.server, &id.begun} }

// asking says how an outcome that was lost is asked for.
type asking struct {
	// most is how long in all, and pause how long to wait in between: a server may have to start again first.
	most, pause time.Duration
	// patience is how long a transaction whose client is gone may go on before it is ended: its COMMIT may be on its way.
	patience time.Duration
}

// resolve finds out, after the connection was lost in a COMMIT, whether the transaction was saved. It returns nil if so,
// an error that wraps cause if not, and ErrUncertain as well where nobody can tell. It ends a transaction that goes on for too
// long, but for one that waits for a standby: that is saved here, and would be told saved before it is there.
func (a asking) resolve(ctx context.Context, db *sql.DB, id transactionID, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, a.most)
	defer cancel()
	uncertain := func(err error) error {
		return fmt.Errorf("%w: %w: asking for transaction %s: %w", stacksync.ErrUncertain, cause, id.xid, err)
	}
	start := time.Now()
	for {
		now, err := id.ask(ctx, db)
		switch {
		case err == nil && now.status == "committed" && now.sure:
			return nil
		case err == nil && now.status == "committed":
			return uncertain(errors.New("the server has started again since, and may have given its number to another one"))
		case err == nil && now.status == "aborted":
			return fmt.Errorf("%w: %w", errAborted, cause)
		case err == nil && time.Since(start) > a.patience && !now.replicating:
			// It would go on for as long as the server believes in its client, and hold its locks. What it answers comes out the
			// next time.
			_, err = db.ExecContext(ctx, "SELECT pg_terminate_backend($1::int)", id.pid)
		case refused(err):
			// Another server, which has not heard of the transaction, or one that has forgotten it.
			return uncertain(err)
		}
		select {
		case <-time.After(a.pause/2 + rand.N(a.pause)):
		case <-ctx.Done():
			return uncertain(errors.Join(ctx.Err(), err))
		}
	}
}

// errAborted says that a transaction, of which an answer was lost, is known not to be saved.
var errAborted = errors.New("not saved")

// answer is what the server says of a transaction.
type answer struct {
	status string // "in progress", "committed" or "aborted"
	// sure says that a committed one is this one, not another with its number: the server has not crashed meanwhile. Numbers that had
	// not reached the disk are given again after a crash, which may go without a new start, but not without a reset of statistics.
	sure        bool
	replicating bool // it waits for a standby
}

func (id transactionID) ask(ctx context.Context, db *sql.DB) (answer, error) {
	var a answer
	var status sql.NullString
	err := db.QueryRowContext(ctx, "SELECT pg_xact_status($1::xid8), "+serverTime+` = $2::bigint
			AND coalesce(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()) * 1000000 < $3::bigint, false),
			EXISTS (SELECT FROM pg_stat_activity WHERE pid = $4::int AND wait_event = 'SyncRep')`,
		id.xid, id.server, id.begun, id.pid).Scan(&status, &a.sure, &a.replicating)
	if err == nil && !status.Valid {
		err = errors.New("it is too long ago")
	}
	a.status = status.String
	return a, err
}

func errorOf(err error) (pgdriver.Error, bool) { return errors.AsType[pgdriver.Error](err) }

// retryable reports whether a transaction that has not committed may succeed when it is run again: it has met another one, or
// lost its connection.
func retryable(err error) bool {
	if errors.Is(err, errAborted) {
		return true // however long it took: the server has answered on another connection
	}
	if pg, ok := errorOf(err); ok {
		switch code := pg.Field('C'); {
		case code == "40001", code == "40P01": // serialization failure, deadlock
		case code == "53300", code == "53200": // too many connections, no room for locks
		case code == "57P01", code == "57P02", code == "57P03": // the server stops, has crashed, or starts
		case code == "57P05", code == "25P03": // it has ended a connection that was idle, in the pool or in a transaction
		case code == "25P04": // or one whose transaction took too long, by a transaction_timeout of the DSN or the host's
		case code == "25P02": // a statement before this one has failed, and its error was lost
		case len(code) == 5 && code[:2] == "08": // connection
		case stale(pg):
		default:
			return false
		}
		return true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if network, ok := errors.AsType[net.Error](err); ok {
		return !network.Timeout() // what has not answered for so long will not do so ten times over
	}
	return errors.Is(err, ErrStandby) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed)
}
