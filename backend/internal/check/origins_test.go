package check_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	require.NoError(t, check.Origins("Origins", []string{"*", "https://a", "http://localhost:8080", "https://app.example.com", "http://[::1]:80", "https://xn--a-0ba.example"}))
	for _, bad := range []string{
		"", "null", "a", "example.com", "https://", "https:///", "https://a/", "https://a/b", "https://a?b", "https://a#b", "https://u@a", "ftp://a", "https://A",
		"https://*.a", "https://a b", "https://a,https://b", "https://a\n", "https://ä", "//a", "**",
	} {
		err := check.Origins("Origins", []string{"*", bad})
		var fe *stacksync.FieldError
		require.ErrorAs(t, err, &fe, "%q", bad)
		require.Equal(t, "Origins[1]", fe.Field)
	}
	require.ErrorIs(t, check.Origins("Origins", strings.Split(strings.Repeat("*,", 100)+"*", ",")), stacksync.ErrLimit)
}
