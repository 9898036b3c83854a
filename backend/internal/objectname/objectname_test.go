package objectname_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

func TestOf(t *testing.T) {
	for chunk, object := range map[string]string{
		"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		"a":      "a",
		"-a":     "_5lgg",
		"A":      "_84",
		".":      "_5o",
		"..":     "_5on0",
		"a/b":    "_c4nm4",
		" ":      "_40",
		"a.b":    "_c4n64",
		"report": "report",
	} {
		require.Equal(t, object, objectname.Of(chunk), chunk)
	}
	require.NotEqual(t, objectname.Of("A"), objectname.Of("_84"))
	long := objectname.Of(strings.Repeat("Z", 255))
	require.Len(t, strings.Split(long, "/"), 3)
	for _, part := range strings.Split(long, "/") {
		require.LessOrEqual(t, len(part), 202)
	}
	for _, foreign := range []string{"", ".", "..", ".container", "A", "_", "_8", "_84/", "_84-/", "-a", "a/b", "a.b", "_c5", "_vv", strings.Repeat("a", 201)} {
		_, ok := objectname.Chunk(foreign)
		require.False(t, ok, foreign)
	}
}

// FuzzNames: every name comes back, and no object is a folder of another one.
func FuzzNames(f *testing.F) {
	f.Add("a", "A")
	f.Add(strings.Repeat("Q", 125), strings.Repeat("Q", 255))
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		x, y := objectname.Of(a), objectname.Of(b)
		back, ok := objectname.Chunk(x)
		require.True(t, ok, x)
		require.Equal(t, a, back)
		require.Equal(t, a == b, strings.EqualFold(x, y))
		require.False(t, strings.HasPrefix(y, x+"/"), "%s is a folder of %s", x, y)
		if chunk, ok := objectname.Chunk(a); ok {
			require.Equal(t, a, objectname.Of(chunk), "an object has one name")
		}
	})
}
