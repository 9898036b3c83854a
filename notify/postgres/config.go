package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgconn"
)

// Config says how to reach the database. Exactly one of DSN, DB and Bun is needed; the rest has defaults. All of them must
// lead to the same database: a channel is of one database, not of a server.
type Config struct {
	// DSN is a URL as pgdriver takes it, postgres://user:password@host:port/database?… or unix://…: the notifier makes its own
	// connections, at most three. TLS is used, and the server's certificate and host name are checked, whatever sslmode
	// says, unless that is disable. (The driver itself checks nothing without sslmode, nor for allow, prefer and require, and no
	// host name for verify-ca.) The roots are those of the system, or the file sslrootcert. Unix sockets go without TLS.
	// Neither errors nor the log have the DSN in them.
	DSN string
	// DB is a pool of the host's, made by pgdriver. The notifier sends through it, and connects as it does for the
	// connection that listens, which is beside the pool. The notifier does not close it.
	DB *sql.DB
	// Bun is as DB.
	Bun *bun.DB

	// TLS replaces what the DSN says about certificates; it is an error with sslmode=disable. An empty ServerName is the host of
	// the DSN. Nil for a DB or Bun, whose connections are as the host has configured them.
	TLS *tls.Config
	// Channel is what notifiers that hear each other have in common, in one database. 1 to 63 ASCII letters, digits,
	// underscores, hyphens and dots. Defaults to "stacksync".
	Channel string
	// Logger hears of lost and recovered connections. Defaults to none.
	Logger *slog.Logger
	// PingInterval is how long the connection that listens may be silent before it is checked: a hint to itself must come
	// back within as long again, but at most 5 seconds. Defaults to 15 seconds.
	PingInterval time.Duration
}

// applicationName is what pg_stat_activity shows, unless the DSN has a name.
const applicationName = "stacksync-notify"

// The defaults of Config.
const (
	defaultChannel      = "stacksync"
	defaultPingInterval = 15 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.TLS != nil && c.DSN == "":
		return c, errors.New("Config.TLS goes with Config.DSN only: the connections of a DB are as its host configured them")
	case c.PingInterval < 0:
		return c, fmt.Errorf("Config.PingInterval is negative: %v", c.PingInterval)
	}
	if c.Channel == "" {
		c.Channel = defaultChannel
	}
	if err := checkChannel(c.Channel); err != nil {
		return c, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.PingInterval == 0 {
		c.PingInterval = defaultPingInterval
	}
	return c, nil
}

// checkChannel refuses what PostgreSQL would cut off, and what the driver would quote in a way that is not SQL's.
func checkChannel(name string) error {
	if len(name) > 63 {
		return fmt.Errorf("Config.Channel has %d bytes, and may have 63", len(name))
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-', r == '.':
		default:
			return fmt.Errorf("Config.Channel %q may have ASCII letters, digits, underscores, hyphens and dots only", name)
		}
	}
	return nil
}

// database is where hints go through.
type database struct {
	pool     *sql.DB          // sends
	listener *bun.DB          // says how to connect the listener; nothing is sent through it
	config   *pgdriver.Config // of the listener's connections; nil where the pool is the host's
}

func openDatabase(c Config) (database, error) {
	pool, err := pgconn.Given(c.DSN, c.DB, c.Bun)
	switch {
	case err != nil:
		return database{}, err
	case pool != nil:
		return database{pool: pool, listener: bun.NewDB(pool, pgdialect.New())}, nil
	}
	connector, err := pgconn.NewConnector(c.DSN, c.TLS, applicationName)
	if err != nil {
		return database{}, err
	}
	pool = sql.OpenDB(connector)
	pool.SetMaxOpenConns(2) // one for hints, one for probes
	config := *connector.Config()
	config.ConnParams = maps.Clone(config.ConnParams)
	listener := pgdriver.NewConnector(pgdriver.WithConfig(&config))
	return database{pool: pool, listener: bun.NewDB(sql.OpenDB(listener), pgdialect.New()), config: listener.Config()}, nil
}

// idleTimeout is the setting by which a server ends connections that send nothing, as those that listen do.
const idleTimeout = "idle_session_timeout"

// stayConnected turns idleTimeout off for the next connection that listens, unless the DSN has it. Servers before version 14 refuse
// the setting, so it is asked for first. A host's connections are as the host configured them.
func (d database) stayConnected(ctx context.Context) error {
	if d.config == nil || d.config.ConnParams[idleTimeout] != nil {
		return nil
	}
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop, err := pgconn.Guard(ctx, conn)
	if err != nil {
		return err
	}
	defer stop()
	var timeout sql.NullString
	if err := conn.QueryRowContext(ctx, "SELECT pg_catalog.current_setting($1, true)", idleTimeout).Scan(&timeout); err != nil {
		return fmt.Errorf("ask for %s: %w", idleTimeout, err)
	}
	if timeout.Valid {
		if d.config.ConnParams == nil {
			d.config.ConnParams = map[string]any{}
		}
		d.config.ConnParams[idleTimeout] = "0"
	}
	return nil
}

// close ends the connections that were made here. What a socket says about that is of no use to anybody.
func (d database) close() {
	if d.config != nil {
		_ = d.pool.Close()
		_ = d.listener.Close()
	}
}
