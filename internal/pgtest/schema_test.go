package pgtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmptied(t *testing.T) {
	t.Parallel()
	shared := Shared(t)
	given, err := openShared(shared.DSN()) // with schemas of its own
	require.NoError(t, err)
	var used []string
	use := func(t *testing.T, rows int) {
		name := given.Emptied(t)
		used = append(used, name)
		shared.Exec(t, "CREATE SCHEMA IF NOT EXISTS "+name)
		shared.Exec(t, "CREATE TABLE IF NOT EXISTS "+name+".bun_migrations (id int)")
		shared.Exec(t, "CREATE TABLE IF NOT EXISTS "+name+".parent (id int PRIMARY KEY, filler text)")
		shared.Exec(t, "CREATE TABLE IF NOT EXISTS "+name+".child (id int REFERENCES "+name+".parent)")
		require.Equal(t, [][]string{{"0", "0"}}, shared.Query(t, "SELECT (SELECT count(*) FROM "+name+".parent), (SELECT count(*) FROM "+name+".child)"))
		shared.Exec(t, "INSERT INTO "+name+".bun_migrations VALUES (1)")
		shared.Exec(t, "INSERT INTO "+name+".parent SELECT n, repeat('x', 1000) FROM generate_series(1, $1) n", rows)
		shared.Exec(t, "INSERT INTO "+name+".child SELECT id FROM "+name+".parent")
	}
	for _, rows := range []int{10, 2_000, 0} {
		t.Run("", func(t *testing.T) { use(t, rows) })
	}
	require.Equal(t, used[0], used[1])
	require.Equal(t, used[0], used[2])
	require.Equal(t, [][]string{{"3"}}, shared.Query(t, "SELECT count(*) FROM "+used[0]+".bun_migrations"), "they know what was run")

	t.Run("two at once", func(t *testing.T) {
		use(t, 0)
		use(t, 0)
		require.NotEqual(t, used[3], used[4])
	})
	t.Run("a schema that is not made is not kept", func(t *testing.T) {
		for range 3 {
			used = append(used, given.Emptied(t))
		}
	})
	require.Len(t, given.emptied.names, 2)
	require.NoError(t, given.leave())
	for _, name := range used {
		require.Equal(t, [][]string{{"0"}}, shared.Query(t, "SELECT count(*) FROM pg_namespace WHERE nspname = $1", name))
	}
}
