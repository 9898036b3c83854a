//go:build unix

package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/missing"
)

func install(t *testing.T, folder string, programs ...string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for _, p := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(folder, p), nil, 0o755))
	}
}

func TestFindBinaries(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	path := filepath.Join(root, "path")
	t.Setenv("PATH", path)
	t.Setenv(EnvBin, "")
	patterns := []string{filepath.Join(root, "old", "*", "bin"), filepath.Join(root, "lib", "*", "bin")}

	t.Setenv(missing.EnvHide, "")
	var none *missing.Service
	_, err = findBinaries(patterns)
	require.ErrorAs(t, err, &none)
	require.ErrorContains(t, err, patterns[1])
	require.ErrorContains(t, err, EnvDSN)

	programs := []string{"pg_ctl", "initdb", "postgres"}
	for _, v := range []string{"9.6", "10", "15"} {
		install(t, filepath.Join(root, "lib", v, "bin"), programs...)
	}
	install(t, filepath.Join(root, "lib", "16", "bin"), "pg_ctl") // the clients' package
	found, err := findBinaries(patterns)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "lib", "15", "bin"), found)

	require.NoError(t, os.Mkdir(path, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(root, "lib", "10", "bin", "pg_ctl"), filepath.Join(path, "pg_ctl")))
	found, err = findBinaries(patterns)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "lib", "10", "bin"), found)

	t.Setenv(EnvBin, filepath.Join(root, "lib", "9.6", "bin"))
	found, err = findBinaries(patterns)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "lib", "9.6", "bin"), found)
	t.Setenv(EnvBin, filepath.Join(root, "lib", "16", "bin"))
	_, err = findBinaries(patterns)
	require.ErrorContains(t, err, EnvBin)
	require.False(t, errors.As(err, &none), "a folder that is named must not end in a skip")

	t.Setenv(missing.EnvHide, "1")
	_, err = findBinaries(patterns)
	require.ErrorAs(t, err, &none)
}
