package pgtest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/missing"
)

func TestSharedOfTheEnvironment(t *testing.T) {
	t.Parallel()
	started := Shared(t)
	given, err := openShared(started.DSN())
	require.NoError(t, err)
	assert.Equal(t, started.DSN(), given.DSN())
	assert.Equal(t, [][]string{{"1"}}, given.Query(t, "SELECT 1"))
	for _, dsn := range []string{"host=localhost password=secret", "mysql://u:secret@localhost/db", "postgres:///secret", "postgres://u:secret@local host/"} {
		_, err := openShared(dsn)
		require.ErrorContains(t, err, EnvDSN)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// TestWhichServer says, for make test, what the tests on PostgreSQL run on.
func TestWhichServer(t *testing.T) {
	server, err := openShared(os.Getenv(EnvDSN))
	var version string
	if err == nil {
		version = server.Query(t, "SHOW server_version")[0][0]
	}
	missing.Tell(t, "PostgreSQL "+version, err)
	require.NoError(t, server.leave())
}
