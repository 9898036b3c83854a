package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// tables are all tables, with the texts of all statements: bun's builder makes them once, with placeholders for arguments.
//
// What is joined by CROSS JOIN is read from left to right: SQLite promises it, and needs to be told. Left to itself its
// planner may scan all items for each key that is looked up. NOT deleted is written as in the partial index.
type tables struct {
	users      *table[stacksync.User, userModel]
	devices    *table[stacksync.Device, deviceModel]
	workspaces *table[stacksync.Workspace, workspaceModel]
	members    *table[stacksync.Member, memberModel]
	items      *table[stacksync.ItemRow, itemModel]
	superseded *table[stacksync.ItemRow, itemModel]
	chunks     *table[stacksync.ChunkRow, chunkModel]
	operations *table[stacksync.Operation, operationModel]

	placeholder func(n int, sqlType string) string
	qualified   struct{ users, devices, workspaces, members, items, superseded, chunks, operations string } // names with their schema
	wide        *wide                                                                                       // if Combined
	wideColumns [sources]string
	texts       sync.Map // of combined statements, by shape

	userByID, deviceByID, workspaceByID, memberByID                keyed
	itemByID, itemByName, versionByID, chunkByName                 keyed
	ancestors, subtrees, unseenAncestors                           keyed
	devicesOf, membershipsOf                                       string
	firstChildren, nextChildren, currentVersion, versions, changes string
	membersOf                                                      keyed
	membersOfArray                                                 string
	claimWorkspaces, claimUsers, claimOperations                   string
	markWorkspaces, markUsers                                      keyed
	markUserArrays                                                 string
	operationByID                                                  keyed
	operationsOf                                                   [operationColumns]keyed
	operationsOfArrays, stoppedOperations                          string
	removeMembers, removeDevices, removeWorkspaces                 keyed
	removeUsers, removeOperations                                  keyed
	purges                                                         [3]string
	purgeAll                                                       string
}

const (
	itemsTable      = "items"
	supersededTable = "item_versions"
	operationsTable = "operations"
)

func newTables(db *bun.DB, d Dialect) *tables {
	t := &tables{
		users:      newTable(db, d, "users", (*userModel).set, (*userModel).row, "id"),
		devices:    newTable(db, d, "devices", (*deviceModel).set, (*deviceModel).row, "user_id", "device_id"),
		workspaces: newTable(db, d, "workspaces", (*workspaceModel).set, (*workspaceModel).row, "id"),
		members:    newTable(db, d, "members", (*memberModel).set, (*memberModel).row, "workspace_id", "user_id"),
		items:      newTable(db, d, itemsTable, (*itemModel).set, (*itemModel).row, "workspace_id", "item_id"),
		superseded: newTable(db, d, supersededTable, (*itemModel).set, (*itemModel).row, "workspace_id", "item_id", "version"),
		chunks:     newTable(db, d, "chunks", (*chunkModel).set, (*chunkModel).row, "workspace_id", "name"),
		operations: newTable(db, d, operationsTable, (*operationModel).set, (*operationModel).row, "id"),
	}
	b := builder{db, d}
	t.placeholder = d.Placeholder
	q := &t.qualified
	q.users, q.devices, q.workspaces, q.members = b.table("users"), b.table("devices"), b.table("workspaces"), b.table("members")
	q.items, q.superseded, q.chunks, q.operations = b.table(itemsTable), b.table(supersededTable), b.table("chunks"), b.table(operationsTable)
	t.userByID = b.lookup("users", (*userModel)(nil), []string{"text"}, "u.id = k.column1")
	t.lists(b)
	t.outbox(b)
	t.journal(b)
	if !d.Combined {
		t.byKey(b)
		t.trees(b)
		t.removal(b)
		return t
	}
	t.membersOfArray = fmt.Sprintf("SELECT %s FROM %s AS m WHERE m.workspace_id = ANY (%s)",
		strings.Join(t.members.columns("m"), ", "), q.members, d.Placeholder(1, "uuid[]"))
	t.purgeAll = t.purgeText(b)
	t.wide = newWide(t)
	for from := range sources {
		t.wideColumns[from] = t.wide.columns(from)
	}
	return t
}

// byKey makes the statements that read rows by key.
func (t *tables) byKey(b builder) {
	const text, id, number, bytes = "text", "uuid", "bigint", "bytea"
	t.workspaceByID = b.lookup("workspaces", (*workspaceModel)(nil), []string{id}, "w.id = k.column1")
	t.deviceByID = b.lookup("devices", (*deviceModel)(nil), []string{text, id}, "d.user_id = k.column1", "d.device_id = k.column2")
	t.memberByID = b.lookup("members", (*memberModel)(nil), []string{id, text}, "m.workspace_id = k.column1", "m.user_id = k.column2")
	t.membersOf = b.lookup("members", (*memberModel)(nil), []string{id}, "m.workspace_id = k.column1")
	t.chunkByName = b.lookup("chunks", (*chunkModel)(nil), []string{id, bytes}, "c.workspace_id = k.column1", "c.name = k.column2")
	item := (*itemModel)(nil)
	t.itemByID = b.lookup(itemsTable, item, []string{id, id}, "i.workspace_id = k.column1", "i.item_id = k.column2")
	t.itemByName = b.lookup(itemsTable, item, []string{id, id, text},
		"i.workspace_id = k.column1", "i.parent_id = k.column2", "i.name_key = k.column3", "NOT i.deleted")
	t.versionByID = b.lookup(supersededTable, item, []string{id, id, number},
		"i.workspace_id = k.column1", "i.item_id = k.column2", "i.version = k.column3")
}

// trees makes the statements that walk up and down. UNION ends a walk that comes back to where it was.
func (t *tables) trees(b builder) {
	const this, children = "i.item_id = walk.item_id", "i.parent_id = walk.item_id"
	step := func(column string, where ...string) *bun.SelectQuery {
		return b.where(b.db.NewSelect().ColumnExpr("i.workspace_id, "+column).TableExpr("walk CROSS JOIN "+b.table(itemsTable)+" AS i").
			Where("i.workspace_id = walk.workspace_id"), where)
	}
	walk := func(start, next *bun.SelectQuery, where ...string) *bun.SelectQuery {
		return b.where(b.db.NewSelect().WithRecursive("walk", start.Union(next)).
			Model((*itemModel)(nil)).ModelTableExpr("walk CROSS JOIN "+b.table(itemsTable)+" AS i").Where("i.workspace_id = walk.workspace_id"), where)
	}
	keys := func(values bun.Safe) *bun.SelectQuery {
		return b.db.NewSelect().ColumnExpr("k.column1 AS workspace_id, k.column2 AS item_id").TableExpr("(?) AS k", values)
	}
	pair := []string{"uuid", "uuid"}

	t.ancestors = b.keyed(pair, func(values bun.Safe, _ int) *bun.SelectQuery {
		parents := b.where(b.db.NewSelect().ColumnExpr("i.workspace_id, i.parent_id AS item_id").
			TableExpr("(?) AS k CROSS JOIN "+b.table(itemsTable)+" AS i", values), []string{"i.workspace_id = k.column1", "i.item_id = k.column2"})
		return walk(parents, step("i.parent_id", this), this)
	})
	t.subtrees = b.keyed(pair, func(values bun.Safe, _ int) *bun.SelectQuery {
		return walk(keys(values), step("i.item_id", children, "NOT i.deleted"), children, "NOT i.deleted")
	})
	// unseenAncestors is asked for those right above what the page brings. Its last two arguments are the revision seen.
	t.unseenAncestors = b.keyed(pair, func(values bun.Safe, n int) *bun.SelectQuery {
		return walk(keys(values),
			step("i.parent_id", this, "i.revision > "+b.dialect.Placeholder(n+1, "bigint")),
			this, "i.revision > "+b.dialect.Placeholder(n+2, "bigint"))
	})
}

// lists makes the statements that read rows in order.
func (t *tables) lists(b builder) {
	arg := b.dialect.Placeholder
	items := func(table string, where ...string) *bun.SelectQuery {
		return b.where(b.db.NewSelect().Model((*itemModel)(nil)).ModelTableExpr("? AS i", bun.Safe(b.table(table))), where)
	}
	limit := func(q *bun.SelectQuery, n int) string { return b.text(q) + " LIMIT " + b.limit(n) }

	t.devicesOf = b.text(b.db.NewSelect().Model((*deviceModel)(nil)).ModelTableExpr(b.table("devices") + " AS d").Where("d.user_id = " + arg(1, "text")))
	t.membershipsOf = b.text(b.db.NewSelect().
		Column(t.members.columns("m")...).Column(t.workspaces.columns("w")...).
		TableExpr(b.table("members") + " AS m CROSS JOIN " + b.table("workspaces") + " AS w").
		Where("m.user_id = " + arg(1, "text")).Where("w.id = m.workspace_id").OrderExpr("m.workspace_id"))

	in := []string{"i.workspace_id = " + arg(1, "uuid"), "i.parent_id = " + arg(2, "uuid"), "NOT i.deleted"}
	t.firstChildren = limit(items(itemsTable, in...).OrderExpr("i.name_key"), 3)
	t.nextChildren = limit(items(itemsTable, append(in, "i.name_key > "+arg(3, "text"))...).OrderExpr("i.name_key"), 4)

	of := []string{"i.workspace_id = " + arg(1, "uuid"), "i.item_id = " + arg(2, "uuid"), "i.version <= " + arg(3, "bigint")}
	t.currentVersion = b.text(items(itemsTable, of...))
	t.versions = limit(items(supersededTable, of...).OrderExpr("i.version DESC"), 4)

	t.changes = limit(items(itemsTable, "i.workspace_id = "+arg(1, "uuid"), "i.revision > "+arg(2, "bigint"),
		"NOT i.deleted OR i.revision > "+arg(3, "bigint")).OrderExpr("i.revision"), 4)
}

// builder makes texts.
type builder struct {
	db      *bun.DB
	dialect Dialect
}

// text returns what q is in SQL. It panics where the code above has a mistake, whatever the input.
func (b builder) text(q *bun.SelectQuery) string { return q.String() }

func (b builder) where(q *bun.SelectQuery, conditions []string) *bun.SelectQuery {
	for _, c := range conditions {
		q = q.Where(c)
	}
	return q
}

// keySizes are how many keys one statement looks up. Those that are not needed are NULL, which finds nothing. Measured on
// SQLite, for 1,000 keys that find nothing: 15.7 ms with 1 key a statement, 3.5 with 250, 2.8 with 1000; json_each: 5.6 ms.
var keySizes = [...]int{1, 8, 32, 128, 512}

// keyed is a statement whose first arguments are keys, in all sizes.
type keyed struct {
	width int // arguments a key
	texts [len(keySizes)]string
}

// keyed makes a statement of what query returns for a list of keys of the given types, with so many placeholders.
func (b builder) keyed(types []string, query func(values bun.Safe, placeholders int) *bun.SelectQuery) keyed {
	return b.keyedText(types, func(values string, n int) string { return b.text(query(bun.Safe(values), n)) })
}

func (b builder) keyedText(types []string, text func(values string, placeholders int) string) keyed {
	k := keyed{width: len(types)}
	for i, n := range keySizes {
		k.texts[i] = text(values(b.dialect, n, types), n*len(types))
	}
	return k
}

// limit returns the argument of a LIMIT, in a form that the database does not look into when it plans: see Dialect.PlansLimit. Planning takes
// longer than to read one row.
func (b builder) limit(arg int) string {
	bound := b.dialect.Placeholder(arg, "bigint")
	if b.dialect.PlansLimit {
		return bound + " + 0"
	}
	return bound
}

// table returns the name of a table with its schema.
func (b builder) table(name string) string {
	if b.dialect.Schema == "" {
		return name
	}
	return string(b.db.QueryGen().AppendIdent(nil, b.dialect.Schema)) + "." + name
}

// lookup makes the statement that reads the rows of a table by key.
func (b builder) lookup(table string, model any, types []string, on ...string) keyed {
	return b.keyed(types, func(values bun.Safe, _ int) *bun.SelectQuery {
		return b.where(b.db.NewSelect().Model(model).ModelTableExpr("(?) AS k CROSS JOIN ? AS ?TableAlias", values, bun.Safe(b.table(table))), on)
	})
}

// lookUp runs a keyed statement for all keys and appends what it finds. key appends a key's arguments; more are the
// arguments that come after the keys.
func lookUp[K, R, M any](
	ctx context.Context, tx *transaction, k *keyed, keys []K, key func(args []any, k *K) []any, t *table[R, M], rows *[]R, more ...any,
) error {
	return inSizes(k, keys, key, func(text string, args []any) error {
		return t.query(ctx, tx, text, append(args, more...), rows)
	})
}

// inSizes runs a keyed statement for all keys, as often as that takes.
func inSizes[K any](k *keyed, keys []K, key func(args []any, k *K) []any, run func(text string, args []any) error) error {
	var args []any
	for len(keys) > 0 {
		size := 0
		for size < len(keySizes)-1 && keySizes[size] < len(keys) {
			size++
		}
		n := min(len(keys), keySizes[size])
		args = args[:0]
		for i := range n {
			args = key(args, &keys[i])
		}
		for len(args) < keySizes[size]*k.width {
			args = append(args, nil)
		}
		if err := run(k.texts[size], args); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}
