package ftp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func TestHashes(t *testing.T) {
	t.Parallel()
	longest := stacksync.Secret(strings.Repeat("x", 64))
	a, err := hashOf(longest)
	require.NoError(t, err)
	b, err := hashOf(longest)
	require.NoError(t, err)
	require.NotEqual(t, a, b, "each has its own salt")
	require.True(t, matches(a, longest))
	require.False(t, matches(a, longest[1:]))
	for _, hash := range []string{"", "x", "$2b$10$abc", "$6$salt$hash"} {
		require.False(t, matches(hash, longest), hash)
	}
}
