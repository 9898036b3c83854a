package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// statement is one that is put together of parts. Each asks for one kind of rows, and takes its keys as arrays, so that
// there are few different texts, whatever the number of keys: a connection keeps those that it has planned.
type statement struct {
	r     *reader
	ctes  []string // name AS (…)
	parts []string // SELECTs, or INSERTs
	args  []any
	err   error
}

// arg adds an argument and returns what stands for it.
func (s *statement) arg(typ string, v any) string {
	s.args = append(s.args, v)
	return s.r.tables.placeholder(len(s.args), typ)
}

// arrays adds keys as arrays, a column each, and returns the arrays in a row: $1::uuid[], $2::text[].
func arrays[K any](s *statement, keys []K, key func(args []any, k *K) []any, types ...string) string {
	columns := make([]array, len(types))
	var args []any
	for i := range keys {
		args = key(args[:0], &keys[i])
		for j, arg := range args {
			if err := columns[j].add(arg); err != nil && s.err == nil {
				s.err = err
			}
		}
	}
	texts := make([]string, len(types))
	for j, typ := range types {
		texts[j] = s.arg(typ+"[]", columns[j].literal())
	}
	return strings.Join(texts, ", ")
}

// rows asks for rows of a source: what follows FROM.
func (s *statement) rows(from source, format string, args ...any) {
	s.parts = append(s.parts, "SELECT "+s.r.tables.wideColumns[from]+" FROM "+fmt.Sprintf(format, args...))
}

// query runs the statement.
func (s *statement) query(ctx context.Context, to *sink) error {
	if s.err != nil {
		return s.err
	}
	if len(s.parts) == 0 {
		return nil
	}
	text := strings.Join(s.parts, " UNION ALL ")
	if len(s.ctes) > 0 {
		text = "WITH RECURSIVE " + strings.Join(s.ctes, ", ") + " " + text
	}
	return s.r.query(ctx, text, s.args, to.columns(), func() bool {
		to.row()
		return true
	})
}

// access asks for what AccessKeys do.
func (s *statement) access(keys []stacksync.AccessKey) {
	if len(keys) == 0 {
		return
	}
	t := s.r.tables
	workspaces, members, devices := splitAccess(keys)
	ids := arrays(s, workspaces, workspaceArgs, "uuid")
	s.rows(fromWorkspaces, "%s AS w WHERE w.id = ANY (%s)", t.qualified.workspaces, ids)
	s.rows(fromUsers, "%s AS u WHERE u.id IN (SELECT w.owner_id FROM %s AS w WHERE w.id = ANY (%s))",
		t.qualified.users, t.qualified.workspaces, ids)
	s.rows(fromMembers, "unnest(%s) AS k (workspace, member) JOIN %s AS m ON m.workspace_id = k.workspace AND m.user_id = k.member",
		arrays(s, members, memberArgs, "uuid", "text"), t.qualified.members)
	if len(devices) > 0 {
		s.rows(fromDevices, "unnest(%s) AS k (member, device) JOIN %s AS d ON d.user_id = k.member AND d.device_id = k.device",
			arrays(s, devices, deviceArgs, "text", "uuid"), t.qualified.devices)
	}
}

// loadCombined is Load in one statement.
func (r *reader) loadCombined(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	t := r.tables
	s := &statement{r: r}
	s.access(p.Access)
	if len(p.Items) > 0 {
		s.rows(fromItems, "unnest(%s) AS k (workspace, item) JOIN %s AS i ON i.workspace_id = k.workspace AND i.item_id = k.item",
			arrays(s, unique(p.Items), itemArgs, "uuid", "uuid"), t.qualified.items)
	}
	if len(p.Names) > 0 {
		s.rows(fromItems, `unnest(%s) AS k (workspace, parent, name) JOIN %s AS i
			ON i.workspace_id = k.workspace AND i.parent_id = k.parent AND i.name_key = k.name AND NOT i.deleted`,
			arrays(s, unique(p.Names), nameArgs, "uuid", "uuid", "text"), t.qualified.items)
	}
	if len(p.Ancestors) > 0 {
		s.ctes = append(s.ctes, fmt.Sprintf(`up (workspace, item) AS (SELECT i.workspace_id, i.parent_id FROM unnest(%[1]s) AS k (workspace, item)
			JOIN %[2]s AS i ON i.workspace_id = k.workspace AND i.item_id = k.item
			UNION SELECT i.workspace_id, i.parent_id FROM up JOIN %[2]s AS i ON i.workspace_id = up.workspace AND i.item_id = up.item)`,
			arrays(s, unique(p.Ancestors), itemArgs, "uuid", "uuid"), t.qualified.items))
		s.rows(fromItems, "up JOIN %s AS i ON i.workspace_id = up.workspace AND i.item_id = up.item", t.qualified.items)
	}
	if len(p.Subtrees) > 0 {
		s.ctes = append(s.ctes, fmt.Sprintf(`down (workspace, item) AS (SELECT k.workspace, k.item FROM unnest(%s) AS k (workspace, item)
			UNION SELECT i.workspace_id, i.item_id FROM down JOIN %s AS i
			ON i.workspace_id = down.workspace AND i.parent_id = down.item AND NOT i.deleted)`,
			arrays(s, unique(p.Subtrees), itemArgs, "uuid", "uuid"), t.qualified.items))
		s.rows(fromItems, "down JOIN %s AS i ON i.workspace_id = down.workspace AND i.parent_id = down.item AND NOT i.deleted", t.qualified.items)
	}
	if len(p.Versions) > 0 {
		s.rows(fromSuperseded, `unnest(%s) AS k (workspace, item, version) JOIN %s AS i
			ON i.workspace_id = k.workspace AND i.item_id = k.item AND i.version = k.version`,
			arrays(s, unique(p.Versions), versionArgs, "uuid", "uuid", "bigint"), t.qualified.superseded)
	}
	if len(p.Chunks) > 0 {
		s.rows(fromChunks, "unnest(%s) AS k (workspace, name) JOIN %s AS c ON c.workspace_id = k.workspace AND c.name = k.name",
			arrays(s, unique(p.Chunks), chunkArgs, "uuid", "bytea"), t.qualified.chunks)
	}
	var res stacksync.LoadResult
	to := &sink{wide: t.wide}
	to.access(t, &res.AccessRows)
	sinkTo(to, fromItems, t.items, &res.Items)
	sinkTo(to, fromSuperseded, t.superseded, &res.Versions)
	sinkTo(to, fromChunks, t.chunks, &res.Chunks)
	if err := s.query(ctx, to); err != nil {
		return stacksync.LoadResult{}, fmt.Errorf("load: %w", err)
	}
	return res, nil
}

// putCombined is Put in one statement: an INSERT, or several of which all but the last are in WITH.
func (w *writer) putCombined(ctx context.Context, p stacksync.PutParams) error {
	t := w.tables
	s := &statement{r: &w.reader}
	insert(s, t.users, p.Users)
	insert(s, t.devices, p.Devices)
	insert(s, t.workspaces, p.Workspaces)
	insert(s, t.members, p.Members)
	insert(s, t.superseded, p.Superseded)
	insert(s, t.items, p.Items)
	insert(s, t.chunks, p.Chunks)
	if s.err != nil {
		return fmt.Errorf("save: %w", s.err)
	}
	last := len(s.parts) - 1
	if last < 0 {
		return nil
	}
	text := s.parts[last]
	for i := last - 1; i >= 0; i-- {
		s.parts[i] = fmt.Sprintf("put%d AS (%s)", i, s.parts[i])
	}
	if last > 0 {
		text = "WITH " + strings.Join(s.parts[:last], ", ") + " " + text
	}
	if err := w.exec(ctx, text, s.args); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

func insert[R, M any](s *statement, t *table[R, M], rows []R) {
	if len(rows) == 0 {
		return
	}
	m := new(M)
	pointers := t.pointers(nil, m)
	columns := arrays(s, rows, func(_ []any, row *R) []any {
		t.set(m, row)
		return pointers
	}, t.types()...)
	s.parts = append(s.parts, fmt.Sprintf(t.upsert, "SELECT * FROM unnest("+columns+")"))
}
