//go:build unix

package versitygw

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/internal/missing"
)

func TestFind(t *testing.T) {
	folder := t.TempDir()
	for name, value := range map[string]string{
		"PATH": folder, "HOME": folder, "XDG_CACHE_HOME": filepath.Join(folder, "cache"), "GOPATH": filepath.Join(folder, "go"), "GOBIN": "",
	} {
		t.Setenv(name, value)
	}
	t.Setenv(missing.EnvHide, "")
	var none *missing.Service
	require.ErrorAs(t, Find(), &none)
	require.ErrorContains(t, none, "go install")
	_, err := Start(t.Context(), Options{})
	require.ErrorAs(t, err, &none)
	_, err = Version(t.Context())
	require.ErrorAs(t, err, &none)

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

	t.Setenv(missing.EnvHide, "1")
	require.ErrorAs(t, Find(), &none)
}
