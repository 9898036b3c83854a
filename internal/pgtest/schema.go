package pgtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Schema returns a name, unique on the server and in need of no quotes, for the test to create a schema by. At the
// test's end the schema is dropped, if there is one, with all that is in it.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	name := newSchema()
	t.Cleanup(func() {
		if s.cluster != nil && !s.cluster.isRunning() {
			return
		}
		if err := s.drop(name); err != nil {
			t.Errorf("pgtest: drop the test's schema: %v", err)
		}
	})
	return name
}

func newSchema() string { return "test_" + strings.ToLower(rand.Text()) }

// Who left a transaction open is told so, instead of a test that never ends.
const briefly = "SET LOCAL lock_timeout = '20s'; SET LOCAL client_min_messages = 'warning'; "

func (s *Server) drop(schemas ...string) error {
	var errs []error
	for _, name := range schemas {
		_, err := s.exec(briefly + "DROP SCHEMA IF EXISTS " + name + " CASCADE")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// emptied are schemas of tests that are over, without rows.
type emptied struct {
	mu    sync.Mutex
	names []string
}

func (e *emptied) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.names) == 0 {
		return ""
	}
	name := e.names[len(e.names)-1]
	e.names = e.names[:len(e.names)-1]
	return name
}

func (e *emptied) put(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.names = append(e.names, name)
}

// T is what Emptied sees of its test, or of a check of a suite.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(f func())
}

// Emptied is Schema for a test that has its schema made by migrations, and changes nothing but rows: it may return a
// schema that such a test of this package has left, with its tables, and without rows but those of bun's tables, which
// tell that the migrations were run. To make the tables, and to drop them, takes longer than most tests do.
func (s *Server) Emptied(t T) string {
	t.Helper()
	name := s.emptied.take()
	if name == "" {
		name = newSchema()
	}
	t.Cleanup(func() {
		failed, ok := t.(interface{ Failed() bool })
		if ok && !failed.Failed() && s.empty(name) == nil {
			s.emptied.put(name)
			return
		}
		if err := s.drop(name); err != nil {
			t.Errorf("pgtest: drop the test's schema: %v", err)
		}
	})
	return name
}

// empty deletes all rows of a schema, but those of bun's tables. Large tables are truncated, which takes longer than to
// delete some rows, and leaves nothing. Foreign keys are not looked at: only a superuser may do that.
func (s *Server) empty(schema string) error {
	_, err := s.exec(briefly + fmt.Sprintf(`SET LOCAL session_replication_role = replica;
		DO $$
		DECLARE
			tables text[] := ARRAY (SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = '%s' AND NOT starts_with(tablename, 'bun_'));
			name text;
		BEGIN
			IF tables = '{}' THEN
				RAISE 'there are no tables';
			END IF;
			IF (SELECT sum(pg_relation_size(t::regclass)) FROM unnest(tables) t) > 1e6 THEN
				EXECUTE 'TRUNCATE ' || array_to_string(tables, ', ');
			ELSE
				FOREACH name IN ARRAY tables LOOP
					EXECUTE 'DELETE FROM ' || name;
				END LOOP;
			END IF;
		END $$`, schema))
	return err
}
