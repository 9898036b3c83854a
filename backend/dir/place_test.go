package dir

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaces(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	for name, plain := range map[string]bool{
		hash: true, "01234567-89ab-cdef-0123-456789abcdef": true, strings.Repeat("z", maxPlain): true, "a_b-c_d-e_f-g_h-": true,
		strings.ToUpper(hash): false, "con": false, strings.Repeat("z", maxPlain+1): false, "-" + hash: false, "_" + hash: false,
		hash + namedSuffix: false, hash + ".": false, hash + " ": false, "../" + hash: false, "..": false,
	} {
		require.Equal(t, plain, placeOf(name).file == name, "%q", name)
		requirePlace(t, name)
	}
	require.Equal(t, "a8/"+hash, placeOf(hash).path(), "what is stored must be found by later versions too")
	require.Equal(t, "c1/c14cddc033f64b9dea80ea675cf280a015e672516090a5626781153dc68fea11.named", placeOf("a/b").path())
	for _, file := range []string{"", ".", "..", "README", ".DS_Store", hash + ".tmp", "x.named", strings.ToUpper(hash) + ".named", hash[:63] + "g.named"} {
		_, ok := placeOfFile(file)
		require.False(t, ok, "%q", file)
	}
}

func FuzzPlaces(f *testing.F) {
	for _, name := range []string{"a", "..", "../x", "a/b", "CON", strings.Repeat("%", 255), strings.Repeat("0123456789abcdef", 4)} {
		f.Add(name, strings.ToUpper(name))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b} {
			if len(name) < 1 || len(name) > 255 || strings.Trim(name, printable) != "" {
				t.Skip("no name of a chunk")
			}
			requirePlace(t, name)
		}
		require.Equal(t, a == b, placeOf(a) == placeOf(b))
	})
}

const printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// Lower case only: then no two places differ just in case.
var safe = regexp.MustCompile(`^[0-9a-f]{2}/[0-9a-z][0-9a-z_-]{15,199}(\.named)?$`)

// requirePlace checks that a name has a place that every file system takes, inside the container, and comes back from it.
func requirePlace(t *testing.T, name string) {
	t.Helper()
	at := placeOf(name)
	require.Regexp(t, safe, at.path())
	require.True(t, filepath.IsLocal(at.path()))
	byFile, ok := placeOfFile(at.file)
	require.True(t, ok)
	require.Equal(t, at, byFile)
	if isPlain(name) {
		require.Empty(t, trailerOf(name))
		return
	}
	trailer := trailerOf(name)
	require.LessOrEqual(t, len(trailer), maxTrailer)
	back, ok := nameIn([]byte(("content" + trailer)[max(0, len("content"+trailer)-maxTrailer):]))
	require.True(t, ok)
	require.Equal(t, name, back)
}

func FuzzTrailer(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{'a', 1})
	f.Add([]byte{'a', 255})
	f.Fuzz(func(t *testing.T, end []byte) {
		if name, ok := nameIn(end); ok {
			require.Equal(t, name, string(end[len(end)-1-len(name):len(end)-1]))
		}
	})
}
