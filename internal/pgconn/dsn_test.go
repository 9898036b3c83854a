package pgconn

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const application = "stacksync-test"

func TestDSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]struct{ network, addr, server string }{
		"postgres://localhost/x":                                     {"tcp", "localhost:5432", "localhost"},
		"postgresql://anna:pw@db.example:6000/x?sslmode=require":     {"tcp", "db.example:6000", "db.example"},
		"postgres://db.example/x?sslmode=allow":                      {"tcp", "db.example:5432", "db.example"},
		"postgres://db.example/x?sslmode=prefer":                     {"tcp", "db.example:5432", "db.example"},
		"postgres://db.example/x?sslmode=verify-ca":                  {"tcp", "db.example:5432", "db.example"},
		"postgres://db.example/x?sslmode=verify-full":                {"tcp", "db.example:5432", "db.example"},
		"postgres://db.example/x?sslmode=disable":                    {"tcp", "db.example:5432", ""},
		"postgres://db.example/x?sslmode=disable&sslmode=require":    {"tcp", "db.example:5432", "db.example"},
		"postgres://db.example/x?sslmode=require&sslmode=disable":    {"tcp", "db.example:5432", ""},
		"postgres://[::1]/x":                                         {"tcp", "[::1]:5432", "::1"},
		"postgres://[::1]:6000/x":                                    {"tcp", "[::1]:6000", "::1"},
		"postgres://10.0.0.1/x?host=db.example:6000":                 {"tcp", "db.example:6000", "db.example"},
		"postgres://10.0.0.1/x?host=db.example":                      {"tcp", "db.example:5432", "db.example"},
		"postgres:///x?host=/run/postgresql/.s.PGSQL.5432":           {"unix", "/run/postgresql/.s.PGSQL.5432", ""},
		"unix://anna:pw@x/run/postgresql/.s.PGSQL.5432":              {"unix", "/run/postgresql/.s.PGSQL.5432", ""},
		"unix://x/run/postgresql/.s.PGSQL.5432?sslmode=verify-full":  {"unix", "/run/postgresql/.s.PGSQL.5432", ""},
		"postgres://db.example/x?sslmode=disable&sslrootcert=no.pem": {"tcp", "db.example:5432", ""},
	} {
		connector, err := NewConnector(dsn, nil, application)
		require.NoError(t, err, dsn)
		c := connector.Config()
		assert.Equal(t, want.network, c.Network, dsn)
		assert.Equal(t, want.addr, c.Addr, dsn)
		assert.Equal(t, application, c.AppName, dsn)
		if want.server == "" {
			assert.Nil(t, connector.encryption, dsn)
			continue
		}
		require.NotNil(t, connector.encryption, dsn)
		assert.Equal(t, want.server, connector.encryption.ServerName, dsn)
		assert.False(t, connector.encryption.InsecureSkipVerify, dsn)
	}
}

func TestGivenTLSIsKept(t *testing.T) {
	t.Parallel()
	given := &tls.Config{MinVersion: tls.VersionTLS13}
	connector, err := NewConnector("postgres://db.example/x?sslmode=prefer", given, application)
	require.NoError(t, err)
	assert.Equal(t, uint16(tls.VersionTLS13), connector.encryption.MinVersion)
	assert.Equal(t, "db.example", connector.encryption.ServerName)
	assert.Empty(t, given.ServerName, "the host's own configuration is not touched")
	connector, err = NewConnector("postgres://db.example/x", &tls.Config{ServerName: "other.example"}, application)
	require.NoError(t, err)
	assert.Equal(t, "other.example", connector.encryption.ServerName)
}
