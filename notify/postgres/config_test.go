package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// foreignDriver is a database's that is not pgdriver's.
type foreignDriver struct{ driver driver.Driver }

func (d foreignDriver) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("foreign")
}
func (d foreignDriver) Driver() driver.Driver            { return d.driver }
func (d foreignDriver) Open(string) (driver.Conn, error) { return nil, errors.New("foreign") }

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	ours := sql.OpenDB(pgdriver.NewConnector())
	foreign, unconnected := sql.OpenDB(foreignDriver{foreignDriver{}}), sql.OpenDB(foreignDriver{pgdriver.NewDriver()})
	for _, db := range []*sql.DB{ours, foreign, unconnected} {
		t.Cleanup(func() { require.NoError(t, db.Close()) })
	}
	const dsn = "postgres://localhost/x?sslmode=disable"
	for want, c := range map[string]Config{
		"not 0":                       {},
		"not 2":                       {DSN: dsn, DB: ours},
		"not 3":                       {DSN: dsn, DB: ours, Bun: bun.NewDB(ours, pgdialect.New())},
		"Config.DB has the driver":    {DB: foreign},
		"Config.Bun has the driver":   {Bun: bun.NewDB(unconnected, pgdialect.New())},
		"Config.TLS goes with":        {DB: ours, TLS: &tls.Config{}},
		"but Config.DSN says sslmode": {DSN: dsn, TLS: &tls.Config{}},
		"PingInterval is negative":    {DSN: dsn, PingInterval: -time.Second},
		"64 bytes":                    {DSN: dsn, Channel: strings.Repeat("c", 64)},
		"ASCII letters":               {DSN: dsn, Channel: `a"; DROP TABLE users; --`},
		"Channel \"ä\" may have":      {DSN: dsn, Channel: "ä"},
	} {
		n, err := Open(t.Context(), c)
		require.ErrorContains(t, err, want)
		assert.Nil(t, n)
	}
}

func TestErrorsDoNotTellThePassword(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, dsn := range []string{
		"postgres://anna:" + secret + "%@localhost/x", "postgres://anna:a/" + secret + "@localhost/x", "postgres://anna:" + secret + " @local host/x",
		"postgres://anna:" + secret + "@localhost:port/x", secret, "host=localhost password=" + secret, "mysql://anna:" + secret + "@localhost/x",
		"unix://anna:" + secret + "@x", "postgres://:" + secret + "@localhost/x", "postgres://anna:" + secret + "@localhost/x?sslmode=maybe",
		"postgres://anna:" + secret + "@localhost/x?sslrootcert=nowhere.pem", "postgres://anna:" + secret + "@localhost/x?read_timeout=long",
		"postgres://anna:" + secret + "@127.0.0.1:1/x", "postgres://anna:" + secret + "@127.0.0.1:1/x?sslmode=disable",
	} {
		_, err := Open(t.Context(), Config{DSN: dsn})
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), secret)
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{TLS: true})
	base, _, _ := strings.Cut(server.DSN(), "?")
	roots := "sslrootcert=" + server.CAFile()

	for _, c := range []Config{
		{DSN: server.DSN()},
		{DSN: base + "?" + roots},
		{DSN: base + "?sslmode=require&" + roots},
		{DSN: base + "?sslmode=verify-ca&" + roots},
		{DSN: base + "?sslmode=prefer", TLS: &tls.Config{RootCAs: server.CA()}},
	} {
		n := open(t, c)
		require.NoError(t, publish(t.Context(), n, hint("a", 1)), c.DSN)
	}
	for _, query := range []string{"", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=verify-full"} {
		_, err := Open(t.Context(), Config{DSN: base + query})
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown, query)
	}
	_, err := Open(t.Context(), Config{DSN: base + "?sslmode=disable"})
	require.ErrorContains(t, err, "no pg_hba.conf entry")
	_, err = Open(t.Context(), Config{DSN: base, TLS: &tls.Config{RootCAs: server.CA(), ServerName: "other.example"}})
	var mismatch x509.HostnameError
	require.ErrorAs(t, err, &mismatch)
}
