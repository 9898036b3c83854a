package backendtest

import (
	"math"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// listPages: pages of whatever size show all of many chunks once, in one order. They all go with their container; so many are stored
// only here, since that takes a slow server minutes.
func listPages(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	n := names("page", s.many())
	f.put(c, n...)
	byDefault := f.list(c, 0, nil)
	f.requireNames(n, namesOf(byDefault))
	require.Equal(f, namesOf(byDefault), namesOf(f.list(c, 777, nil)), "the order is another one")
	require.LessOrEqual(f, len(f.page(c, "", 0).Chunks), 1_000, "the default")
	_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: c})
	require.NoError(f, err)
	require.Empty(f, f.page(c, "", 0).Chunks, "the container is gone")
	f.create(c)
	require.Empty(f, f.page(c, "", 0).Chunks, "the container is another one")
}

func (s Suite) many() int {
	if s.Many == 0 {
		return 10_500
	}
	return s.Many
}

// listWhileChanging: between any two pages some chunks are written and some deleted. All others show once.
func listWhileChanging(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	kept, gone, added := names("kept", 300), names("gone", 150), names("added", 150)
	f.put(c, kept...)
	f.put(c, gone...)
	changes := 0
	listed := map[string]bool{}
	for _, chunk := range f.list(c, 30, func() {
		if i := 15 * changes; i < len(gone) {
			f.delete(c, gone[i:i+15]...)
			f.put(c, added[i:i+15]...)
		}
		changes++
	}) {
		listed[chunk.Name] = true
	}
	require.Positive(f, changes)
	for _, name := range kept {
		require.True(f, listed[name], "%q is not listed", name)
		delete(listed, name)
	}
	for _, name := range append(gone, added...) {
		delete(listed, name)
	}
	require.Empty(f, listed, "never written")
}

func listLimits(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	n := append(names("limit", 20), "..", "a", "a/b", "A", " ")
	f.put(c, n...)
	order := namesOf(f.list(c, 0, nil))
	f.requireNames(n, order)
	for _, limit := range []int{1, 2, len(n) - 1, len(n), len(n) + 1, math.MaxInt} {
		require.Equal(f, order, namesOf(f.list(c, limit, nil)), "limit %d", limit)
	}
	p := f.page(c, "", 5)
	require.NotEmpty(f, p.Next)
	f.delete(c, order...)
	require.Empty(f, f.page(c, p.Next, 0).Chunks, "a cursor is good also when what it was made of is gone")
}

func namesOf(chunks []stacksync.StoredChunk) []string {
	list := make([]string, len(chunks))
	for i, c := range chunks {
		list[i] = c.Name
	}
	return list
}

// manyNames: names may be given twice and in any number.
func manyNames(t T, s Suite) {
	const stored = 1_100 // more than a thousand, which is where S3 and others stop
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	all := names("many", 2*stored)
	there, missing := all[:stored], all[stored:]
	f.put(c, there...)
	asked := append(append([]string{}, all...), all...)

	want := map[string]int64{}
	for _, name := range there {
		want[name] = int64(len(contentOf(name)))
	}
	require.Equal(f, want, f.stat(c, asked...))

	_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: c, To: other, Names: asked})
	f.requireMissing(err, missing...)
	require.Equal(f, want, f.stat(other, all...))

	f.delete(c, asked...)
	require.Empty(f, f.list(c, 0, nil))
	f.requireChunks(other, there...)
}
