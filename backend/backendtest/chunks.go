package backendtest

import (
	"cmp"
	"context"
	"io"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func chunkLife(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	n := names("life", 3)
	f.requireNothing(c, n[0])
	f.put(c, n...)
	f.requireChunks(c, n...)
	require.Equal(f, map[string]int64{n[1]: int64(len(contentOf(n[1])))}, f.stat(c, "missing", n[1]), "only what is stored")
	f.delete(c, n[0], n[2])
	f.requireChunks(c, n[1])
	f.put(c, n[0])
	f.requireChunks(c, n[0], n[1])
	f.delete(c, n...)
	f.requireNothing(c, n[0])
	require.Empty(f, f.stat(c), "no names, no chunks")
	f.delete(c)
	f.copy(c, c)
}

func smallSizes(t T, s Suite) {
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	want := map[string]string{"empty": "", "one": "x", "zero bytes": "\x00\x00", "text": "a\r\nb\n\x1a", "all": allBytes()}
	for name, content := range want {
		require.NoError(f, f.write(c, name, content))
		f.copy(c, other, name)
	}
	for name, content := range want {
		for _, c := range []string{c, other} {
			got, err := f.read(c, name)
			require.NoError(f, err)
			require.Equal(f, content, got)
			require.Equal(f, map[string]int64{name: int64(len(content))}, f.stat(c, name))
		}
	}
}

func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func largeChunk(t T, s Suite) {
	const size = 64 << 20
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	require.NoError(f, f.writeFrom(c, "large", size, generated(size)))
	f.copy(c, other, "large")
	want, err := hashOf(generated(size))
	require.NoError(f, err)
	for _, c := range []string{c, other} {
		require.Equal(f, map[string]int64{"large": size}, f.stat(c, "large"))
		r, err := f.ReadChunk(f.Context(), stacksync.ReadChunkParams{Container: c, Name: "large"})
		require.NoError(f, err)
		got, err := hashOf(r.Content)
		require.NoError(f, err)
		require.NoError(f, r.Content.Close())
		require.Equal(f, want, got)
		require.EqualValues(f, size, r.Size)
	}
}

func storedAt(t T, s Suite) {
	const skew = time.Hour // of the storage's clock
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	f.put(c, "a chunk")
	f.copy(c, other, "a chunk")
	for _, c := range []string{c, other} {
		list := f.list(c, 0, nil)
		require.Len(f, list, 1)
		require.WithinDuration(f, time.Now(), list[0].StoredAt, skew)
	}
}

func readMissingChunk(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk")
	for _, name := range []string{"chunk2", "chun", "missing", names("missing", 1)[0], ".", "/", "chunk/"} {
		_, err := f.read(c, name)
		require.ErrorIs(f, err, stacksync.ErrChunkNotFound, "%q", name)
	}
}

func deleteMissingChunk(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "a", "b", "c")
	f.delete(c, "missing", "b", "missing", "b")
	f.requireChunks(c, "a", "c")
	f.delete(c, "b")
	f.requireChunks(c, "a", "c")
}

// missingIsQuick: to find out that chunks are missing, one after the other, takes no longer and longer. With servers that make whoever asks
// for what is not there wait, and longer each time, these would take minutes.
func missingIsQuick(t T, s Suite) {
	const asked = 50
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk")
	ctx, cancel := context.WithTimeout(f.Context(), cmp.Or(s.patience, usualPatience))
	defer cancel()
	for i, name := range names("missing", asked) {
		_, err := f.ReadChunk(ctx, stacksync.ReadChunkParams{Container: c, Name: name})
		require.ErrorIs(f, err, stacksync.ErrChunkNotFound, "number %d", i)
		r, err := f.StatChunks(ctx, stacksync.StatChunksParams{Container: c, Names: []string{name}})
		require.NoError(f, err, "number %d", i)
		require.Empty(f, r.Chunks)
	}
}

// readWhileDeleted: a reader that is open while its chunk goes, or comes again, brings the whole content or fails.
func readWhileDeleted(t T, s Suite) {
	const size = 4 << 20
	f := newFixture(t, s)
	c := f.container()
	want, err := hashOf(generated(size))
	require.NoError(f, err)
	for _, act := range []func(){
		func() { require.NoError(f, f.writeFrom(c, "chunk", size, generated(size))) },
		func() { f.delete(c, "chunk") },
		func() {
			f.delete(c, "chunk")
			require.NoError(f, f.write(c, "chunk", "something else"))
		},
	} {
		f.delete(c, "chunk")
		require.NoError(f, f.writeFrom(c, "chunk", size, generated(size)))
		r, err := f.ReadChunk(f.Context(), stacksync.ReadChunkParams{Container: c, Name: "chunk"})
		require.NoError(f, err)
		start := make([]byte, 1000)
		_, err = io.ReadFull(r.Content, start)
		require.NoError(f, err)
		act()
		got, err := hashOf(io.MultiReader(strings.NewReader(string(start)), r.Content))
		_ = r.Content.Close() // of a failed reader it may fail too
		if err == nil {
			require.Equal(f, want, got)
		}
	}
}
