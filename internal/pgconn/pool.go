package pgconn

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"
)

// Given returns the pool that a host has given, in Config.DB or in Config.Bun; nil where it has given Config.DSN. It wants
// exactly one of the three, and a pool that pgdriver has made.
func Given(dsn string, db *sql.DB, b *bun.DB) (*sql.DB, error) {
	given := 0
	for _, is := range []bool{dsn != "", db != nil, b != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, fmt.Errorf("exactly one of Config.DSN, Config.DB and Config.Bun is needed, not %d", given)
	case db != nil:
		return db, checkDriver("DB", db)
	case b != nil && b.DB == nil:
		return nil, errors.New("Config.Bun has no DB")
	case b != nil:
		return b.DB, checkDriver("Bun", b.DB)
	}
	return nil, nil
}

// checkDriver also refuses what makes pgdriver.NewListener panic.
func checkDriver(field string, db *sql.DB) error {
	if d, ok := db.Driver().(pgdriver.Driver); !ok || d == pgdriver.NewDriver() {
		return fmt.Errorf("the pool of Config.%s has the driver %T, and must have one of pgdriver (github.com/uptrace/bun/driver/pgdriver), opened by sql.OpenDB", field, db.Driver())
	}
	return nil
}
