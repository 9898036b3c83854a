package device_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirstSync(t *testing.T) {
	w := newWorld(t)
	a, b := w.device("a"), w.device("b")
	a.write("readme", "hello")
	a.write("dir/sub/deep.txt", "deep")
	a.write("dir/empty", "")
	a.mkdir("dir/none")
	a.write("big", strings.Repeat("0123456789abcdef", 300_000))
	r := a.sync()
	require.Equal(t, 7, r.Committed)
	r = b.sync()
	require.Equal(t, 7, r.ItemsApplied)
	require.Zero(t, r.Committed)
	require.Equal(t, a.tree(), b.tree())
	require.Len(t, w.converge(), 7)
}
