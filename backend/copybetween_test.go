package backend_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend"
	"github.com/stacksync/stacksync-go/backend/dir"
	storage "github.com/stacksync/stacksync-go/backend/memory"
)

var errCut = errors.New("cut")

type readerWriter interface {
	stacksync.StorageProvisioner
	stacksync.ChunkReader
	stacksync.ChunkWriter
}

// chunkOf returns the chunk that some content makes.
func chunkOf(content string) stacksync.Chunk {
	sum := sha256.Sum256([]byte(content))
	return stacksync.Chunk{Name: hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

func makeContainer(t *testing.T, s stacksync.StorageProvisioner, name string) {
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: name})
	require.NoError(t, err)
}

func writeChunk(t *testing.T, s stacksync.ChunkWriter, container, name, content string) {
	_, err := s.WriteChunk(t.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(len(content))}, Content: strings.NewReader(content),
	})
	require.NoError(t, err)
}

func readChunk(t *testing.T, s stacksync.ChunkReader, container, name string) string {
	res, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	require.NoError(t, err)
	b, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.NoError(t, res.Content.Close())
	return string(b)
}

// filled returns a source of 1,500 chunks, which is more than a page, and an empty target on disk.
func filled(t *testing.T) (source, target readerWriter, bytes int64) {
	from := storage.New(storage.Config{})
	to, err := dir.Open(t.Context(), t.TempDir(), dir.Config{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, to.Close()) })
	makeContainer(t, from, "from")
	makeContainer(t, to, "to")
	for i := range 1500 {
		content := fmt.Sprintf("content %d", i)
		writeChunk(t, from, "from", fmt.Sprintf("chunk %d", i), content)
		bytes += int64(len(content))
	}
	return from, to, bytes
}

func TestCopyBetween(t *testing.T) {
	from, to, bytes := filled(t)
	p := backend.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to"}
	res, err := backend.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, backend.CopyBetweenResult{Copied: 1500, Bytes: bytes}, res)
	for i := range 1500 {
		require.Equal(t, fmt.Sprintf("content %d", i), readChunk(t, to, "to", fmt.Sprintf("chunk %d", i)))
	}
	res, err = backend.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, backend.CopyBetweenResult{Present: 1500}, res, "again")

	makeContainer(t, to, "some")
	p.ToContainer, p.Names, p.Parallel = "some", []string{"chunk 7", "gone", "chunk 7", "chunk 8", "lost"}, 1
	res, err = backend.CopyBetween(t.Context(), p)
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []string{"gone", "lost"}, missing.Names)
	require.Equal(t, 2, res.Copied, "the others are copied")
	p.Names = []string{}
	res, err = backend.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Zero(t, res, "none was named")
}

// cutting fails each read of a chunk's content in the middle, while cut says so.
type cutting struct {
	readerWriter
	cut   func(read int64, name string) bool
	reads atomic.Int64
}

func (c *cutting) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	res, err := c.readerWriter.ReadChunk(ctx, p)
	if n := c.reads.Add(1); err == nil && c.cut(n, p.Name) {
		res.Content = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(res.Content, 3), iotest.ErrReader(errCut)), res.Content}
	}
	return res, err
}

func TestCopyBetweenGoesOnWhereItBrokeOff(t *testing.T) {
	source, to, _ := filled(t)
	from := &cutting{readerWriter: source, cut: func(read int64, _ string) bool { return read > 500 }}
	p := backend.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to", Parallel: 1}
	first, err := backend.CopyBetween(t.Context(), p)
	require.ErrorIs(t, err, errCut)
	require.ErrorContains(t, err, "900 more chunks failed or were passed over")
	require.Equal(t, 500, first.Copied)
	require.Equal(t, 1000, first.Failed)
	require.Equal(t, int64(500+2*100), from.reads.Load(), "a page in which all fail is given up")

	from.cut = func(int64, string) bool { return false }
	second, err := backend.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, 1500, second.Copied+second.Present)
	require.Equal(t, second.Present, first.Copied)
}

// What is wrong with some chunks keeps no others from being copied, however often they are met first.
func TestCopyBetweenLeavesOutWhatFails(t *testing.T) {
	source, to, _ := filled(t)
	fails := func(name string) bool { // 75 of them
		var n int
		_, err := fmt.Sscanf(name, "chunk %d", &n)
		return err == nil && n%20 == 7
	}
	from := &cutting{readerWriter: source, cut: func(_ int64, name string) bool { return fails(name) }}
	var others []string
	for i := range 30 {
		name := fmt.Sprintf("chunk %d", 50*i+3)
		writeChunk(t, to, "to", name, "of another size")
		others = append(others, name)
	}
	p := backend.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to"}
	for _, p.Names = range [][]string{nil, append(names(t, source, "from"), "lost")} {
		for again := range 2 {
			from.reads.Store(0)
			res, err := backend.CopyBetween(t.Context(), p)
			require.ErrorIs(t, err, errCut)
			require.ErrorIs(t, err, stacksync.ErrSize)
			require.ErrorContains(t, err, "5 more chunks failed or were passed over")
			require.Equal(t, p.Names != nil, errors.Is(err, stacksync.ErrChunksMissing))
			require.Equal(t, 1395, res.Copied+res.Present)
			require.Equal(t, 105, res.Failed)
			if again > 0 || p.Names != nil {
				require.Equal(t, 1395, res.Present)
				require.Equal(t, int64(75), from.reads.Load(), "what the target has is not read")
			}
		}
	}
	for _, name := range names(t, source, "from") {
		switch {
		case fails(name):
			_, err := to.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: "to", Name: name})
			require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
		case slices.Contains(others, name):
			require.Equal(t, "of another size", readChunk(t, to, "to", name))
		default:
			require.Equal(t, readChunk(t, source, "from", name), readChunk(t, to, "to", name))
		}
	}
}

// More chunks that fail than end a page, side by side in the listing, don't keep the others of the page from being copied.
func TestCopyBetweenGetsPastARowOfFailures(t *testing.T) {
	source, to := storage.New(storage.Config{}), storage.New(storage.Config{})
	makeContainer(t, source, "c")
	makeContainer(t, to, "c")
	for i := range 1000 {
		writeChunk(t, source, "c", fmt.Sprintf("%03d", i), "content")
	}
	first := names(t, source, "c")[:200]
	from := &cutting{readerWriter: source, cut: func(_ int64, name string) bool { return slices.Contains(first, name) }}
	res, err := backend.CopyBetween(t.Context(), backend.CopyBetweenParams{From: from, To: to, FromContainer: "c", ToContainer: "c"})
	require.ErrorIs(t, err, errCut)
	require.Equal(t, 800, res.Copied)
	require.Equal(t, 200, res.Failed)
}

func names(t *testing.T, s stacksync.StorageProvisioner, container string) []string {
	res, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container, Limit: 10_000})
	require.NoError(t, err)
	require.Empty(t, res.Next)
	var list []string
	for _, c := range res.Chunks {
		list = append(list, c.Name)
	}
	return list
}

// Damaged content is not copied on.
func TestCopyBetweenChecksHashes(t *testing.T) {
	from, to := storage.New(storage.Config{}), storage.New(storage.Config{})
	makeContainer(t, from, "c")
	makeContainer(t, to, "c")
	sound, damaged := chunkOf("content"), chunkOf("other")
	writeChunk(t, from, "c", sound.Name, "content")
	writeChunk(t, from, "c", damaged.Name, "OTHER")
	p := backend.CopyBetweenParams{From: from, To: to, FromContainer: "c", ToContainer: "c", ChunkHash: sha256.New}
	res, err := backend.CopyBetween(t.Context(), p)
	require.ErrorIs(t, err, stacksync.ErrDamaged)
	require.ErrorContains(t, err, damaged.Name)
	require.Equal(t, backend.CopyBetweenResult{Copied: 1, Bytes: 7, Failed: 1}, res)
	require.Equal(t, []string{sound.Name}, names(t, to, "c"))

	p.ChunkHash = nil
	_, err = backend.CopyBetween(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "OTHER", readChunk(t, to, "c", damaged.Name))
}

// failing fails each write.
type failing struct {
	readerWriter
	with   func() error
	writes atomic.Int64
}

func (f *failing) WriteChunk(context.Context, stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	f.writes.Add(1)
	return stacksync.WriteChunkResult{}, f.with()
}

// What hits all chunks is met once; what is the fault of each is met by each.
func TestCopyBetweenStopsWhereAllFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for name, row := range map[string]struct {
		with        func() error
		want        error
		least, most int64
	}{
		"closed":       {func() error { return stacksync.ErrClosed }, stacksync.ErrClosed, 1, 4},
		"no container": {func() error { return fmt.Errorf("container %w", stacksync.ErrNotFound) }, stacksync.ErrNotFound, 1, 4},
		"bad chunks":   {func() error { return stacksync.ErrSize }, stacksync.ErrSize, 1500, 1500},
		"outage":       {func() error { return errCut }, errCut, 2 * 100, 2 * (100 + 3)},
		"ctx":          {func() error { cancel(); return errCut }, context.Canceled, 1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, _ := filled(t)
			target := &failing{readerWriter: to, with: row.with}
			ctx := ctx
			if name != "ctx" {
				ctx = t.Context()
			}
			_, err := backend.CopyBetween(ctx, backend.CopyBetweenParams{From: from, To: target, FromContainer: "from", ToContainer: "to", Parallel: 4})
			require.ErrorIs(t, err, row.want)
			require.GreaterOrEqual(t, target.writes.Load(), row.least)
			require.LessOrEqual(t, target.writes.Load(), row.most)
		})
	}
}

// A copy for which all pages fail comes to an end before theirs.
func TestCopyBetweenGivesUp(t *testing.T) {
	from, to := storage.New(storage.Config{}), storage.New(storage.Config{})
	makeContainer(t, from, "c")
	makeContainer(t, to, "c")
	for i := range 11_000 {
		writeChunk(t, from, "c", fmt.Sprintf("%05d", i), "x")
	}
	var copied atomic.Bool
	target := &failing{readerWriter: to, with: func() error { return errCut }}
	p := backend.CopyBetweenParams{From: from, To: target, FromContainer: "c", ToContainer: "c", Parallel: 1}
	res, err := backend.CopyBetween(t.Context(), p)
	require.ErrorContains(t, err, "stopped after 10 pages")
	require.Equal(t, backend.CopyBetweenResult{Failed: 10_000}, res)
	require.EqualValues(t, 10*100, target.writes.Load())

	target.with = func() error { // the tenth page begins with one that is taken
		if target.writes.Load() == 1000+9*100+1 && copied.CompareAndSwap(false, true) {
			return nil
		}
		return errCut
	}
	res, err = backend.CopyBetween(t.Context(), p)
	require.ErrorIs(t, err, errCut)
	require.NotContains(t, err.Error(), "stopped")
	require.Equal(t, backend.CopyBetweenResult{Copied: 1, Bytes: 1, Failed: 10_999}, res)
}

// onlyContainers hides what else a storage can do.
type onlyContainers struct{ stacksync.StorageProvisioner }

func TestCopyBetweenRefusesABadRequest(t *testing.T) {
	from, to, _ := filled(t)
	p := backend.CopyBetweenParams{From: from, To: to, FromContainer: "from", ToContainer: "to"}
	bad := p
	bad.From = onlyContainers{from}
	_, err := backend.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	bad = p
	bad.To = onlyContainers{to}
	_, err = backend.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	bad = p
	bad.Parallel = -1
	_, err = backend.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	bad = p
	bad.ToContainer = "missing"
	_, err = backend.CopyBetween(t.Context(), bad)
	require.ErrorIs(t, err, stacksync.ErrNotFound)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = backend.CopyBetween(ended, p)
	require.ErrorIs(t, err, context.Canceled)
}
