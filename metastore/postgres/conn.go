package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgconn"
)

// preparing opens connections that keep their statements prepared.
type preparing struct{ *pgconn.Connector }

// Connect implements driver.Connector.
func (p *preparing) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	pg, ok := raw.(*pgdriver.Conn)
	if !ok {
		_ = raw.Close()
		return nil, fmt.Errorf("the driver has made a %T, not a Conn", raw)
	}
	return &conn{Conn: pg, plans: map[string]*plan{}}, nil
}

// conn is a connection that prepares each statement with arguments: planning one takes longer than running it. It uses SQL's
// PREPARE and EXECUTE, since the driver's prepared statements can't travel in one message with BEGIN and COMMIT.
type conn struct {
	*pgdriver.Conn
	plans map[string]*plan
	made  int
}

// plan is a prepared statement, and how long it is used.
type plan struct {
	name  string
	until time.Time
	life  time.Duration
}

const (
	// maxPlans bounds what is kept. There are fewer texts, since keys go as arrays: it guards against a mistake.
	maxPlans = 200
	// A plan that was made while the tables were small may be a bad one later. It is made anew after a second, and then less and
	// less often.
	firstLife, longestLife = time.Second, time.Minute
)

// separator is between statements that go in one message.
const separator = "; "

// parts splits a message into what goes before and after the statement that has the arguments.
func parts(message string) (before, statement, after string) {
	statement = message
	if strings.HasPrefix(statement, begin) || strings.HasPrefix(statement, beginRO) {
		i := strings.Index(statement, separator)
		if i < 0 {
			return message, "", ""
		}
		i += len(separator)
		if strings.HasPrefix(statement[i:], setLocal) {
			i += strings.Index(statement[i:], separator) + len(separator)
		}
		before, statement = statement[:i], statement[i:]
	}
	if body, ok := strings.CutSuffix(statement, separator+commit); ok {
		statement, after = body, separator+commit
	}
	return before, statement, after
}

// prepared returns the message with EXECUTE in the place of the statement.
func (c *conn) prepared(ctx context.Context, message string, args []driver.NamedValue) (string, error) {
	if len(args) == 0 {
		return message, nil
	}
	before, statement, after := parts(message)
	p := c.plans[statement]
	now := time.Now()
	if p != nil && now.After(p.until) {
		if _, err := c.Conn.ExecContext(ctx, "DEALLOCATE "+p.name, nil); err != nil {
			return "", err
		}
		delete(c.plans, statement)
	}
	if p == nil && len(c.plans) >= maxPlans {
		return message, nil
	}
	if c.plans[statement] == nil {
		life := firstLife
		if p != nil {
			life = min(2*p.life, longestLife)
		}
		c.made++
		p = &plan{name: "stacksync_" + strconv.Itoa(c.made), until: now.Add(life), life: life}
		if _, err := c.Conn.ExecContext(ctx, "PREPARE "+p.name+" AS "+statement, nil); err != nil {
			return "", fmt.Errorf("prepare: %w", err)
		}
		c.plans[statement] = p
	}
	b := append(make([]byte, 0, len(before)+len(after)+len(p.name)+10+5*len(args)), before...)
	b = append(append(b, "EXECUTE "...), p.name...)
	for i := range args {
		b = append(b, " ,"[min(i, 1)])
		if i == 0 {
			b = append(b, '(')
		}
		b = strconv.AppendInt(append(b, '$'), int64(i+1), 10)
	}
	return string(append(append(b, ')'), after...)), nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	res, err := c.Conn.ExecContext(ctx, query, args)
	return res, c.checked(err)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	query, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	rows, err := c.Conn.QueryContext(ctx, query, args)
	return rows, c.checked(err)
}

// checked closes a connection whose prepared statements are not what they should be, so that the pool takes it no more.
func (c *conn) checked(err error) error {
	if pg, ok := errors.AsType[pgdriver.Error](err); ok && stale(pg) {
		_ = c.Close()
	}
	return err
}

// stale says that the server has forgotten a prepared statement, or that its plan does not fit the tables any more.
func stale(err pgdriver.Error) bool {
	return err.Field('C') == "26000" || err.Field('C') == "0A000"
}
