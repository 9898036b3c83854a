package backendtest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// fixture is what a check works with. Its methods fail the check where the contract promises success; they are called
// from the check's own goroutine, but for write and read.
type fixture struct {
	T
	stacksync.StorageProvisioner
	stacksync.ChunkWriter
	stacksync.ChunkReader
	reopen func() stacksync.StorageProvisioner
	dial   func(t T, login string, secret stacksync.Secret, at stacksync.Location) Client
}

// cleaning is how long the end of a check may take: a slow server needs more than a minute for ten thousand chunks.
const cleaning = 5 * time.Minute

func newFixture(t T, s Suite) *fixture {
	t.Helper()
	i := s.New(t)
	return &fixture{
		T: t, StorageProvisioner: i.Storage, reopen: i.Reopen, dial: i.Dial,
		ChunkWriter: capability[stacksync.ChunkWriter](t, i.Storage),
		ChunkReader: capability[stacksync.ChunkReader](t, i.Storage),
	}
}

func capability[C any](t T, storage stacksync.StorageProvisioner) C {
	t.Helper()
	c, ok := stacksync.As[C](storage)
	require.True(t, ok, "the storage is no %T", &c)
	return c
}

// name returns a container's name that nobody else uses, and has it deleted at the end.
func (f *fixture) name() string {
	return f.register("t-" + strings.ToLower(rand.Text()))
}

func (f *fixture) register(name string) string {
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleaning)
		defer cancel()
		if _, err := f.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: name}); err != nil {
			f.Errorf("delete the container at the end: %v", err)
		}
	})
	return name
}

// container makes a container that nobody else uses.
func (f *fixture) container() string {
	f.Helper()
	name := f.name()
	f.create(name)
	return name
}

func (f *fixture) create(name string) {
	f.Helper()
	_, err := f.CreateContainer(f.Context(), stacksync.CreateContainerParams{Container: name})
	require.NoError(f, err)
}

func (f *fixture) write(container, name, content string) error {
	return f.writeFrom(container, name, int64(len(content)), strings.NewReader(content))
}

func (f *fixture) writeFrom(container, name string, size int64, content io.Reader) error {
	_, err := f.WriteChunk(f.Context(), stacksync.WriteChunkParams{
		Container: container, Chunk: stacksync.Chunk{Name: name, Size: size}, Content: content,
	})
	return err
}

// put writes chunks whose content is made of their names.
func (f *fixture) put(container string, names ...string) {
	f.Helper()
	require.NoError(f, inParallel(len(names), func(i int) error { return f.write(container, names[i], contentOf(names[i])) }))
}

func (f *fixture) read(container, name string) (string, error) {
	r, err := f.ReadChunk(f.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Content)
	if err == nil && int64(len(b)) != r.Size {
		err = errors.New("the size is not that of the content")
	}
	return string(b), errors.Join(err, r.Content.Close())
}

func (f *fixture) stat(container string, names ...string) map[string]int64 {
	f.Helper()
	r, err := f.StatChunks(f.Context(), stacksync.StatChunksParams{Container: container, Names: names})
	require.NoError(f, err)
	sizes := map[string]int64{}
	for _, c := range r.Chunks {
		_, twice := sizes[c.Name] // require.NotContains would take a second for a thousand chunks
		require.False(f, twice, "%q comes twice", c.Name)
		sizes[c.Name] = c.Size
	}
	return sizes
}

func (f *fixture) copy(from, to string, names ...string) {
	f.Helper()
	_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: from, To: to, Names: names})
	require.NoError(f, err)
}

func (f *fixture) delete(container string, names ...string) {
	f.Helper()
	_, err := f.DeleteChunks(f.Context(), stacksync.DeleteChunksParams{Container: container, Names: names})
	require.NoError(f, err)
}

func (f *fixture) page(container, after string, limit int) stacksync.ListChunksResult {
	f.Helper()
	r, err := f.ListChunks(f.Context(), stacksync.ListChunksParams{Container: container, After: after, Limit: limit})
	require.NoError(f, err)
	if limit > 0 {
		require.LessOrEqual(f, len(r.Chunks), limit, "a page has more chunks than asked for")
	}
	return r
}

// list pages through a container, and calls between, if it is not nil, after each page.
func (f *fixture) list(container string, limit int, between func()) []stacksync.StoredChunk {
	f.Helper()
	var all []stacksync.StoredChunk
	seen, cursors := map[string]bool{}, map[string]bool{}
	for after := ""; ; {
		p := f.page(container, after, limit)
		for _, c := range p.Chunks {
			require.False(f, seen[c.Name], "%q is listed twice", c.Name)
			seen[c.Name] = true
		}
		all = append(all, p.Chunks...)
		if p.Next == "" {
			return all
		}
		require.False(f, cursors[p.Next], "the listing runs in a circle")
		cursors[p.Next] = true
		after = p.Next
		if between != nil {
			between()
		}
	}
}

// requireChunks checks by all ways of reading that a container has the named chunks with the content that put gives them,
// and no others.
func (f *fixture) requireChunks(container string, names ...string) {
	f.Helper()
	want := map[string]int64{}
	for _, n := range names {
		want[n] = int64(len(contentOf(n)))
	}
	listed := map[string]int64{}
	for _, c := range f.list(container, 0, nil) {
		listed[c.Name] = c.Size
	}
	require.Equal(f, want, listed, "as listed")
	require.Equal(f, want, f.stat(container, names...), "by StatChunks")
	require.NoError(f, inParallel(len(names), func(i int) error {
		got, err := f.read(container, names[i])
		if err == nil && got != contentOf(names[i]) {
			err = errors.New("not the content that was written")
		}
		return err
	}))
}

// requireNothing checks that a container shows no trace of a chunk, nor of any other.
func (f *fixture) requireNothing(container, name string) {
	f.Helper()
	require.Empty(f, f.list(container, 0, nil), "as listed")
	require.Empty(f, f.stat(container, name), "by StatChunks")
	_, err := f.read(container, name)
	require.ErrorIs(f, err, stacksync.ErrChunkNotFound)
}

// requireNames checks that both lists hold the same names equally often.
func (f *fixture) requireNames(want, got []string) {
	f.Helper()
	require.Equal(f, slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got)))
}

// requireField checks that err is about a field of the request.
func (f *fixture) requireField(err error, field string) {
	f.Helper()
	require.ErrorIs(f, err, stacksync.ErrInvalid, "%s", field)
	var fe *stacksync.FieldError
	require.ErrorAs(f, err, &fe)
	require.Equal(f, field, fe.Field)
}

// inParallel calls f with 0 to n-1, 16 at a time, and returns what failed.
func inParallel(n int, f func(i int) error) error { return atOnce(16, n, f) }

// atOnce calls f with 0 to n-1, workers of them at a time, and returns what failed.
func atOnce(workers, n int, f func(i int) error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		next = make(chan int)
	)
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}
