package postgres

import (
	"crypto/tls"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	config := fresh(t, pgtest.Shared(t))
	var all sync.WaitGroup
	for n := range 10 {
		all.Go(func() {
			store, err := Open(t.Context(), config)
			if !assert.NoError(t, err) {
				return
			}
			assert.NoError(t, put(t.Context(), store, account(n)))
			assert.NoError(t, store.Close())
		})
	}
	all.Wait()
	requireAccounts(t, config, 10)
}

func requireAccounts(t *testing.T, config Config, n int) {
	t.Helper()
	require.Len(t, pgtest.Shared(t).Query(t, "SELECT id FROM "+config.Schema+".users"), n)
}

// childOf names the variable that makes this program the child of a test: it holds the DSN and the schema.
const childOf = "STACKSYNC_POSTGRES_TEST_CHILD"

func TestProcessesOpenAtOnce(t *testing.T) {
	t.Parallel()
	if dsn, schema, ok := strings.Cut(os.Getenv(childOf), " "); ok {
		require.NoError(t, put(t.Context(), openStore(t, Config{DSN: dsn, Schema: schema}), account(os.Getpid())))
		return
	}
	config := fresh(t, pgtest.Shared(t))
	self, err := os.Executable()
	require.NoError(t, err)
	const processes = 10
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), childOf+"="+config.DSN+" "+config.Schema)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	all.Wait()
	requireAccounts(t, config, processes)
}

const secret = "hunter2"

// withPassword gives a DSN a password, and changes what else it says.
func withPassword(t *testing.T, dsn string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.User = url.UserPassword(u.User.Username(), secret)
	change(u)
	return u.String()
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	pool := hostPool(server.DSN())
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	other := sql.OpenDB(lent{})
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	dsn := withPassword(t, server.DSN(), func(*url.URL) {})
	schema := func(name string) Config { return Config{DSN: dsn, Schema: name} }
	for name, c := range map[string]struct {
		config Config
		reason string
	}{
		"nothing":                  {Config{}, "Config.DSN"},
		"two pools":                {Config{DSN: dsn, DB: pool}, "exactly one"},
		"a bun.DB of nothing":      {Config{Bun: bun.NewDB(nil, pgdialect.New())}, "Config.Bun"},
		"another driver":           {Config{DB: other}, "Config.DB"},
		"a lock for longer":        {Config{DSN: dsn, LockTimeout: time.Second, StatementTimeout: time.Second}, "LockTimeout"},
		"MaxConns":                 {Config{DSN: dsn, MaxConns: -1}, "Config.MaxConns"},
		"StatementTimeout":         {Config{DSN: dsn, StatementTimeout: -1}, "Config.StatementTimeout"},
		"LockTimeout":              {Config{DSN: dsn, LockTimeout: time.Microsecond}, "Config.LockTimeout"},
		"schema: upper case":       {schema("Stack"), "Config.Schema"},
		"schema: quote":            {schema(`a"b`), "Config.Schema"},
		"schema: statement":        {schema("a; DROP TABLE x"), "Config.Schema"},
		"schema: literal":          {schema("a'b"), "Config.Schema"},
		"schema: dot":              {schema("a.b"), "Config.Schema"},
		"schema: NUL":              {schema("a\x00"), "Config.Schema"},
		"schema: not ASCII":        {schema("dié"), "Config.Schema"},
		"schema: too long":         {schema(strings.Repeat("a", 64)), "Config.Schema"},
		"no URL":                   {Config{DSN: "host=x password=" + secret}, "Config.DSN"},
		"unparsable":               {Config{DSN: "postgres://u:" + secret + "@h:x/%zz"}, "Config.DSN"},
		"another scheme":           {Config{DSN: "mysql://u:" + secret + "@h/d"}, "Config.DSN"},
		"sslmode":                  {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.RawQuery = "sslmode=maybe" })}, "sslmode"},
		"TLS and sslmode=disable":  {Config{DSN: dsn, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}, "Config.TLS"},
		"another database":         {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.Path = "/none" })}, "none"},
		"another user":             {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.User = url.UserPassword("nobody", secret) })}, "nobody"},
		"another port":             {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.Host = "127.0.0.1:1" })}, "refused"},
		"a plain server":           {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.RawQuery = "" })}, "SSL"},
		"a plain server, required": {Config{DSN: withPassword(t, dsn, func(u *url.URL) { u.RawQuery = "sslmode=require" })}, "SSL"},
		"a parameter":              {Config{DSN: dsn + "&no_such_parameter=1"}, "no_such_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.config.Schema == "" {
				c.config.Schema = server.Schema(t)
			}
			_, err := Open(t.Context(), c.config)
			require.ErrorContains(t, err, c.reason)
			require.NotContains(t, err.Error(), secret)
			err = Rollback(t.Context(), c.config)
			require.ErrorContains(t, err, c.reason)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"password_encryption": "scram-sha-256"}})
	server.Exec(t, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
	hba := server.Query(t, "SHOW hba_file")[0][0]
	require.NoError(t, os.WriteFile(hba, []byte("host all guarded all scram-sha-256\nhost all all all trust\n"), 0o600))
	server.Query(t, "SELECT pg_reload_conf()")
	dsn := func(password string) string {
		return withPassword(t, server.DSN(), func(u *url.URL) { u.User = url.UserPassword("guarded", password) })
	}
	require.Eventually(t, func() bool {
		_, err := Open(t.Context(), Config{DSN: dsn(secret), Schema: "guarded"})
		require.Error(t, err, "the role may make no schema, whatever its password")
		require.NotContains(t, err.Error(), secret)
		return strings.Contains(err.Error(), "password authentication failed")
	}, time.Minute, time.Millisecond)

	// A role without rights on the database, in a schema that was made for it.
	_, err := Open(t.Context(), Config{DSN: dsn("right"), Schema: "guarded"})
	require.ErrorContains(t, err, "permission denied")
	server.Exec(t, "CREATE SCHEMA guarded AUTHORIZATION guarded")
	w := newWorld(t, openStore(t, Config{DSN: dsn("right"), Schema: "guarded"}))
	w.commit(w.file())
}

func TestSchemasAreIndependent(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	one, two := fresh(t, server), fresh(t, server)
	a, b := openStore(t, one), openStore(t, two)
	require.NoError(t, put(t.Context(), a, account(1)))
	require.NoError(t, put(t.Context(), b, account(2)))
	require.Len(t, users(t, a, "user-1", "user-2"), 1)
	require.Len(t, users(t, b, "user-1", "user-2"), 1)
	require.NoError(t, a.Close())
	require.NoError(t, Rollback(t.Context(), one))
	require.Len(t, users(t, b, "user-2"), 1)
}

// A name that SQL gives a meaning to, and the longest one.
func TestOddSchemas(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	for _, name := range []string{"select", "user", "1st", "_", strings.Repeat("x", 63)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { server.Exec(t, `SET client_min_messages = warning; DROP SCHEMA IF EXISTS "`+name+`" CASCADE`) })
			w := newWorld(t, openStore(t, Config{DSN: server.DSN(), Schema: name}))
			w.commit(w.file())
			require.Len(t, w.changes("").Items, 1)
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{TLS: true})
	with := func(change func(u *url.URL, q url.Values)) string {
		u, err := url.Parse(server.DSN())
		require.NoError(t, err)
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	noCA := func(_ *url.URL, q url.Values) { q.Del("sslrootcert") }
	// Another name of the same machine, which the certificate does not have.
	elsewhere := func(u *url.URL, _ url.Values) { u.Host = strings.Replace(u.Host, "127.0.0.1", "0.0.0.0", 1) }
	trusting := &tls.Config{RootCAs: server.CA(), MinVersion: tls.VersionTLS12}
	for name, c := range map[string]struct {
		config Config
		reason string // "" where it connects
	}{
		"a file of roots":          {Config{DSN: server.DSN()}, ""},
		"Config.TLS":               {Config{DSN: with(noCA), TLS: trusting}, ""},
		"sslmode=require":          {Config{DSN: with(func(_ *url.URL, q url.Values) { q.Set("sslmode", "require") })}, ""},
		"no roots":                 {Config{DSN: with(noCA)}, "certificate"},
		"no roots, require":        {Config{DSN: with(func(u *url.URL, q url.Values) { noCA(u, q); q.Set("sslmode", "require") })}, "certificate"},
		"no roots, prefer":         {Config{DSN: with(func(u *url.URL, q url.Values) { noCA(u, q); q.Set("sslmode", "prefer") })}, "certificate"},
		"another host":             {Config{DSN: with(elsewhere)}, "certificate"},
		"another host, verify-ca":  {Config{DSN: with(func(u *url.URL, q url.Values) { elsewhere(u, q); q.Set("sslmode", "verify-ca") })}, "certificate"},
		"another host, Config.TLS": {Config{DSN: with(elsewhere), TLS: trusting}, "certificate"},
		"disabled":                 {Config{DSN: with(func(_ *url.URL, q url.Values) { q.Set("sslmode", "disable"); q.Del("sslrootcert") })}, "no pg_hba.conf entry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Schema = fmt.Sprintf("s%x", name)
			store, err := Open(t.Context(), c.config)
			if c.reason != "" {
				require.ErrorContains(t, err, c.reason)
				return
			}
			require.NoError(t, err)
			require.NoError(t, store.Close())
		})
	}
}
