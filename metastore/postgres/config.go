package postgres

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go/internal/pgconn"
)

// Config says where the database is. Exactly one of DSN, DB and Bun is needed; the rest has defaults.
type Config struct {
	// DSN is a URL as pgdriver takes it, postgres://user:password@host:port/database?… or unix://…: the store makes its own
	// connections. Parameters of a session may follow, such as statement_timeout=60000: they win over those of the server, the database
	// and the role, and over the store's own, but for those that it can't do without (see ErrSetting). TLS is used, and the server's certificate and host name are checked, whatever sslmode says, unless that
	// is disable. (The driver itself and libpq check nothing for allow, prefer and require, and no host name for verify-ca.) The
	// roots are those of the system, or the file sslrootcert. Unix sockets go without TLS. No error has the DSN in it.
	DSN string
	// DB is a pool of the host's, made by pgdriver. The store does not close it. It makes its settings in each transaction, and
	// statements are planned anew each time, so that small commits are slower than with a DSN.
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
	// StatementTimeout ends a statement that runs for longer, with an error, and LockTimeout one that waits for a single lock for
	// longer, with ErrBusy: it must be the shorter one. They are whole milliseconds, and default to 30 and 10 seconds; for a
	// DB or Bun to 8 and 5, which is within the driver's own timeout of 10 seconds. LockTimeout is at most half of StatementTimeout by default.
	StatementTimeout, LockTimeout time.Duration

	// AllowAsynchronousCommit lets the store work where synchronous_commit is off. A crash of the
	// server may then take back the commits of the last moments (three times wal_writer_delay, 0.6 s
	// by default), though they had succeeded: what is left is consistent, but devices have versions
	// and cursors that the store has lost, as after the restore of a backup: give the workspaces a
	// new epoch, as docs/scaling.md says. By default Open refuses such a database (ErrSetting), and a
	// transaction that has the setting.
	AllowAsynchronousCommit bool
}

// The defaults of Config.
const (
	defaultSchema           = "stacksync"
	defaultMaxConns         = 8
	defaultStatementTimeout = 30 * time.Second
	defaultLockTimeout      = 10 * time.Second
	hostStatementTimeout    = 8 * time.Second
	hostLockTimeout         = 5 * time.Second
)

// answerGrace is how long after StatementTimeout the server has to say so.
const answerGrace = 5 * time.Second

func (c Config) withDefaults() (Config, error) {
	if c.DSN == "" && (c.TLS != nil || c.MaxConns != 0) {
		return c, errors.New("Config.TLS and MaxConns go with Config.DSN only: a pool of the host's is as the host made it")
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
	statement, lock := defaultStatementTimeout, defaultLockTimeout
	if c.DSN == "" {
		statement, lock = hostStatementTimeout, hostLockTimeout
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = statement
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = min(lock, c.StatementTimeout/2)
	}
	for i, d := range [...]time.Duration{c.StatementTimeout, c.LockTimeout} {
		if d < time.Millisecond || d > 24*time.Hour {
			return c, fmt.Errorf("the time Config.%s is not within 1 ms to 24 h: %v", [...]string{"StatementTimeout", "LockTimeout"}[i], d)
		}
	}
	if c.LockTimeout >= c.StatementTimeout {
		return c, fmt.Errorf("the time Config.LockTimeout (%v) is not shorter than StatementTimeout (%v)", c.LockTimeout, c.StatementTimeout)
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
	connector, err := c.connector(c.StatementTimeout + answerGrace)
	if err != nil {
		return nil, false, err
	}
	pool = sql.OpenDB(connector)
	pool.SetMaxOpenConns(c.MaxConns)
	pool.SetMaxIdleConns(c.MaxConns)
	pool.SetConnMaxLifetime(connLife)
	return pool, true, nil
}

// connLife is how long a connection is used. A name that leads to another server after a failover is so looked up again.
const connLife = 10 * time.Minute

// connector makes the connections of the store's own pool. timeout is how long to wait for an answer; 0 is for ever.
func (c Config) connector(timeout time.Duration) (*preparing, error) {
	connector, err := pgconn.NewConnector(c.DSN, c.TLS, "stacksync-metastore")
	if err != nil {
		return nil, err
	}
	driver := connector.Config()
	driver.ReadTimeout, driver.WriteTimeout = timeout, timeout
	driver.EnableTracing = false
	p := &preparing{Connector: connector, allowAsynchronous: c.AllowAsynchronousCommit}
	for name, value := range driver.ConnParams {
		if !isRequired(name) {
			p.settings = append(p.settings, setting{name, fmt.Sprint(value)})
		}
	}
	for _, s := range append(c.settings(), ownSettings...) {
		if _, given := driver.ConnParams[s.name]; !given { // what the DSN says, wins
			p.settings = append(p.settings, s)
		}
	}
	p.settings = append(append(p.settings, required...), noticed)
	driver.ConnParams = nil // the driver would make them one by one
	return p, nil
}
