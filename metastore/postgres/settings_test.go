package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// settingOf is a setting that an operator has made for a role, a database or a server, and the version of the server that it came with.
type settingOf struct {
	name, value string
	since       int
}

// operators are settings that are met in the field, one at a time and in combination. No store may be able to tell.
var operators = []settingOf{
	{"array_nulls", "off", 0},
	{"backslash_quote", "on", 0},
	{"bytea_output", "escape", 0},
	{"check_function_bodies", "off", 0},
	{"client_min_messages", "debug5", 0},
	{"client_min_messages", "error", 0},
	{"commit_delay", "10", 0},
	{"constraint_exclusion", "on", 0},
	{"cursor_tuple_fraction", "1", 0},
	{"datestyle", "German, DMY", 0},
	{"datestyle", "Postgres, MDY", 0},
	{"datestyle", "SQL, DMY", 0},
	{"deadlock_timeout", "100ms", 0},
	{"default_statistics_target", "1", 0},
	{"default_toast_compression", "pglz", 14},
	{"default_transaction_deferrable", "on", 0},
	{"default_transaction_isolation", "repeatable read", 0},
	{"default_transaction_isolation", "serializable", 0},
	{"effective_cache_size", "8MB", 0},
	{"enable_indexonlyscan", "off", 0},
	{"enable_indexscan", "off", 0},
	{"enable_material", "off", 0},
	{"enable_memoize", "off", 14},
	{"enable_nestloop", "off", 0},
	{"enable_sort", "off", 0},
	{"escape_string_warning", "off", 0},
	{"extra_float_digits", "-15", 0},
	{"from_collapse_limit", "1", 0},
	{"geqo_threshold", "2", 0},
	{"idle_in_transaction_session_timeout", "1min", 0},
	{"idle_session_timeout", "1min", 14},
	{"intervalstyle", "iso_8601", 0},
	{"jit_above_cost", "0", 0},
	{"join_collapse_limit", "1", 0},
	{"lc_monetary", "C", 0},
	{"lock_timeout", "1min", 0},
	{"log_statement", "all", 0},
	{"min_parallel_table_scan_size", "0", 0},
	{"parallel_setup_cost", "0", 0},
	{"plan_cache_mode", "force_custom_plan", 0},
	{"quote_all_identifiers", "on", 0},
	{"random_page_cost", "100", 0},
	{"row_security", "off", 0},
	{"search_path", "", 0},
	{"search_path", "nowhere, public, pg_catalog", 0},
	{"session_replication_role", "replica", 0},
	{"statement_timeout", "1min", 0},
	{"synchronous_commit", "local", 0},
	{"synchronous_commit", "remote_apply", 0},
	{"temp_buffers", "800kB", 0},
	{"timezone", "America/St_Johns", 0},
	{"timezone", "Asia/Kathmandu", 0},
	{"track_activities", "off", 0},
	{"transaction_timeout", "1min", 17},
	{"transform_null_equals", "on", 0},
	{"work_mem", "64kB", 0},
	{"xmlbinary", "hex", 0},
}

// operated is a server with roles that have settings.
type operated struct {
	server  *pgtest.Server
	version int
}

func newOperated(t *testing.T, settings map[string]string) operated {
	t.Helper()
	server := pgtest.Start(t, pgtest.Options{Settings: settings})
	return operated{server, serverVersion(t, server)}
}

func serverVersion(t *testing.T, server *pgtest.Server) int {
	t.Helper()
	var number int
	_, err := fmt.Sscan(server.Query(t, "SHOW server_version_num")[0][0], &number)
	require.NoError(t, err)
	return number / 10000
}

// role makes a role with settings, and returns the DSN to connect by.
func (o operated) role(t *testing.T, settings ...settingOf) string {
	t.Helper()
	name := o.server.Schema(t)
	o.server.Exec(t, "CREATE ROLE "+name+" LOGIN; GRANT CREATE ON DATABASE postgres TO "+name)
	for _, s := range settings {
		o.set(t, name, s)
	}
	return dsnOf(t, o.server.DSN(), func(u *url.URL) { u.User = url.User(name) })
}

func (o operated) set(t *testing.T, role string, s settingOf) {
	t.Helper()
	value := "'" + s.value + "'"
	if s.name == "search_path" && s.value != "" {
		value = s.value
	}
	o.server.Exec(t, "ALTER ROLE "+role+" SET "+s.name+" = "+value)
}

func dsnOf(t *testing.T, dsn string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	change(u)
	return u.String()
}

func userOf(t *testing.T, dsn string) (user string) {
	t.Helper()
	dsnOf(t, dsn, func(u *url.URL) { user = u.User.Username() })
	return user
}

// poolOf is a pool of a host that connects by dsn.
func poolOf(t *testing.T, dsn string, options ...pgdriver.Option) *sql.DB {
	t.Helper()
	options = append([]pgdriver.Option{pgdriver.WithDSN(dsn), pgdriver.WithTimeout(time.Minute)}, options...)
	db := sql.OpenDB(pgdriver.NewConnector(options...))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// oddProposals are what a store that takes or gives anything otherwise than it is would change.
func (w *world) oddProposals() []stacksync.Proposal {
	w.t.Helper()
	folder := w.folder()
	all := []stacksync.Proposal{folder}
	for _, name := range []string{
		"grün", "日本 😀", `back\slash \x41 \n`, `quo'te" ''`, "NULL", "null", "{a,b}", " lead", "$1 ? %s --;", "\x01\x7f", `\\xdead`, "true",
	} {
		p := w.file()
		p.Parent = folder.Item
		p.Name, p.MediaType, p.Checksum = name, "text/x;"+name, name
		p.Chunks = []stacksync.Chunk{w.chunk, w.chunk}
		p.Size = 2 * w.chunk.Size
		p.ModifiedAt = time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
		p.Attrs = map[string]string{name: name, "empty": ""}
		all = append(all, p)
	}
	bare := w.file()
	bare.Chunks, bare.Size = nil, 0
	return append(all, bare)
}

// commits writes through commit, and reads through the service: everything comes back as it was written.
func (w *world) commits(commit func(r stacksync.CommitRequest) stacksync.CommitResult) {
	w.t.Helper()
	want := map[stacksync.ItemID]stacksync.Item{}
	save := func(proposals ...stacksync.Proposal) {
		w.t.Helper()
		res := commit(w.request(proposals...))
		for _, o := range res.Outcomes {
			if !errors.Is(o.Err, stacksync.ErrAborted) { // which is not why
				require.NoError(w.t, o.Err)
			}
		}
		for i, o := range res.Outcomes {
			p := proposals[i]
			if !p.Delete {
				require.Equal(w.t, []any{p.Parent, p.Name, p.Kind, p.Size, p.Checksum, p.Chunks, p.MediaType, p.Attrs, p.ModifiedAt},
					[]any{o.Item.Parent, o.Item.Name, o.Item.Kind, o.Item.Size, o.Item.Checksum, o.Item.Chunks, o.Item.MediaType, o.Item.Attrs, o.Item.ModifiedAt})
			}
			want[p.Item] = *o.Item
		}
	}
	var cursor stacksync.Cursor
	for page := w.changes(""); ; page = w.changes(cursor) {
		if cursor = page.Cursor; !page.More {
			break
		}
	}
	first := w.oddProposals()
	save(first...)
	second := next(first)
	second[1].Delete = true
	save(second...)
	for _, o := range commit(w.request(first...)).Outcomes { // compares each version that was superseded
		require.NoError(w.t, o.Err)
		require.Equal(w.t, stacksync.AlreadyCommitted, o.Result)
	}

	seen := map[stacksync.ItemID]stacksync.Item{}
	for more := true; more; {
		page := w.changes(cursor)
		for _, item := range page.Items {
			seen[item.ID] = item
		}
		cursor, more = page.Cursor, page.More
	}
	require.Equal(w.t, want, seen)
	for id, item := range want {
		got, err := w.svc.GetItem(w.t.Context(), stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: id})
		require.NoError(w.t, err)
		require.Equal(w.t, item, got.Item)
	}
}

func (w *world) byService(r stacksync.CommitRequest) stacksync.CommitResult {
	w.t.Helper()
	res, err := w.svc.Commit(w.t.Context(), r)
	require.NoError(w.t, err)
	return res
}

// inTransactionOf commits in a transaction of a host that has another pool.
func (w *world) inTransactionOf(db *sql.DB) func(stacksync.CommitRequest) stacksync.CommitResult {
	return func(r stacksync.CommitRequest) stacksync.CommitResult {
		w.t.Helper()
		tx, err := db.BeginTx(w.t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		require.NoError(w.t, err)
		defer func() { _ = tx.Rollback() }()
		res, err := w.svc.CommitIn(w.t.Context(), w.store.Tx(tx), r)
		require.NoError(w.t, err)
		require.NoError(w.t, tx.Commit())
		res.Committed()
		return res.CommitResult
	}
}

// writes runs commits by each way to the database.
func (o operated) writes(t *testing.T, dsn string) {
	t.Helper()
	schema := o.server.Schema(t)
	own := newWorld(t, openStore(t, Config{DSN: dsn, Schema: schema}))
	own.commits(own.byService)
	own.commits(own.inTransactionOf(poolOf(t, dsn)))
	host := newWorld(t, openStore(t, Config{DB: poolOf(t, dsn), Schema: o.server.Schema(t)}))
	host.commits(host.byService)
}

// TestSettingsOfRoles makes those settings alone that change what travels, and then all of them, a fifth at a time.
func TestSettingsOfRoles(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	for _, s := range operators {
		if slices.Contains([]string{"array_nulls", "bytea_output", "datestyle", "search_path", "default_transaction_isolation", "transform_null_equals"}, s.name) {
			t.Run(s.name+"="+s.value, func(t *testing.T) {
				t.Parallel()
				o.writes(t, o.role(t, s))
			})
		}
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	fifths, made := make([]map[string]settingOf, 5), 0
	for i := range fifths {
		fifths[i] = map[string]settingOf{}
	}
	for _, i := range random.Perm(len(operators)) {
		s := operators[i]
		if s.since > o.version {
			continue
		}
		fifth := made % len(fifths)
		for fifths[fifth][s.name].name != "" { // it has another value there
			fifth = (fifth + 1) % len(fifths)
		}
		fifths[fifth][s.name] = s
		made++
	}
	require.GreaterOrEqual(t, made, 25)
	for n, fifth := range fifths {
		settings := slices.Collect(maps.Values(fifth))
		t.Run(fmt.Sprintf("fifth %d", n+1), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d: %v", seed, settings)
			o.writes(t, o.role(t, settings...))
		})
	}
}

// TestSettingsOfServer has in postgresql.conf what roles can't have, and what makes much of the rest.
func TestSettingsOfServer(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"small": {
			"shared_buffers": "128kB", "max_connections": "20", "superuser_reserved_connections": "1", "wal_level": "minimal", "max_wal_senders": "0",
			"max_prepared_transactions": "0", "max_worker_processes": "0", "max_parallel_workers": "0", "autovacuum": "off",
		},
		"chatty": {
			"log_min_messages": "debug1", "log_min_duration_statement": "0", "log_lock_waits": "on", "log_temp_files": "0", "track_io_timing": "on",
			"track_functions": "all", "log_duration": "on", "log_connections": "on", "bytea_output": "escape", "datestyle": "German, DMY",
		},
		"eager": {
			"autovacuum_naptime": "1s", "autovacuum_vacuum_threshold": "0", "autovacuum_vacuum_scale_factor": "0", "wal_writer_delay": "1ms",
			"bgwriter_delay": "10ms", "checkpoint_timeout": "30s", "max_wal_size": "32MB", "wal_compression": "on", "array_nulls": "off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperated(t, settings)
			o.writes(t, o.role(t))
		})
	}
}

// Functions of a schema that comes before PostgreSQL's own are not the store's.
func TestSearchPathWithOtherFunctions(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	for _, f := range []string{"hashtext(text) RETURNS int", "pg_advisory_xact_lock(int, int) RETURNS void", "current_setting(text) RETURNS text"} {
		o.server.Exec(t, "CREATE SCHEMA IF NOT EXISTS other; CREATE FUNCTION other."+f+" LANGUAGE plpgsql AS $$BEGIN RAISE 'not this one'; END$$")
	}
	o.server.Exec(t, "GRANT USAGE ON SCHEMA other TO PUBLIC")
	dsn := o.role(t, settingOf{"search_path", "other, pg_catalog", 0})
	own := newWorld(t, openStore(t, Config{DSN: dsn, Schema: o.server.Schema(t)}))
	own.commits(own.byService)
	host := newWorld(t, openStore(t, Config{DB: poolOf(t, dsn), Schema: o.server.Schema(t)}))
	host.commits(host.byService)
}
