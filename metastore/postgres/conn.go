package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgconn"
)

// preparing opens connections that have the store's settings, and keep their statements prepared.
type preparing struct {
	*pgconn.Connector
	settings          []setting
	allowAsynchronous bool
}

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
	if err := p.start(ctx, pg); err != nil {
		_ = pg.Close()
		return nil, err
	}
	return &conn{Conn: pg, plans: map[string]*plan{}}, nil
}

// start makes the settings, and sees whether the store can work there. The names are qualified, since the search path is not made yet.
func (p *preparing) start(ctx context.Context, pg *pgdriver.Conn) error {
	var made []string
	var args []driver.NamedValue
	for _, s := range p.settings {
		args = append(args, driver.NamedValue{Value: s.name}, driver.NamedValue{Value: s.value})
		made = append(made, fmt.Sprintf("pg_catalog.set_config($%d, $%d, false)", len(args)-1, len(args)))
	}
	for _, s := range later {
		if !p.has(s.name) {
			made = append(made, fmt.Sprintf("CASE WHEN pg_catalog.current_setting('server_version_num')::int OPERATOR(pg_catalog.>=) %d THEN pg_catalog.set_config('%s', '%s', false) END",
				s.version, s.name, s.value))
		}
	}
	rows, err := pg.QueryContext(ctx, "WITH made AS MATERIALIZED (SELECT "+strings.Join(made, ", ")+") SELECT "+factColumns+" FROM made", args)
	if err != nil {
		return fmt.Errorf("make the settings of a connection: %w", err)
	}
	values := make([]driver.Value, numFacts)
	err = rows.Next(values)
	if err = errors.Join(err, rows.Close()); err != nil {
		return fmt.Errorf("make the settings of a connection: %w", err)
	}
	columns := make([]string, numFacts)
	for i, v := range values {
		columns[i], _ = v.(string)
	}
	f, err := factsOf(columns)
	if err != nil {
		return err
	}
	return f.check(p.allowAsynchronous)
}

func (p *preparing) has(name string) bool {
	return slices.ContainsFunc(p.settings, func(s setting) bool { return s.name == name })
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
	// maxPlans bounds what is kept. Keys go as arrays, so that a host comes by a few dozen texts; what is beyond runs without a plan.
	maxPlans = 200
	// A plan that was made while the tables were small may be a bad one later. It is made anew after a second, and then less and
	// less often.
	firstLife, longestLife = time.Second, time.Minute
)

// prepared returns the message with EXECUTE in the place of the statement.
func (c *conn) prepared(ctx context.Context, message string, args []driver.NamedValue) (string, error) {
	if len(args) == 0 {
		return message, nil
	}
	before, statement, after := "", message, ""
	if start, rest, ok := strings.Cut(message, boundary); ok {
		before = start
		statement, after, _ = strings.Cut(rest, boundary)
	}
	p := c.plans[statement]
	now := time.Now()
	if p != nil && now.After(p.until) {
		delete(c.plans, statement)
		if _, err := c.Conn.ExecContext(ctx, "DEALLOCATE "+p.name, nil); err != nil {
			return "", c.checked(err)
		}
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
			return "", fmt.Errorf("prepare: %w", c.checked(err))
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

// checked closes a connection that is not what it was, so that the pool takes it no more.
func (c *conn) checked(err error) error {
	if pg, ok := errorOf(err); ok && stale(pg) {
		_ = c.Close()
	}
	return err
}

// stale says that the server has forgotten a prepared statement, that its plan does not fit the tables any more, or that the server
// takes no writes any more.
func stale(err pgdriver.Error) bool {
	switch err.Field('C') {
	case "26000", "25006":
		return true
	case "0A000":
		return strings.Contains(err.Field('R'), "RevalidateCachedQuery") // the routine that finds it: its message is translated
	}
	return false
}
