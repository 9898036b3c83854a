package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrSetting says that a server, a database, a role or a transaction has a setting with which the store can't work, and which it can't
	// change by itself: a *SettingError names it. Open returns it, and so do transactions where a setting was made later.
	//
	// What can be changed is no error: on its own connections the store makes its settings itself, whatever a database or a role has, in
	// a host's pool for each of its transactions, and in a transaction of the host's until that ends (bytea_output and array_nulls).
	ErrSetting = errors.New("the database has a setting that the store can't work with")
	// ErrStandby says that a server takes no writes, since it follows another one.
	ErrStandby = errors.New("the server is a standby")
)

// SettingError names the setting that is in the way. It is an ErrSetting.
type SettingError struct {
	Setting string // as PostgreSQL calls it
	Value   string // as it is
	Reason  string // what the store needs, and what can be done
}

// Error implements error.
func (e *SettingError) Error() string {
	return fmt.Sprintf("%v: %s is %s: %s", ErrSetting, e.Setting, e.Value, e.Reason)
}

// Unwrap returns ErrSetting.
func (e *SettingError) Unwrap() error { return ErrSetting }

// setting is a parameter of a session.
type setting struct{ name, value string }

// setLocal returns the statement that makes a setting for the transaction.
func (s setting) setLocal() string { return "SET LOCAL " + s.name + " = '" + s.value + "'" }

// required are the settings that the store can't do without. They are made last, and nobody's choice.
var required = []setting{
	{"bytea_output", "hex"},       // the driver reads no other format: what was saved could not be read again
	{"array_nulls", "on"},         // rows travel as arrays, in which NULL is none otherwise
	{"search_path", "pg_catalog"}, // functions and operators are PostgreSQL's, whatever others in a schema are called like them
}

// ownSettings are made on the store's own connections, beside those that its transactions need in a host's pool, too.
var ownSettings = []setting{
	{"datestyle", "ISO, MDY"}, // the driver reads no other: migrations are kept with their time
	// Load and Changes are statements without BEGIN. SERIALIZABLE they could fail, and wait for others where deferrable.
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_deferrable", "off"},
}

// noticed is required on the store's own connections: a warning tells of a COMMIT that no standby has, and what is less costs time.
var noticed = setting{"client_min_messages", "warning"}

// later are settings that came with a version of the server, which refuses them before.
var later = []struct {
	version int
	setting
	session bool // it concerns connections that rest, not transactions
}{
	// The pool keeps its connections. Each that the server had ended would cost an attempt.
	{140000, setting{"idle_session_timeout", "0"}, true},
	// Each statement of a transaction, and the wait between two, is bounded already. This would end a wait for a lock that is told to
	// last for longer, and the connection.
	{170000, setting{"transaction_timeout", "0"}, false},
}

func isRequired(name string) bool {
	for _, s := range append([]setting{{"standard_conforming_strings", ""}, {"client_encoding", ""}, noticed}, required...) {
		if strings.EqualFold(name, s.name) {
			return true
		}
	}
	return false
}

// settings are those that transactions need, apart from the required ones.
func (c Config) settings() []setting {
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return []setting{
		{"statement_timeout", millis(c.StatementTimeout)},
		{"lock_timeout", millis(c.LockTimeout)},
		// A transaction is a handful of statements: one that waits for its client for so long has none any more.
		{"idle_in_transaction_session_timeout", millis(c.StatementTimeout)},
		// All statements look up by key. Left to itself the planner takes a workspace's revisions for independent of its other
		// columns, and now and then a parallel scan or a sequential one for the better plan; and before tables were analyzed
		// it joins each level of a tree with all items.
		{"max_parallel_workers_per_gather", "0"},
		{"enable_seqscan", "off"}, {"enable_hashjoin", "off"}, {"enable_mergejoin", "off"}, {"jit", "off"},
		{"enable_nestloop", "on"}, {"enable_indexscan", "on"}, {"enable_indexonlyscan", "on"}, {"enable_bitmapscan", "on"},
		{"plan_cache_mode", "force_generic_plan"},
	}
}

// inTransaction returns the statements that make the settings of a transaction in a host's pool.
func (c Config) inTransaction(serverVersion int) []string {
	var all []string
	for _, s := range append(c.settings(), required...) {
		all = append(all, s.setLocal())
	}
	for _, s := range later {
		if serverVersion >= s.version && !s.session {
			all = append(all, s.setLocal())
		}
	}
	return all
}

// facts are what a server says of itself, and of a session's settings.
type facts struct {
	version                                int
	standby                                bool
	serverEncoding, clientEncoding         string
	conformingStrings, readOnly, syncLevel string
}

// factColumns are what a SELECT finds the facts by, each as text.
const factColumns = "pg_catalog.current_setting('server_version_num'), pg_catalog.pg_is_in_recovery()::text, pg_catalog.current_setting('server_encoding'), " +
	"pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('standard_conforming_strings'), " +
	"pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.current_setting('synchronous_commit')"

const numFacts = 7

// factsOf reads the columns.
func factsOf(columns []string) (facts, error) {
	version, err := strconv.Atoi(columns[0])
	if err != nil {
		return facts{}, fmt.Errorf("read the server's version: %w", err)
	}
	return facts{version, columns[1] == "true", columns[2], columns[3], columns[4], columns[5], columns[6]}, nil
}

// check returns an error unless the store can work there.
func (f facts) check(allowAsynchronous bool) error {
	switch {
	case f.version < 130000:
		return fmt.Errorf("%w: this is version %d", ErrServerVersion, f.version/10000)
	case f.standby:
		return ErrStandby
	case f.serverEncoding != "UTF8" && f.serverEncoding != "SQL_ASCII": // which takes all bytes as they are
		return &SettingError{"server_encoding", f.serverEncoding,
			"names of files may have any character: the database must be made with ENCODING 'UTF8'"}
	case f.readOnly != "off":
		return &SettingError{"default_transaction_read_only", f.readOnly, "the store writes; the server, the database or the role must have it off"}
	}
	return checkSession(f.clientEncoding, f.conformingStrings, f.syncLevel, allowAsynchronous)
}

// checkSession returns an error where a session has settings that the store can't change in a transaction.
func checkSession(clientEncoding, conformingStrings, syncLevel string, allowAsynchronous bool) error {
	switch {
	case clientEncoding != "UTF8":
		return &SettingError{"client_encoding", clientEncoding, "the driver writes UTF8; the host's pool must have it so"}
	case conformingStrings != "on":
		return &SettingError{"standard_conforming_strings", conformingStrings, "the driver writes texts as if it were on; the host's pool must have it so"}
	case syncLevel == "off" && !allowAsynchronous:
		return &SettingError{"synchronous_commit", syncLevel,
			"a crash of the server could take back commits that have succeeded; turn it on, or set Config.AllowAsynchronousCommit"}
	}
	return nil
}

// hostTx is a transaction of the host's. Before its first statement it makes the settings that the store can't do without, and refuses
// the transaction where it can't. The check is a statement of its own, as an answer that is not in hex leaves the driver's connection broken.
type hostTx struct {
	*sql.Tx
	allowAsynchronous bool
	checked           bool
}

func (h *hostTx) check(ctx context.Context) error {
	if h.checked {
		return nil
	}
	var clientEncoding, conformingStrings, syncLevel, set string
	// The search path stays the host's, whose statements may follow.
	err := h.Tx.QueryRowContext(ctx, "SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('synchronous_commit'), "+
		"pg_catalog.set_config('bytea_output', 'hex', true) || pg_catalog.set_config('array_nulls', 'on', true)").Scan(&clientEncoding, &conformingStrings, &syncLevel, &set)
	if err != nil {
		return fmt.Errorf("look at the settings of the host's transaction: %w", err)
	}
	if err := checkSession(clientEncoding, conformingStrings, syncLevel, h.allowAsynchronous); err != nil {
		return fmt.Errorf("the host's transaction: %w", err)
	}
	h.checked = true
	return nil
}

// QueryContext implements sqlstore.Conn.
func (h *hostTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	return h.Tx.QueryContext(ctx, query, args...)
}

// ExecContext implements sqlstore.Conn.
func (h *hostTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	return h.Tx.ExecContext(ctx, query, args...)
}
