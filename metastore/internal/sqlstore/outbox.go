package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// outbox makes the statements about hints. They lock the rows before they change them, where rows can be locked, so that it happens in
// the order of ids, and so that ClaimHints can pass over what others have locked.
func (t *tables) outbox(b builder) {
	workspaces, users := strings.Join(t.workspaces.names(), ", "), strings.Join(t.users.names(), ", ")
	free := ""
	if b.dialect.RowLocks { // the filter of a scan in the order of the index: it locks no more than LIMIT lets through
		free = fmt.Sprintf(" AND pg_try_advisory_xact_lock(%d, hashtext(id))", b.dialect.UserLocks)
	}
	t.claimWorkspaces = b.claim(t.qualified.workspaces, "hint_due", "", "", workspaces)
	t.claimUsers = b.claim(t.qualified.users, "hint_due", free, "", users)

	due := func(n int) string { return b.dialect.Placeholder(n, "bigint") }
	if !b.dialect.RowLocks {
		mark := func(table, columns, key string) keyed {
			return b.keyedText([]string{key, "bigint"}, func(values string, n int) string {
				return fmt.Sprintf("WITH told AS (SELECT column1 AS told_id, column2 AS told FROM (%s)) UPDATE %s AS m SET %s FROM told WHERE m.id = %s RETURNING %s",
					values, table, marked("min(told, revision)", due(n+1)), b.given("told_id"), columns)
			})
		}
		t.markWorkspaces, t.markUsers = mark(t.qualified.workspaces, workspaces, "uuid"), mark(t.qualified.users, users, "text")
		return
	}
	t.markWorkspaces = b.keyedText([]string{"uuid", "bigint"}, func(values string, n int) string {
		return fmt.Sprintf(`WITH told AS MATERIALIZED (SELECT w.id AS told_id, LEAST(k.column2, w.revision) AS told FROM (%[1]s) AS k CROSS JOIN %[2]s AS w
			WHERE w.id = k.column1 ORDER BY w.id FOR UPDATE OF w)
			UPDATE %[2]s AS w SET %[3]s FROM told WHERE w.id = told_id RETURNING %[4]s`,
			values, t.qualified.workspaces, marked("told", due(n+1)), workspaces)
	})
	// A user is locked before its row is changed, and the row may be another one by then than the statement sees: what it becomes is
	// made of the row itself, which PostgreSQL looks at again.
	t.markUserArrays = fmt.Sprintf(`WITH k AS MATERIALIZED (SELECT * FROM unnest(%s, %s) AS k (told_id, told)),
		locked AS MATERIALIZED (SELECT count(pg_advisory_xact_lock(%d, key)::text) AS n FROM (SELECT DISTINCT hashtext(told_id) AS key FROM k ORDER BY key) AS keys)
		UPDATE %s AS u SET %s FROM k, locked WHERE u.id = told_id AND locked.n > 0 RETURNING %s`,
		b.dialect.Placeholder(1, "text[]"), b.dialect.Placeholder(2, "bigint[]"), b.dialect.UserLocks,
		t.qualified.users, marked("LEAST(told, revision)", due(3)), users)
}

// given returns a column whose values are there before the rows that are looked up by them. Without the + SQLite may scan the table that is
// to be changed, and look up the values.
func (b builder) given(column string) string {
	if b.dialect.RowLocks {
		return column
	}
	return "+" + column
}

// claim returns the statement that picks the rows of a table whose time is not after the first argument, the longest due ones, as many as
// the second says, and sets that time to the third. where goes on with a condition, and set with what else is set.
func (b builder) claim(table, due, where, set, columns string) string {
	arg := func(n int) string { return b.dialect.Placeholder(n, "bigint") }
	skip := ""
	if b.dialect.RowLocks {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	return fmt.Sprintf(`WITH picked AS MATERIALIZED (SELECT id AS picked_id FROM %[1]s WHERE %[2]s <= %[3]s%[4]s ORDER BY %[2]s, id LIMIT %[5]s%[6]s)
		UPDATE %[1]s AS c SET %[2]s = %[7]s%[8]s FROM picked WHERE c.id = %[9]s RETURNING %[10]s`,
		table, due, arg(1), where, b.limit(2), skip, arg(3), set, b.given("picked_id"), columns)
}

// marked returns what a mark sets: told is the revision that followers were told of, which is not above that of the row.
func marked(told, due string) string {
	return fmt.Sprintf("notified = CASE WHEN %[1]s > notified THEN %[1]s ELSE notified END, hint_due = CASE WHEN revision > %[1]s AND revision > notified THEN %[2]s END",
		told, due)
}

// ClaimHints is that of stacksync.Outbox.
func (w *writer) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.ClaimHintsResult{}, err
	}
	t := w.tables
	args := []any{p.Now.UnixMicro(), int64(p.Limit), p.Until.UnixMicro()}
	var res stacksync.ClaimHintsResult
	var err error
	if t.wide != nil {
		err = w.claimCombined(ctx, args, &res)
	} else {
		err = cmp.Or(
			t.workspaces.query(ctx, w.transaction, t.claimWorkspaces, args, &res.Workspaces),
			t.users.query(ctx, w.transaction, t.claimUsers, args, &res.Users),
		)
	}
	if err != nil {
		return stacksync.ClaimHintsResult{}, fmt.Errorf("claim hints: %w", err)
	}
	return res, nil
}

// claimCombined claims workspaces and users in one statement.
func (w *writer) claimCombined(ctx context.Context, args []any, res *stacksync.ClaimHintsResult) error {
	t := w.tables
	s := w.statement('H', true)
	to := &sink{wide: t.wide}
	sinkTo(to, fromWorkspaces, t.workspaces, &res.Workspaces)
	sinkTo(to, fromUsers, t.users, &res.Users)
	s.args = args
	s.with("claimed_workspaces AS (%s)", t.claimWorkspaces)
	s.with("claimed_users AS (%s)", t.claimUsers)
	s.rows(fromWorkspaces, "claimed_workspaces AS w")
	s.rows(fromUsers, "claimed_users AS u")
	return s.query(ctx, to)
}

// mark is a key and the revision that its followers were told of.
type mark[K any] struct {
	id       K
	revision int64
}

func workspaceMarkArgs(args []any, m *mark[stacksync.WorkspaceID]) []any {
	return append(args, &m.id.UUID, m.revision)
}

func userMarkArgs(args []any, m *mark[stacksync.UserID]) []any {
	return append(args, string(m.id), m.revision)
}

// marks returns the entries of a map by key: whoever locks several rows does it by id, also where these take several statements.
func marks[K comparable](revisions map[K]int64, compare func(a, b K) int) []mark[K] {
	list := make([]mark[K], 0, len(revisions))
	for id, revision := range revisions {
		list = append(list, mark[K]{id, revision})
	}
	slices.SortFunc(list, func(a, b mark[K]) int { return compare(a.id, b.id) })
	return list
}

func compareWorkspaces(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }

// MarkNotified is that of stacksync.Outbox.
func (w *writer) MarkNotified(ctx context.Context, p stacksync.MarkNotifiedParams) (stacksync.MarkNotifiedResult, error) {
	t := w.tables
	workspaces := marks(p.Notified, compareWorkspaces)
	due := p.Due.UnixMicro()
	err := lookUp(ctx, w.transaction, &t.markWorkspaces, workspaces, workspaceMarkArgs, t.workspaces, new([]stacksync.Workspace), due)
	if err == nil {
		err = w.markUsers(ctx, marks(p.Users, cmp.Compare), due)
	}
	if err != nil {
		return stacksync.MarkNotifiedResult{}, fmt.Errorf("mark hints as sent: %w", err)
	}
	return stacksync.MarkNotifiedResult{}, nil
}

func (w *writer) markUsers(ctx context.Context, users []mark[stacksync.UserID], due int64) error {
	t := w.tables
	if t.markUserArrays == "" {
		return lookUp(ctx, w.transaction, &t.markUsers, users, userMarkArgs, t.users, new([]stacksync.User), due)
	}
	if len(users) == 0 {
		return nil
	}
	// In one statement, as their locks have an order of their own.
	columns, err := literals(users, userMarkArgs, "text", "bigint")
	if err != nil {
		return err
	}
	return t.users.query(ctx, w.transaction, t.markUserArrays, []any{columns[0], columns[1], due}, new([]stacksync.User))
}
