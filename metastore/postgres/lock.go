package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// locker locks workspaces and operations by their rows, and users by advisory locks, since those that don't exist yet are locked too.
// One statement takes all, in order: workspaces by id, then users by the hash of their id, of owners too as the rows say once they
// are locked, then operations by id.
//
// The users' locks have two 32-bit keys: the first stands for this package and the schema, the second for the user. Two users
// that share a hash wait for each other, which harms nobody.
type locker struct {
	text           string
	withOperations string // takes one array more: commits lock no operations

	allowAsynchronous bool
}

// userLocks returns the first key of the users' locks.
func userLocks(schema string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("stacksync users " + schema))
	return int32(h.Sum32())
}

func newLocker(schema string, allowAsynchronous bool) locker {
	name, users := quoted(schema), userLocks(schema)
	first := fmt.Sprintf(`WITH ws AS MATERIALIZED (SELECT owner_id FROM %s.workspaces WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE),
		who AS MATERIALIZED (SELECT DISTINCT hashtext(id) AS key FROM (SELECT owner_id AS id FROM ws UNION ALL SELECT * FROM unnest($2::text[])) AS users ORDER BY key)`, name)
	result := "SELECT " + idColumns + ", current_setting('transaction_isolation'), current_setting('client_encoding'), " +
		"current_setting('standard_conforming_strings'), current_setting('synchronous_commit'), "
	return locker{
		allowAsynchronous: allowAsynchronous,
		text:              fmt.Sprintf("%s %s (SELECT count(pg_advisory_xact_lock(%d, key)::text) FROM who)", first, result, users),
		withOperations: fmt.Sprintf(`%[1]s, locked AS MATERIALIZED (SELECT count(pg_advisory_xact_lock(%[3]d, key)::text) AS n FROM who),
			ops AS MATERIALIZED (SELECT id FROM %[4]s.operations WHERE id = ANY ($3::uuid[]) AND (SELECT n FROM locked) >= 0 ORDER BY id FOR UPDATE)
			%[2]s (SELECT n FROM locked) + (SELECT count(*) FROM ops)`, first, result, users, name),
	}
}

// ErrIsolation says that a transaction of the host's is not READ COMMITTED. What it reads after it has waited for a lock would
// be from before.
var ErrIsolation = errors.New("the transaction is not READ COMMITTED")

// lock is Dialect.Lock.
func (l locker) lock(ctx context.Context, tx sqlstore.Conn, p stacksync.LockParams) error {
	workspaces, users, operations, err := sqlstore.LockArrays(p)
	if err != nil {
		return err
	}
	text, args := l.text, []any{workspaces, users}
	if len(p.Operations) > 0 {
		text, args = l.withOperations, append(args, operations)
	}
	s, own := tx.(*session)
	if own && p.Wait > 0 {
		s.prefix = append(s.prefix, setting{"lock_timeout", strconv.FormatInt(max(1, p.Wait.Milliseconds()), 10)}.setLocal())
	}
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return busy(err)
	}
	defer func() { _ = rows.Close() }()
	var id transactionID
	var isolation, clientEncoding, conformingStrings, syncLevel string
	var n int64
	if !rows.Next() {
		return busy(errors.Join(errNoID, rows.Err()))
	}
	if err := rows.Scan(append(id.columns(), &isolation, &clientEncoding, &conformingStrings, &syncLevel, &n)...); err != nil {
		return err
	}
	if own {
		s.id = id
	}
	if isolation != "read committed" {
		return fmt.Errorf("%w: it is %s", ErrIsolation, isolation)
	}
	if err := checkSession(clientEncoding, conformingStrings, syncLevel, l.allowAsynchronous); err != nil {
		return err // it was made after Open
	}
	return busy(rows.Err())
}

// busy turns a lock that could not be had into ErrBusy. In a transaction of the host's the error may be of another driver: pgx's have a method.
func busy(err error) error {
	code := ""
	if pg, ok := errorOf(err); ok {
		code = pg.Field('C')
	} else if other, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		code = other.SQLState()
	}
	if code == "55P03" {
		return fmt.Errorf("%w: %w", stacksync.ErrBusy, err)
	}
	return err
}
