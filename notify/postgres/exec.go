package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/uptrace/bun/driver/pgdriver"
)

// exec runs a statement on a connection of the pool, and gives both up when ctx ends.
func exec(ctx context.Context, pool *sql.DB, query string, args ...string) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return conn.Raw(func(c any) error {
		pg, ok := c.(*pgdriver.Conn)
		if !ok {
			return fmt.Errorf("a connection is a %T, not one of pgdriver", c)
		}
		unguard := context.AfterFunc(ctx, func() { _ = pg.Close() })
		_, err := pg.ExecContext(ctx, query, values)
		if !unguard() {
			return fmt.Errorf("%w: %w", context.Cause(ctx), driver.ErrBadConn) // so that the pool takes it no more
		}
		return err
	})
}
