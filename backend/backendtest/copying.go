package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// requireMissing checks that err names these chunks, each once.
func (f *fixture) requireMissing(err error, names ...string) {
	f.Helper()
	require.ErrorIs(f, err, stacksync.ErrChunksMissing)
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(f, err, &missing)
	f.requireNames(names, missing.Names)
}

func copyChunks(t T, s Suite) {
	f := newFixture(t, s)
	a, b := f.container(), f.container()
	n := names("copy", 40)
	f.put(a, n...)
	for range 2 { // copying what was copied succeeds
		f.copy(a, b, n[:30]...)
		f.requireChunks(b, n[:30]...)
	}
	f.requireChunks(a, n...)
	f.delete(a, n...)
	f.requireChunks(b, n[:30]...)
	f.copy(b, a, n[0])
	f.delete(b, n...)
	f.requireChunks(a, n[0])
}

func copyMissing(t T, s Suite) {
	f := newFixture(t, s)
	a, b := f.container(), f.container()
	f.put(a, "first", "last")
	f.put(b, "old", "gone in a")
	_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{
		From: a, To: b, Names: []string{"missing", "first", "../missing", "missing", "gone in a", "last"},
	})
	f.requireMissing(err, "missing", "../missing", "gone in a")
	f.requireChunks(b, "first", "last", "old", "gone in a")
	f.requireChunks(a, "first", "last")
}

func copyOnto(t T, s Suite) {
	f := newFixture(t, s)
	a, b := f.container(), f.container()
	f.put(a, "both", "one")
	f.put(b, "both")
	f.copy(a, b, "both", "one", "both")
	f.requireChunks(b, "both", "one")
	f.requireChunks(a, "both", "one")
}

// copyOntoOther: a chunk that is stored does not become another one, nor is it taken for that.
func copyOntoOther(t T, s Suite) {
	f := newFixture(t, s)
	a, b := f.container(), f.container()
	f.put(a, "chunk")
	require.NoError(f, f.write(a, "empty there", "x"))
	f.put(b, "chunk")
	require.NoError(f, f.write(b, "empty there", ""))
	for _, names := range [][]string{{"empty there"}, {"chunk", "empty there", "chunk"}, {"missing", "empty there"}} {
		_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: a, To: b, Names: names})
		require.ErrorIs(f, err, stacksync.ErrSize)
		got, err := f.read(b, "empty there")
		require.NoError(f, err)
		require.Empty(f, got)
	}
	require.Equal(f, map[string]int64{"chunk": int64(len(contentOf("chunk"))), "empty there": 0}, f.stat(b, "chunk", "empty there", "missing"))
	got, err := f.read(a, "empty there")
	require.NoError(f, err)
	require.Equal(f, "x", got)
}

func copyToItself(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk")
	f.copy(c, c, "chunk")
	_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: c, To: c, Names: []string{"chunk", "missing"}})
	f.requireMissing(err, "missing")
	f.requireChunks(c, "chunk")
}
