package postgres

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go/internal/pgconn"
)

// Config says where the database is. Exactly one of DSN, DB and Bun is needed; the rest has defaults.
type Config struct {
	// DSN is a URL as pgdriver takes it, postgres://user:password@host:port/database?… or unix://…: the store makes its own
	// connections. TLS is used, and the server's certificate and host name are checked, whatever sslmode says, unless that
	// is disable. (The driver itself and libpq check nothing for allow, prefer and require, and no host name for verify-ca.) The
	// roots are those of the system, or the file sslrootcert. Unix sockets go without TLS. No error has the DSN in it.
	DSN string
	// DB is a pool of the host's, made by pgdriver. The store does not close it. Its sizes and timeouts are the host's
	// affair; how statements are planned, the store says in each transaction. Statements are then not kept prepared, which costs about half as much again for small commits.
	DB *sql.DB
	// Bun is as DB.
	Bun *bun.DB

	// Schema is the one that the tables are in, made where it is missing: 1 to 63 lower-case ASCII letters, digits and
	// underscores. Defaults to "stacksync".
	Schema string

	// TLS replaces what the DSN says about certificates, for a DSN without sslmode=disable. An empty ServerName is the host of
	// the DSN.
	TLS *tls.Config
	// MaxConns is how many connections are open at most; they stay open. About 8 serve more than 64 do, unless the database
	// is far away. For a DSN; defaults to 8.
	MaxConns int
	// StatementTimeout ends a statement that runs for longer, with an error, and LockTimeout one that waits for a lock for
	// longer, with ErrBusy. They are whole milliseconds. For a DSN; they default to 30 and 10 seconds.
	StatementTimeout, LockTimeout time.Duration
}

// The defaults of Config.
const (
	defaultSchema           = "stacksync"
	defaultMaxConns         = 8
	defaultStatementTimeout = 30 * time.Second
	defaultLockTimeout      = 10 * time.Second
)

// answerGrace is how long after StatementTimeout the server has to say so.
const answerGrace = 5 * time.Second

func (c Config) withDefaults() (Config, error) {
	if c.DSN == "" && (c.TLS != nil || c.MaxConns != 0 || c.StatementTimeout != 0 || c.LockTimeout != 0) {
		return c, errors.New("Config.TLS, MaxConns, StatementTimeout and LockTimeout go with Config.DSN only: a pool of the host's is as the host made it")
	}
	if c.Schema == "" {
		c.Schema = defaultSchema
	}
	if err := checkSchema(c.Schema); err != nil {
		return c, err
	}
	if c.MaxConns < 0 {
		return c, fmt.Errorf("Config.MaxConns is negative: %d", c.MaxConns)
	}
	if c.MaxConns == 0 {
		c.MaxConns = defaultMaxConns
	}
	for _, t := range []struct {
		name     string
		field    *time.Duration
		standard time.Duration
	}{{"StatementTimeout", &c.StatementTimeout, defaultStatementTimeout}, {"LockTimeout", &c.LockTimeout, defaultLockTimeout}} {
		if *t.field == 0 {
			*t.field = t.standard
		}
		if *t.field < time.Millisecond || *t.field > 24*time.Hour {
			return c, fmt.Errorf("the time Config.%s is not within 1 ms to 24 h: %v", t.name, *t.field)
		}
	}
	return c, nil
}

func checkSchema(name string) error {
	if len(name) > 63 {
		return fmt.Errorf("Config.Schema has %d bytes, and may have 63", len(name))
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_':
		default:
			return fmt.Errorf("Config.Schema %q may have lower-case ASCII letters, digits and underscores only", name)
		}
	}
	return nil
}

// pool returns the pool that the store uses, and whether it was made here.
func (c Config) pool() (pool *sql.DB, owned bool, err error) {
	pool, err = pgconn.Given(c.DSN, c.DB, c.Bun)
	if err != nil || pool != nil {
		return pool, false, err
	}
	connector, err := pgconn.NewConnector(c.DSN, c.TLS, "stacksync-metastore")
	if err != nil {
		return nil, false, err
	}
	driver := connector.Config()
	driver.ConnParams = c.session(driver.ConnParams)
	driver.ReadTimeout = c.StatementTimeout + answerGrace
	driver.EnableTracing = false
	pool = sql.OpenDB(&preparing{connector})
	pool.SetMaxOpenConns(c.MaxConns)
	pool.SetMaxIdleConns(c.MaxConns)
	return pool, true, nil
}

// session returns the settings of each connection. What the DSN says wins.
func (c Config) session(given map[string]any) map[string]any {
	params := map[string]any{
		"statement_timeout": c.StatementTimeout.Milliseconds(),
		"lock_timeout":      c.LockTimeout.Milliseconds(),
		// A transaction is a handful of statements: one that waits for its client for so long has none any more.
		"idle_in_transaction_session_timeout": c.StatementTimeout.Milliseconds(),
		// A statement that was planned while the tables were small would keep its plan, if it were not a general one.
		"plan_cache_mode": "force_generic_plan",
	}
	for _, name := range planning {
		params[name] = "off"
	}
	params["max_parallel_workers_per_gather"] = "0"
	maps.Copy(params, given)
	return params
}

// planning are what the planner is to leave: all statements look up by key. Left to itself it takes a workspace's revisions for
// independent of its other columns, and now and then a parallel scan or a sequential one for the better plan; and
// before tables were analyzed it joins each level of a tree with all items.
var planning = [...]string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"}

// localSettings make the same settings for a transaction, on a connection that the host has made.
func localSettings() []string {
	settings := []string{setLocal + "max_parallel_workers_per_gather = 0"}
	for _, name := range planning {
		settings = append(settings, setLocal+name+" = off")
	}
	return settings
}
