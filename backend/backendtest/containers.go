package backendtest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func createContainerAgain(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk")
	f.create(c)
	f.requireChunks(c, "chunk")
}

func deleteMissingContainer(t T, s Suite) {
	f := newFixture(t, s)
	_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: f.name()})
	require.NoError(f, err)
}

func deleteFullContainer(t T, s Suite) {
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	f.put(other, "chunk")
	f.put(c, names("full", 20)...) // more than a thousand are deleted in ListPages
	f.put(c, "chunk", "..", "../"+other+"/chunk", "a", "a/b")
	for range 2 {
		_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: c})
		require.NoError(f, err)
		f.requireNothing(c, "chunk")
	}
	require.ErrorIs(f, f.write(c, "chunk", "x"), stacksync.ErrNotFound, "the container is gone")
	f.create(c)
	f.requireNothing(c, "chunk")
	f.requireChunks(other, "chunk")
}

func missingContainerReadsEmpty(t T, s Suite) {
	f := newFixture(t, s)
	c, there := f.name(), f.container()
	f.requireNothing(c, "chunk")
	f.delete(c, "chunk")
	_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: c, To: there, Names: []string{"chunk"}})
	f.requireMissing(err, "chunk")
	f.requireNothing(there, "chunk")
}

func missingContainerTakesNothing(t T, s Suite) {
	f := newFixture(t, s)
	c, there := f.name(), f.container()
	f.put(there, "chunk")
	err := f.write(c, "chunk", contentOf("chunk"))
	require.ErrorIs(f, err, stacksync.ErrNotFound)
	require.NotErrorIs(f, err, stacksync.ErrChunkNotFound, "it is the container that is missing")
	_, err = f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: there, To: c, Names: []string{"chunk"}})
	require.ErrorIs(f, err, stacksync.ErrNotFound)
	f.requireNothing(c, "chunk")
	f.create(c)
	f.requireNothing(c, "chunk")
}

func containersAreApart(t T, s Suite) {
	f := newFixture(t, s)
	a := f.container()
	b := f.register(a + "-b")
	f.create(b)
	f.put(a, "chunk", "b")
	f.requireNothing(b, "chunk")
	require.NoError(f, f.write(b, "chunk", "another content"))
	f.requireChunks(a, "chunk", "b")
	f.delete(b, "chunk", "b")
	f.requireChunks(a, "chunk", "b")
	f.put(b, "chunk")
	_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: a})
	require.NoError(f, err)
	f.requireNothing(a, "chunk")
	f.requireChunks(b, "chunk")
}

func containerNames(t T, s Suite) {
	f := newFixture(t, s)
	for _, name := range []string{"a", "0", "a-b", "a--b", "con"} { // read only: they may be somebody's
		f.page(name, "", 1)
	}
	longest := f.name()
	longest = f.register(longest + strings.Repeat("-0", 32)[:63-len(longest)-1] + "z")
	require.Len(f, longest, 63)
	f.create(longest)
	f.put(longest, "chunk")
	f.requireChunks(longest, "chunk")
}

func badContainerNames(t T, s Suite) {
	f := newFixture(t, s)
	good := f.container()
	f.put(good, "chunk")
	one := []string{"chunk"}
	for _, bad := range []string{
		"", "-", "-a", "a-", "A", "aB", "a_b", "a.b", ".", "..", "a/b", "../" + good, "/", `a\b`, "a b", " a", "a\x00", "a\n", "ä", "\xff",
		strings.Repeat("a", 64), strings.Repeat("a", 5_000),
	} {
		_, err := f.CreateContainer(f.Context(), stacksync.CreateContainerParams{Container: bad})
		f.requireField(err, "Container")
		_, err = f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: bad})
		f.requireField(err, "Container")
		_, err = f.StatChunks(f.Context(), stacksync.StatChunksParams{Container: bad, Names: one})
		f.requireField(err, "Container")
		_, err = f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: bad, To: good, Names: one})
		f.requireField(err, "From")
		_, err = f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: good, To: bad, Names: one})
		f.requireField(err, "To")
		_, err = f.DeleteChunks(f.Context(), stacksync.DeleteChunksParams{Container: bad, Names: one})
		f.requireField(err, "Container")
		_, err = f.ListChunks(f.Context(), stacksync.ListChunksParams{Container: bad})
		f.requireField(err, "Container")
		f.requireField(f.write(bad, "chunk", "x"), "Container")
		_, err = f.read(bad, "chunk")
		f.requireField(err, "Container")
	}
	f.requireChunks(good, "chunk")
}
