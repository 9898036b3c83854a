package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// statement is one that is put together of parts. Each asks for one kind of rows, and takes its keys as arrays, so that
// there are few different texts, whatever the number of keys: they are made once, and a connection keeps those that it has
// planned.
type statement struct {
	r     *reader
	shape shape
	text  string   // "" while it is made
	ctes  []string // name AS (…)
	parts []string // SELECTs, or INSERTs
	args  []any
	err   error
}

// shape says what a statement consists of, which makes its text.
type shape struct {
	call  byte
	parts uint16 // a bit each
}

func (r *reader) statement(call byte, parts ...bool) *statement {
	s := &statement{r: r, shape: shape{call: call}, args: make([]any, 0, 24)}
	for i, has := range parts {
		if has {
			s.shape.parts |= 1 << i
		}
	}
	if text, ok := r.tables.texts.Load(s.shape); ok {
		s.text, _ = text.(string)
	}
	return s
}

// known reports whether the text was made before, so that only the arguments are needed.
func (s *statement) known() bool { return s.text != "" }

// made keeps the text.
func (s *statement) made(text string) {
	s.text = text
	s.r.tables.texts.Store(s.shape, text)
}

// arg adds an argument and returns what stands for it.
func (s *statement) arg(typ string, v any) string {
	s.args = append(s.args, v)
	if s.known() {
		return ""
	}
	return s.r.tables.placeholder(len(s.args), typ)
}

// arrays adds keys as arrays, a column each, and returns the arrays in a row: $1::uuid[], $2::text[].
func arrays[K any](s *statement, keys []K, key func(args []any, k *K) []any, types ...string) string {
	columns, err := literals(keys, key, types...)
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return ""
	}
	texts := make([]string, len(types))
	for j, typ := range types {
		texts[j] = s.arg(typ+"[]", columns[j])
	}
	if s.known() {
		return ""
	}
	return strings.Join(texts, ", ")
}

// rows asks for rows of a source: what follows FROM.
func (s *statement) rows(from source, format string, args ...any) {
	if !s.known() {
		s.parts = append(s.parts, "SELECT "+s.r.tables.wideColumns[from]+" FROM "+fmt.Sprintf(format, args...))
	}
}

// with adds what the parts read from.
func (s *statement) with(format string, args ...any) {
	if !s.known() {
		s.ctes = append(s.ctes, fmt.Sprintf(format, args...))
	}
}

// query runs the statement.
func (s *statement) query(ctx context.Context, to *sink) error {
	if s.err != nil {
		return s.err
	}
	if s.shape.parts == 0 {
		return nil
	}
	if !s.known() {
		text := strings.Join(s.parts, " UNION ALL ")
		if len(s.ctes) > 0 {
			text = "WITH RECURSIVE " + strings.Join(s.ctes, ", ") + " " + text
		}
		s.made(text)
	}
	return s.r.query(ctx, s.text, s.args, to.columns(), func() bool {
		to.row()
		return true
	})
}

// anyDevice reports whether devices are asked for.
func anyDevice(keys []stacksync.AccessKey) bool {
	return slices.ContainsFunc(keys, func(k stacksync.AccessKey) bool { return !k.Device.IsZero() })
}

// access asks for what AccessKeys do.
func (s *statement) access(keys []stacksync.AccessKey, rows *stacksync.AccessRows, to *sink) {
	if len(keys) == 0 {
		return
	}
	t := s.r.tables
	sinkTo(to, fromWorkspaces, t.workspaces, &rows.Workspaces)
	sinkTo(to, fromUsers, t.users, &rows.Owners)
	sinkTo(to, fromMembers, t.members, &rows.Members)
	workspaces, members, devices := splitAccess(keys)
	ids := arrays(s, workspaces, workspaceArgs, "uuid")
	s.rows(fromWorkspaces, "%s AS w WHERE w.id = ANY (%s)", t.qualified.workspaces, ids)
	s.rows(fromUsers, "%s AS u WHERE u.id IN (SELECT w.owner_id FROM %s AS w WHERE w.id = ANY (%s))",
		t.qualified.users, t.qualified.workspaces, ids)
	s.rows(fromMembers, "unnest(%s) AS k (workspace, member) JOIN %s AS m ON m.workspace_id = k.workspace AND m.user_id = k.member",
		arrays(s, members, memberArgs, "uuid", "text"), t.qualified.members)
	if len(devices) > 0 {
		sinkTo(to, fromDevices, t.devices, &rows.Devices)
		s.rows(fromDevices, "unnest(%s) AS k (member, device) JOIN %s AS d ON d.user_id = k.member AND d.device_id = k.device",
			arrays(s, devices, deviceArgs, "text", "uuid"), t.qualified.devices)
	}
}

// loadCombined is Load in one statement.
func (r *reader) loadCombined(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	t := r.tables
	s := r.statement('L', len(p.Access) > 0, anyDevice(p.Access), len(p.Items) > 0, len(p.Names) > 0, len(p.Ancestors) > 0,
		len(p.Subtrees) > 0, len(p.Versions) > 0, len(p.Chunks) > 0)
	var res stacksync.LoadResult
	to := &sink{wide: t.wide}
	s.access(p.Access, &res.AccessRows, to)
	if len(p.Items)+len(p.Names)+len(p.Ancestors)+len(p.Subtrees) > 0 {
		sinkTo(to, fromItems, t.items, &res.Items)
	}
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
		s.with(`up (workspace, item) AS (SELECT i.workspace_id, i.parent_id FROM unnest(%[1]s) AS k (workspace, item)
			JOIN %[2]s AS i ON i.workspace_id = k.workspace AND i.item_id = k.item
			UNION SELECT i.workspace_id, i.parent_id FROM up JOIN %[2]s AS i ON i.workspace_id = up.workspace AND i.item_id = up.item)`,
			arrays(s, unique(p.Ancestors), itemArgs, "uuid", "uuid"), t.qualified.items)
		s.rows(fromItems, "up JOIN %s AS i ON i.workspace_id = up.workspace AND i.item_id = up.item", t.qualified.items)
	}
	if len(p.Subtrees) > 0 {
		s.with(`down (workspace, item) AS (SELECT k.workspace, k.item FROM unnest(%s) AS k (workspace, item)
			UNION SELECT i.workspace_id, i.item_id FROM down JOIN %s AS i
			ON i.workspace_id = down.workspace AND i.parent_id = down.item AND NOT i.deleted)`,
			arrays(s, unique(p.Subtrees), itemArgs, "uuid", "uuid"), t.qualified.items)
		s.rows(fromItems, "down JOIN %s AS i ON i.workspace_id = down.workspace AND i.parent_id = down.item AND NOT i.deleted", t.qualified.items)
	}
	if len(p.Versions) > 0 {
		sinkTo(to, fromSuperseded, t.superseded, &res.Versions)
		s.rows(fromSuperseded, `unnest(%s) AS k (workspace, item, version) JOIN %s AS i
			ON i.workspace_id = k.workspace AND i.item_id = k.item AND i.version = k.version`,
			arrays(s, unique(p.Versions), versionArgs, "uuid", "uuid", "bigint"), t.qualified.superseded)
	}
	if len(p.Chunks) > 0 {
		sinkTo(to, fromChunks, t.chunks, &res.Chunks)
		s.rows(fromChunks, "unnest(%s) AS k (workspace, name) JOIN %s AS c ON c.workspace_id = k.workspace AND c.name = k.name",
			arrays(s, unique(p.Chunks), chunkArgs, "uuid", "bytea"), t.qualified.chunks)
	}
	if err := s.query(ctx, to); err != nil {
		return stacksync.LoadResult{}, fmt.Errorf("load: %w", err)
	}
	return res, nil
}

// exec runs a statement whose parts change rows: all but the last are in WITH.
func (s *statement) exec(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	if s.shape.parts == 0 {
		return nil
	}
	if !s.known() {
		last := len(s.parts) - 1
		text := s.parts[last]
		for i := range last {
			s.parts[i] = fmt.Sprintf("part%d AS (%s)", i, s.parts[i])
		}
		if last > 0 {
			text = "WITH " + strings.Join(s.parts[:last], ", ") + " " + text
		}
		s.made(text)
	}
	return s.r.transaction.exec(ctx, s.text, s.args)
}

// putCombined is Put in one statement.
func (w *writer) putCombined(ctx context.Context, p stacksync.PutParams) error {
	t := w.tables
	s := w.statement('P', len(p.Users) > 0, len(p.Devices) > 0, len(p.Workspaces) > 0, len(p.Members) > 0, len(p.Superseded) > 0,
		len(p.Items) > 0, len(p.Chunks) > 0, len(p.Operations) > 0)
	insert(s, t.users, p.Users)
	insert(s, t.devices, p.Devices)
	insert(s, t.workspaces, p.Workspaces)
	insert(s, t.members, p.Members)
	insert(s, t.superseded, p.Superseded)
	insert(s, t.items, p.Items)
	insert(s, t.chunks, p.Chunks)
	insert(s, t.operations, p.Operations)
	if err := s.exec(ctx); err != nil {
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
	}, t.sqlTypes...)
	if !s.known() {
		s.parts = append(s.parts, fmt.Sprintf(t.upsert, "SELECT * FROM unnest("+columns+")"))
	}
}
