package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"
)

// schema is one that this program has made, so that it may drop it.
type schema struct {
	name    string
	version string // of the server
	db      *sql.DB
}

var schemaName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`) // those the store takes; they need no more than quotes

// createSchema makes a schema of the given name, or of a new one where that is empty.
func createSchema(ctx context.Context, dsn, name string) (_ *schema, err error) {
	if name == "" {
		name = "stacksync_example_" + strings.ToLower(rand.Text()[:10])
	}
	if !schemaName.MatchString(name) {
		return nil, fmt.Errorf("the schema %q may have 1 to 63 lower-case ASCII letters, digits and underscores", name)
	}
	db, err := openPool(dsn)
	if err != nil {
		return nil, err
	}
	s := &schema{name: name, db: db}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.db.QueryRowContext(ctx, "SELECT current_setting('server_version')").Scan(&s.version); err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, `CREATE SCHEMA "`+name+`"`); err != nil {
		if pg, ok := errors.AsType[pgdriver.Error](err); ok && pg.Field('C') == "42P06" {
			return nil, fmt.Errorf("the schema %s exists already, and the one used here is dropped at the end: name another", name)
		}
		return nil, fmt.Errorf("create schema %s: %w", name, err)
	}
	return s, nil
}

// openPool connects as the store does: unless the DSN says sslmode=disable, the server must prove who it is. Errors don't have the DSN in
// them, which may hold a password.
func openPool(dsn string) (*sql.DB, error) {
	u, err := url.Parse(dsn)
	switch {
	case err != nil:
		return nil, errors.New("the DSN is not a URL")
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return nil, errors.New("the DSN does not begin with postgres://")
	case u.User != nil && u.User.Username() == "":
		return nil, errors.New("the DSN has an empty user")
	}
	query := u.Query()
	if query.Get("sslmode") != "disable" {
		query.Set("sslmode", "verify-full")
	}
	u.RawQuery = query.Encode()
	made, err := pgdriver.NewDriver().OpenConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("the DSN: %w", err) // of a parameter: the rest was parsed above
	}
	connector, ok := made.(*pgdriver.Connector)
	if !ok {
		return nil, fmt.Errorf("the driver has made a %T, not a Connector", made)
	}
	if connector.Config().Network == "unix" {
		connector.Config().TLSConfig = nil
	}
	return sql.OpenDB(connector), nil
}

// drop drops the schema, also when ctx has ended.
func (s *schema) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if _, err := s.db.ExecContext(ctx, `SET client_min_messages = warning; DROP SCHEMA "`+s.name+`" CASCADE`); err != nil {
		return fmt.Errorf("drop schema %s: %w", s.name, err)
	}
	return nil
}

func (s *schema) close() error { return s.db.Close() }
