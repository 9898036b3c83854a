package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// connector opens connections that keep their statements prepared.
type connector struct{ driver.Connector }

func newConnector(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", dsn, err)
	}
	return connector{c}, nil
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := raw.(rawConn)
	if !ok {
		_ = raw.Close()
		return nil, fmt.Errorf("the driver's %T lacks what this package needs of it", raw)
	}
	return &conn{rawConn: full, stmts: map[string]stmt{}}, nil
}

// rawConn is what a connection of the driver can do.
type rawConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	IsReadOnly(schema string) (bool, error)
}

// conn is a connection that prepares each statement with arguments once: planning one takes longer than running it.
// database/sql's own Stmt can't do that here, since it prepares on a connection of its own choice: while a transaction
// has the only one of the writer, it would wait for ever.
type conn struct {
	rawConn
	stmts map[string]stmt
}

// stmt is what a prepared statement of the driver can do.
type stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// maxStmts is far above the number of statements with arguments that there are. It guards against a mistake.
const maxStmts = 500

// stmt returns a prepared statement; nil where it should run without. The one returned before is not in use any more:
// package sqlstore runs each to its end.
func (c *conn) stmt(ctx context.Context, query string, args []driver.NamedValue) (stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if len(args) == 0 || len(c.stmts) >= maxStmts {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(stmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's %T lacks what this package needs of it", prepared), prepared.Close())
	}
	c.stmts[query] = s
	return s, nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.stmt(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.rawConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.stmt(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.rawConn.QueryContext(ctx, query, args)
	}
	return s.QueryContext(ctx, args)
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.rawConn.Close())...)
}
