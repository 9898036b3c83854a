package pgtest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"
)

// DB opens a pool on the server, closed at the test's end.
func (s *Server) DB(t testing.TB) *sql.DB {
	t.Helper()
	db := s.open()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("pgtest: close a pool: %v", err)
		}
	})
	return db
}

func (s *Server) open() *sql.DB {
	return sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(s.DSN()), pgdriver.WithTimeout(patience)))
}

// Exec executes a statement on a connection of its own, and returns the number of rows it changed.
func (s *Server) Exec(t testing.TB, query string, args ...any) int64 {
	t.Helper()
	n, err := s.exec(query, args...)
	if err != nil {
		t.Fatalf("pgtest: %s: %v", query, err)
	}
	return n
}

func (s *Server) exec(query string, args ...any) (int64, error) {
	db := s.open()
	defer db.Close()
	result, err := db.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query queries on a connection of its own, and returns all rows, with each value as text and NULL as "NULL".
func (s *Server) Query(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := s.query(query, args...)
	if err != nil {
		t.Fatalf("pgtest: %s: %v", query, err)
	}
	return rows
}

func (s *Server) query(query string, args ...any) ([][]string, error) {
	db := s.open()
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i, v := range values {
			if row[i] = "NULL"; v.Valid {
				row[i] = v.String
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Terminate ends the connections of other clients to this database of which the condition holds, on the columns of
// pg_stat_activity ("application_name = 'x'"; "true" for all), and returns how many it ended. On a shared server the condition must spare
// other tests' connections. It returns when the connections are gone.
func (s *Server) Terminate(t testing.TB, where string) int {
	t.Helper()
	rows := s.Query(t, `SELECT pg_terminate_backend(pid), pid
		FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid() AND (`+where+`)`)
	var ended []string
	for _, row := range rows {
		if row[0] == "true" { // not one that ended by itself meanwhile
			ended = append(ended, row[1])
		}
	}
	// The function can wait by itself since version 14 only.
	for start := time.Now(); len(ended) > 0; time.Sleep(time.Millisecond) {
		left := s.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE pid IN ("+strings.Join(ended, ", ")+")")
		if left[0][0] == "0" {
			break
		}
		if time.Since(start) > patience {
			t.Fatalf("pgtest: %s connections that were ended are still there", left[0][0])
		}
	}
	return len(ended)
}
