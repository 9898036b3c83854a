package backendtest

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// sizes of content that is cut short, runs over or breaks: within one packet or buffer, and over many.
var faultySizes = []int64{1, 1_000, 1 << 20}

func shortContent(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	for _, size := range append(faultySizes, 1<<30) {
		for _, has := range []int64{0, min(size, 1<<20) - 1} {
			err := f.writeFrom(c, "short", size, generated(has))
			require.ErrorIs(f, err, stacksync.ErrSize, "%d of %d bytes", has, size)
			f.requireNothing(c, "short")
		}
	}
}

func longContent(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	for _, size := range append(faultySizes, 0) {
		err := f.writeFrom(c, "long", size, generated(size+1))
		require.ErrorIs(f, err, stacksync.ErrSize, "size %d", size)
		f.requireNothing(c, "long")
	}
}

func badSize(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	for _, size := range []int64{-1, math.MinInt64} {
		f.requireField(f.writeFrom(c, "chunk", size, strings.NewReader("")), "Size")
	}
	f.requireNothing(c, "chunk")
}

func failingContent(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	broken := errors.New("the connection broke")
	for _, size := range faultySizes {
		for _, fail := range []error{broken, io.ErrUnexpectedEOF} {
			err := f.writeFrom(c, "failing", size, io.MultiReader(generated(size/2), step(func() error { return fail })))
			require.ErrorIs(f, err, fail)
			f.requireNothing(c, "failing")
		}
	}
}

// failingAtTheEnd is what content does that checks its own hash.
func failingAtTheEnd(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	wrong := errors.New("the hash is wrong")
	for _, size := range append(faultySizes, 0) {
		err := f.writeFrom(c, "failing", size, io.MultiReader(generated(size), step(func() error { return wrong })))
		require.ErrorIs(f, err, wrong)
		f.requireNothing(c, "failing")
	}
}

// unfinishedIsInvisible looks from the check's own goroutine: a back-end may read content in whatever it likes.
func unfinishedIsInvisible(t T, s Suite) {
	const half = 1 << 20
	f := newFixture(t, s)
	c := f.container()
	looked, reached, written := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		written <- f.writeFrom(c, "half", 2*half, io.MultiReader(generated(half), step(func() error {
			close(reached)
			<-looked
			return nil
		}), generated(half)))
	}()
	func() {
		defer close(looked)
		select {
		case <-reached:
			f.requireNothing(c, "half")
		case err := <-written:
			written <- err
		}
	}()
	require.NoError(f, <-written)
	require.Equal(f, map[string]int64{"half": 2 * half}, f.stat(c, "half"))
}

func cancelledWrite(t T, s Suite) {
	const size = 64 << 20
	f := newFixture(t, s)
	c := f.container()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	var after counter
	rest := io.TeeReader(generated(size), &after)
	_, err := f.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: c, Chunk: stacksync.Chunk{Name: "cancelled", Size: 2 * size},
		Content: io.MultiReader(generated(1<<20), step(func() error { cancel(); return nil }), rest),
	})
	require.ErrorIs(f, err, context.Canceled)
	require.Less(f, after.Load(), int64(size), "the work went on")
	f.requireNothing(c, "cancelled")
}

type counter struct{ atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.Add(int64(len(p)))
	return len(p), nil
}

func cancelledContext(t T, s Suite) {
	f := newFixture(t, s)
	c, other, never := f.container(), f.container(), f.name()
	f.put(c, "chunk")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	one := []string{"chunk"}
	_, err := f.CreateContainer(ctx, stacksync.CreateContainerParams{Container: never})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: c})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.StatChunks(ctx, stacksync.StatChunksParams{Container: c, Names: one})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.CopyChunks(ctx, stacksync.CopyChunksParams{From: c, To: other, Names: one})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: c, Names: one})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.ListChunks(ctx, stacksync.ListChunksParams{Container: c})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: other, Chunk: stacksync.Chunk{Name: "chunk", Size: 1}, Content: strings.NewReader("x"),
	})
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.ReadChunk(ctx, stacksync.ReadChunkParams{Container: c, Name: "chunk"})
	require.ErrorIs(f, err, context.Canceled)

	f.requireChunks(c, "chunk")
	f.requireNothing(other, "chunk")
	require.ErrorIs(f, f.write(never, "chunk", "x"), stacksync.ErrNotFound)
}

func writeAgain(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk", "a/b")
	f.put(c, "chunk", "a/b")
	f.requireChunks(c, "chunk", "a/b")
	require.ErrorIs(f, f.writeFrom(c, "chunk", 10, generated(9)), stacksync.ErrSize)
	size := int64(len(contentOf("chunk")))
	require.ErrorIs(f, f.writeFrom(c, "chunk", size, generated(size-1)), stacksync.ErrSize)
	require.ErrorIs(f, f.writeFrom(c, "chunk", size, generated(size+1)), stacksync.ErrSize)
	f.requireChunks(c, "chunk", "a/b")
}

// writeOther: a chunk that is stored can't become another one.
func writeOther(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	f.put(c, "chunk")
	size := len(contentOf("chunk"))
	for _, other := range []int{0, size - 1, size + 1} {
		require.ErrorIs(f, f.write(c, "chunk", strings.Repeat("x", other)), stacksync.ErrSize)
	}
	f.requireChunks(c, "chunk")
}

// writeLate: an upload that has begun before another one stores the chunk, and ends later with
// other content, leaves the chunk as it is: it may be committed by then, and the late uploader may
// have lost the right to write.
func writeLate(t T, s Suite) {
	f := newFixture(t, s)
	for _, size := range faultySizes {
		for _, other := range []int64{size, size + 3} {
			c, begun, may := f.container(), make(chan struct{}), make(chan struct{})
			hold := step(func() error {
				close(begun)
				<-may
				return nil
			})
			ended := make(chan error, 1)
			go func() {
				ended <- f.writeFrom(c, "late", other, io.MultiReader(strings.NewReader("x"), hold, io.LimitReader(endless('x'), other-1)))
			}()
			<-begun
			stored := strings.Repeat("s", int(size))
			err := f.write(c, "late", stored)
			close(may)
			late := <-ended
			require.NoError(f, err)
			if late != nil { // a server that goes by when an upload began takes it, and shows the later one
				require.ErrorIs(f, late, stacksync.ErrSize)
			}
			got, err := f.read(c, "late")
			require.NoError(f, err)
			require.Equal(f, digest(stored), digest(got), "a late upload of %d bytes replaced %d bytes", other, size)
		}
	}
}

// endless is content of one byte without an end.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func writeManyAtOnce(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	n := names("distinct", 100)
	require.NoError(f, atOnce(len(n), len(n), func(i int) error { return f.write(c, n[i], contentOf(n[i])) }))
	f.requireChunks(c, n...)
}

func writeSameAtOnce(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	same := make([]string, 32)
	for i := range same {
		same[i] = "same"
	}
	f.put(c, same...)
	f.requireChunks(c, "same")
}
