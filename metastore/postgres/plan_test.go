package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

// recorder notes the texts that a store prepares.
type recorder struct {
	mu    sync.Mutex
	texts map[string]bool
}

var prepare = regexp.MustCompile(`^PREPARE \S+ AS (?s)(.*)$`)

func (r *recorder) decide(m pgtest.Message) pgtest.Action {
	if match := prepare.FindStringSubmatch(m.SQL()); match != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.texts[match[1]] = true
	}
	return pgtest.Pass
}

const workspaces = 2_000

var manyItems = testsize.Of(50_000, 200_000)

// fill makes one workspace with many items, in folders of 1,000, with a tenth as many old versions and chunks, and many
// workspaces with one item or two. A tenth of the operations are about the large one; one of fifty runs, and one of fifty has stopped.
func fill(t *testing.T, server *pgtest.Server, schema string) {
	t.Helper()
	server.Exec(t, fmt.Sprintf(`SET search_path = %[1]s;
		INSERT INTO users (id, default_workspace_id, quota_limit, quota_used, revision, notified, hint_due)
			SELECT 'filled-' || n, md5('w' || n)::uuid, 0, 0, 3, CASE WHEN n %% 100 = 0 THEN 2 ELSE 3 END, CASE WHEN n %% 100 = 0 THEN n END
			FROM generate_series(0, %[2]d) AS n;
		INSERT INTO devices SELECT 'filled-' || n, md5('d' || n)::uuid, '', false, 0 FROM generate_series(0, %[2]d) AS n;
		INSERT INTO workspaces SELECT md5('w' || n)::uuid, 'filled-' || n, 'c' || n, 3, 0, 1, true, false, 0, CASE WHEN n %% 100 = 0 THEN 2 ELSE 3 END,
			CASE WHEN n %% 100 = 0 THEN n END FROM generate_series(0, %[2]d) AS n;
		INSERT INTO members SELECT md5('w' || n)::uuid, 'filled-' || n, 3, '', md5('')::uuid, 0 FROM generate_series(0, %[2]d) AS n;
		INSERT INTO items (workspace_id, item_id, version, revision, status, deleted, parent_id, name, name_key, kind, size, checksum, media_type, user_id, device_id)
			SELECT md5('w0')::uuid, md5('i' || n)::uuid, 2, 1 + n * 7919 %% %[3]d, 2, n %% 50 = 49,
			CASE WHEN n < 1000 THEN '00000000-0000-0000-0000-000000000000' ELSE md5('i' || n / 1000)::uuid END,
			'name ' || n, 'name ' || n, CASE WHEN n < 1000 THEN 2 ELSE 1 END, 1, '', '', 'filled-0', md5('d0')::uuid
			FROM generate_series(0, %[3]d - 1) AS n;
		INSERT INTO items (workspace_id, item_id, version, revision, status, deleted, parent_id, name, name_key, kind, size, checksum, media_type, user_id, device_id)
			SELECT md5('w' || n)::uuid, md5('i' || n || ' ' || k)::uuid, 1, k, 1, false, '00000000-0000-0000-0000-000000000000',
			'name ' || k, 'name ' || k, 1, 1, '', '', 'filled-' || n, md5('d' || n)::uuid
			FROM generate_series(1, %[2]d) AS n, generate_series(1, 1 + n %% 2) AS k;
		INSERT INTO item_versions SELECT workspace_id, item_id, version - 1, revision, status, deleted, parent_id, name, name_key, kind, size, checksum,
			chunks, media_type, modified_at, attrs, user_id, device_id, committed_at FROM items WHERE version = 2 AND revision <= %[3]d / 10;
		INSERT INTO chunks SELECT md5('w0')::uuid, decode(md5('c' || n), 'hex'), 1 FROM generate_series(1, %[3]d / 10) AS n;
		INSERT INTO operations SELECT md5('o' || n)::uuid, 'share', 'filled-' || n %% 10 * n %% %[2]d, md5('w' || n %% 10 * n %% %[2]d)::uuid,
			CASE WHEN n %% 2 = 0 THEN md5('w' || n %% 10)::uuid END, CASE n %% 50 WHEN 0 THEN 1 WHEN 1 THEN 3 ELSE 2 END, '', 0, 0, 0, '', n, n, '{}', n, 0
			FROM generate_series(1, %[3]d / 10) AS n`, schema, workspaces, manyItems))
}

// readAll calls every method of a Tx.
func readAll(ctx context.Context, tx stacksync.Tx) error {
	w := workspaceID(1)
	row := stacksync.ItemRow{Workspace: w, NameKey: "a", Item: stacksync.Item{ID: stacksync.ItemID{UUID: id("item", 1)}, Version: 2, Revision: 1, Name: "a", Kind: stacksync.File}}
	key := stacksync.ItemKey{Workspace: w, Item: row.ID}
	access := stacksync.AccessKey{Workspace: w, User: "user-1", Device: stacksync.DeviceID{UUID: id("device", 1)}}
	page := stacksync.PageBound{Limit: 1000, Chunks: 100}
	rows := account(1)
	rows.Devices = []stacksync.Device{{ID: access.Device, User: access.User}}
	rows.Items, rows.Superseded = []stacksync.ItemRow{row}, []stacksync.ItemRow{row}
	rows.Chunks = []stacksync.ChunkRow{{Workspace: w, Chunk: stacksync.Chunk{Name: "chunk", Size: 1}}}
	operation := stacksync.OperationID{UUID: id("operation", 1)}
	rows.Operations = []stacksync.Operation{{ID: operation, User: access.User, Workspace: w, State: stacksync.OperationRunning}}
	var failed error
	call := func(_ any, err error) {
		if failed == nil {
			failed = err
		}
	}
	call(tx.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w}, Users: []stacksync.UserID{"user-1"}}))
	call(tx.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w}, Operations: []stacksync.OperationID{operation}}))
	call(tx.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{access}}))
	call(tx.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{key}}))
	call(tx.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{{Workspace: w, Key: "a"}}}))
	call(tx.Load(ctx, stacksync.LoadParams{Ancestors: []stacksync.ItemKey{key}}))
	call(tx.Load(ctx, stacksync.LoadParams{Subtrees: []stacksync.ItemKey{key}}))
	call(tx.Load(ctx, stacksync.LoadParams{Versions: []stacksync.VersionKey{{Workspace: w, Item: row.ID, Version: 1}}}))
	call(tx.Load(ctx, stacksync.LoadParams{Chunks: []stacksync.ChunkKey{{Workspace: w, Name: "chunk"}}}))
	call(tx.Users(ctx, stacksync.UsersParams{IDs: []stacksync.UserID{"user-1"}}))
	call(tx.Devices(ctx, stacksync.DevicesParams{User: "user-1"}))
	call(tx.Memberships(ctx, stacksync.MembershipsParams{User: "user-1"}))
	call(tx.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{w}}))
	call(tx.Operations(ctx, stacksync.OperationsParams{IDs: []stacksync.OperationID{operation}, Limit: 10}))
	call(tx.StoppedOperations(ctx, stacksync.StoppedOperationsParams{Limit: 10}))
	call(tx.Children(ctx, stacksync.ChildrenParams{Workspace: w, PageBound: page}))
	call(tx.Children(ctx, stacksync.ChildrenParams{Workspace: w, After: "a", PageBound: page}))
	call(tx.Versions(ctx, stacksync.VersionsParams{Workspace: w, Item: row.ID, PageBound: page}))
	call(tx.Changes(ctx, stacksync.ChangesParams{Workspace: w, PageBound: page}))
	call(tx.Changes(ctx, stacksync.ChangesParams{Workspace: w, Access: access, PageBound: page}))
	call(tx.Put(ctx, rows))
	call(tx.MarkNotified(ctx, stacksync.MarkNotifiedParams{Notified: map[stacksync.WorkspaceID]int64{w: 1}, Users: map[stacksync.UserID]int64{access.User: 1}}))
	call(tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Limit: 10}))
	call(tx.ClaimOperations(ctx, stacksync.ClaimOperationsParams{Limit: 10}))
	call(tx.Purge(ctx, stacksync.PurgeParams{Workspace: w, Limit: 10}))
	call(tx.Remove(ctx, stacksync.RemoveParams{
		Members: []stacksync.MemberKey{{Workspace: w, User: access.User}}, Workspaces: []stacksync.WorkspaceID{w}, Users: []stacksync.UserID{access.User},
		Operations: []stacksync.OperationID{operation},
	}))
	return failed
}

// TestPlans looks at how each statement is planned in a large workspace among small ones, before the tables were analyzed and after:
// through the index that has all columns that it looks up by.
func TestPlans(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	texts := recorder{texts: map[string]bool{}}
	proxy.OnMessage(texts.decide)
	config := fresh(t, server)
	config.DSN = proxy.DSN()
	store := openStore(t, config)
	require.NoError(t, store.Update(t.Context(), readAll))
	require.Greater(t, len(texts.texts), 24)
	check := func(what string) {
		for text := range texts.texts {
			if !strings.Contains(text, config.Schema) { // a question for the transaction's number
				continue
			}
			checkPlan(t, what, text, explain(t, config, text))
		}
	}
	server.Exec(t, "ALTER TABLE "+config.Schema+".items SET (autovacuum_enabled = off)") // it would analyze the table
	fill(t, server, config.Schema)
	check("filled")
	for _, table := range []string{"users", "devices", "workspaces", "members", "items", "item_versions", "chunks", "operations"} {
		server.Exec(t, "ANALYZE "+config.Schema+"."+table)
	}
	check("analyzed")
}

// explain returns the lines of the plan that a connection of the store makes for a text.
func explain(t *testing.T, config Config, text string) []string {
	t.Helper()
	config, err := config.withDefaults()
	require.NoError(t, err)
	pool, _, err := config.pool()
	require.NoError(t, err)
	defer func() { require.NoError(t, pool.Close()) }()
	c, err := pool.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = c.ExecContext(t.Context(), "PREPARE explained AS "+text)
	require.NoError(t, err)
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", arguments(text)), ", ")
	rows, err := c.QueryContext(t.Context(), "EXPLAIN EXECUTE explained("+nulls+")")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var lines []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return lines
}

var placeholder = regexp.MustCompile(`\$\d+`)

func arguments(text string) int {
	different := map[string]bool{}
	for _, p := range placeholder.FindAllString(text, -1) {
		different[p] = true
	}
	return len(different)
}

// keys are the columns that each index must be searched by, all or the first ones.
var keys = map[string][]string{
	"items_pkey":         {"workspace_id", "item_id"},
	"items_folder":       {"workspace_id", "parent_id"},
	"items_log":          {"workspace_id", "revision"},
	"item_versions_pkey": {"workspace_id", "item_id", "version"},
	"chunks_pkey":        {"workspace_id", "name"},
	"members_pkey":       {"workspace_id", "user_id"},
	"members_user":       {"user_id"},
	"devices_pkey":       {"user_id"},
	"workspaces_pkey":    {"id"},
	"users_pkey":         {"id"},
	"workspaces_owing":   {"hint_due"},
	"users_owing":        {"hint_due"},

	"operations_pkey":      {"id"},
	"operations_running":   {"due"},
	"operations_stopped":   {}, // read from its beginning
	"operations_workspace": {"workspace_id"},
	"operations_source":    {"source_id"},
	"operations_user":      {"user_id"},
}

// ofWorkspace are the statements about all rows of a workspace: Members and Purge.
var ofWorkspace = regexp.MustCompile(`m\.workspace_id = ANY|ctid`)

var indexScan = regexp.MustCompile(`(?:Index Scan|Index Only Scan|Bitmap Index Scan)(?: Backward)?(?: using)? (?:on )?(\S+)`)

func checkPlan(t *testing.T, when, text string, lines []string) {
	t.Helper()
	plan := strings.Join(lines, "\n")
	fail := func(what string) { assert.Fail(t, what, "%s: %s\n%s", when, text, plan) }
	for i, line := range lines {
		for _, slow := range []string{"Seq Scan", "Gather", "Hash Join", "Merge Join", "JIT"} {
			if strings.Contains(line, slow) {
				fail(slow)
			}
		}
		match := indexScan.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		wanted, known := keys[match[1]]
		if known && ofWorkspace.MatchString(text) {
			wanted = wanted[:1]
		}
		condition := ""
		if i+1 < len(lines) && strings.Contains(lines[i+1], "Index Cond:") {
			condition = lines[i+1]
		}
		if !known {
			fail("unknown index " + match[1])
		}
		for _, column := range wanted {
			if !strings.Contains(condition, column) {
				fail(match[1] + " is not searched by " + column)
			}
		}
	}
	if i := strings.Index(plan, "CTE claimed_users"); i >= 0 && strings.Contains(plan[i:], "Sort") {
		fail("users are sorted after they were locked")
	}
	if strings.Contains(text, "o.state = 3") && (!strings.Contains(plan, "operations_stopped") || strings.Contains(plan, "Sort")) {
		fail("what has stopped does not come out of its index in order")
	}
	if strings.Contains(text, "i.name_key = k.name") && !strings.Contains(plan, "(name_key = (k.name)::text)") {
		fail("names are not searched by the index")
	}
}
