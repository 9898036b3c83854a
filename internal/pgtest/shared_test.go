package pgtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verdict records how a test was ended.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (*verdict) Helper() {}

func (v *verdict) Skipf(format string, args ...any) {
	v.skipped = fmt.Sprintf(format, args...)
	panic(v)
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.failed = fmt.Sprintf(format, args...)
	panic(v)
}

func judge(err error) *verdict {
	v := &verdict{}
	func() {
		defer func() { _ = recover() }()
		unavailable(v, err)
	}()
	return v
}

func TestUnavailableSkipsOrFails(t *testing.T) {
	missing := fmt.Errorf("%w: look elsewhere", errNotInstalled)
	t.Setenv(EnvRequire, "")
	assert.Contains(t, judge(missing).skipped, "look elsewhere")
	assert.Contains(t, judge(errors.New("broken")).failed, "broken", "what is installed has to work")
	t.Setenv(EnvRequire, "1")
	assert.Contains(t, judge(missing).failed, "look elsewhere")
}

func TestSharedOfTheEnvironment(t *testing.T) {
	t.Parallel()
	started := Start(t, Options{})
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
	if server, err := openShared(os.Getenv(EnvDSN)); err != nil {
		fmt.Printf("service: PostgreSQL was not found, its tests are skipped (%v)\n", err)
		unavailable(t, err)
	} else {
		fmt.Printf("service: PostgreSQL %s\n", server.Query(t, "SHOW server_version")[0][0])
		if server.cluster != nil {
			require.NoError(t, server.cluster.remove())
		}
	}
}
