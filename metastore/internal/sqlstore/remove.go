package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// removal makes the statements that delete rows by key, and pages of what a workspace holds.
func (t *tables) removal(b builder) {
	remove := func(table string, columns, types []string) keyed {
		return b.keyedText(types, func(values string, _ int) string {
			return fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (%s)", table, strings.Join(columns, ", "), values)
		})
	}
	t.removeMembers = remove(t.qualified.members, []string{"workspace_id", "user_id"}, []string{"uuid", "text"})
	t.removeDevices = remove(t.qualified.devices, []string{"user_id"}, []string{"text"})
	t.removeWorkspaces = remove(t.qualified.workspaces, []string{"id"}, []string{"uuid"})
	t.removeUsers = remove(t.qualified.users, []string{"id"}, []string{"text"})
	t.removeOperations = remove(t.qualified.operations, []string{"id"}, []string{"uuid"})

	purge := func(table, key string) string {
		return fmt.Sprintf("DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE workspace_id = %[3]s LIMIT %[4]s) RETURNING 1",
			table, key, b.dialect.Placeholder(1, "uuid"), b.limit(2))
	}
	t.purges = [...]string{
		purge(t.qualified.superseded, "workspace_id, item_id, version"),
		purge(t.qualified.items, "workspace_id, item_id"),
		purge(t.qualified.chunks, "workspace_id, name"),
	}
}

// purgeText makes Purge one statement. Rows are deleted by where they are: nobody else changes them, and no index is asked twice.
func (t *tables) purgeText(b builder) string {
	limit := b.dialect.Placeholder(2, "bigint")
	var parts []string
	for i, table := range []string{t.qualified.superseded, t.qualified.items, t.qualified.chunks} {
		parts = append(parts, fmt.Sprintf(`gone%[1]d AS (DELETE FROM %[2]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[2]s WHERE workspace_id = %[3]s LIMIT %[4]s)) RETURNING 1),
			rows%[1]d AS MATERIALIZED (SELECT count(*) AS n FROM gone%[1]d)`, i, table, b.dialect.Placeholder(1, "uuid"), limit))
		limit += fmt.Sprintf(" - (SELECT n FROM rows%d)", i)
	}
	return "WITH " + strings.Join(parts, ", ") + " SELECT (SELECT n FROM rows0) + (SELECT n FROM rows1) + (SELECT n FROM rows2)"
}

// Remove is that of stacksync.Remover.
func (w *writer) Remove(ctx context.Context, p stacksync.RemoveParams) (stacksync.RemoveResult, error) {
	members := make([]memberKey, len(p.Members))
	for i, m := range p.Members {
		members[i] = memberKey{m.Workspace, m.User}
	}
	remove := w.removeByKey
	if w.tables.wide != nil {
		remove = w.removeCombined
	}
	if err := remove(ctx, p, members); err != nil {
		return stacksync.RemoveResult{}, fmt.Errorf("remove: %w", err)
	}
	return stacksync.RemoveResult{}, nil
}

func (w *writer) removeByKey(ctx context.Context, p stacksync.RemoveParams, members []memberKey) error {
	t := w.tables
	run := func(text string, args []any) error { return w.exec(ctx, text, args) }
	// What refers to others goes first. After a failure the transaction refuses the rest.
	return cmp.Or(
		inSizes(&t.removeMembers, members, memberArgs, run),
		inSizes(&t.removeDevices, p.Users, userArgs, run),
		inSizes(&t.removeWorkspaces, p.Workspaces, workspaceArgs, run),
		inSizes(&t.removeUsers, p.Users, userArgs, run),
		inSizes(&t.removeOperations, p.Operations, operationArgs, run),
	)
}

// removeCombined removes all in one statement: foreign keys are looked at when it ends.
func (w *writer) removeCombined(ctx context.Context, p stacksync.RemoveParams, members []memberKey) error {
	q := &w.tables.qualified
	s := w.statement('R', len(p.Members) > 0, len(p.Workspaces) > 0, len(p.Users) > 0, len(p.Operations) > 0)
	remove := func(format string, args ...any) {
		if !s.known() {
			s.parts = append(s.parts, "DELETE FROM "+fmt.Sprintf(format, args...))
		}
	}
	if len(members) > 0 {
		remove("%s AS m USING unnest(%s) AS k (workspace, member) WHERE m.workspace_id = k.workspace AND m.user_id = k.member",
			q.members, arrays(s, members, memberArgs, "uuid", "text"))
	}
	if len(p.Workspaces) > 0 {
		remove("%s AS w WHERE w.id = ANY (%s)", q.workspaces, arrays(s, p.Workspaces, workspaceArgs, "uuid"))
	}
	if len(p.Users) > 0 {
		ids := arrays(s, p.Users, userArgs, "text")
		remove("%s AS d WHERE d.user_id = ANY (%s)", q.devices, ids)
		remove("%s AS u WHERE u.id = ANY (%s)", q.users, ids)
	}
	if len(p.Operations) > 0 {
		remove("%s AS o WHERE o.id = ANY (%s)", q.operations, arrays(s, p.Operations, operationArgs, "uuid"))
	}
	return s.exec(ctx)
}

// Purge is that of stacksync.Remover.
func (w *writer) Purge(ctx context.Context, p stacksync.PurgeParams) (stacksync.PurgeResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.PurgeResult{}, err
	}
	purge := w.purgeByTable
	if w.tables.wide != nil {
		purge = w.purgeCombined
	}
	rows, err := purge(ctx, p)
	if err != nil {
		return stacksync.PurgeResult{}, fmt.Errorf("purge workspace %s: %w", p.Workspace, err)
	}
	return stacksync.PurgeResult{Rows: rows}, nil
}

func (w *writer) purgeByTable(ctx context.Context, p stacksync.PurgeParams) (rows int, err error) {
	for _, text := range w.tables.purges {
		if rows == p.Limit {
			break
		}
		var one int64
		err := w.query(ctx, text, []any{&p.Workspace.UUID, int64(p.Limit - rows)}, []any{&one}, func() bool {
			rows++
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	return rows, nil
}

func (w *writer) purgeCombined(ctx context.Context, p stacksync.PurgeParams) (rows int, err error) {
	err = w.query(ctx, w.tables.purgeAll, []any{&p.Workspace.UUID, int64(p.Limit)}, []any{&rows}, func() bool { return true })
	return rows, err
}
