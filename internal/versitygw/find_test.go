//go:build unix

package versitygw

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	folder := t.TempDir()
	for name, value := range map[string]string{
		"PATH": folder, "HOME": folder, "XDG_CACHE_HOME": filepath.Join(folder, "cache"), "GOPATH": filepath.Join(folder, "go"), "GOBIN": "",
	} {
		t.Setenv(name, value)
	}
	require.ErrorIs(t, Find(), ErrNotInstalled)
	require.ErrorContains(t, Find(), ".ci/run services")
	_, err := Start(t.Context(), Options{})
	require.ErrorIs(t, err, ErrNotInstalled)
	_, err = Version(t.Context())
	require.ErrorIs(t, err, ErrNotInstalled)

	// Each is found before those above it.
	for _, place := range []string{"go/bin", "cache/stacksync-go/versitygw-v1.8.0", "cache/stacksync-go/versitygw-v1.10.0", "."} {
		path := filepath.Join(folder, place, "versitygw")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		found, err := find()
		require.NotEqual(t, path, found, "it can't be run: %v", err)
		require.NoError(t, os.Chmod(path, 0o700))
		found, err = find()
		require.NoError(t, err)
		require.Equal(t, path, found)
	}
}
