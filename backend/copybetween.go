package backend

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/checked"
)

// CopyBetweenParams are the parameters of CopyBetween.
type CopyBetweenParams struct {
	// From must be a ChunkReader, To a ChunkWriter (as stacksync.As finds them):
	// errors.ErrUnsupported otherwise.
	From, To                   stacksync.StorageProvisioner
	FromContainer, ToContainer string
	// Names are the chunks to copy. nil: all chunks that From lists.
	Names []string
	// Parallel is how many chunks travel at once. Defaults to 8. Negative: a *FieldError.
	Parallel int
	// ChunkHash is service.Config.ChunkHash of the service whose chunks these are. With it, damaged
	// content is not copied (ErrDamaged). Defaults to nil, which copies content as it is.
	ChunkHash func() hash.Hash
}

// CopyBetweenResult is the result of CopyBetween.
type CopyBetweenResult struct {
	Copied  int   // chunks that were copied
	Bytes   int64 // bytes of the copied chunks
	Present int   // chunks that the target had already, with the same size
	// Failed is how many chunks were not copied: those that can't be copied and those that were
	// passed over, but not those that are missing.
	Failed int
}

// CopyBetween copies chunks from a container of one storage to a container of another, through this
// process: to move a service to another storage, or where a storage can't copy by itself. The
// target container must exist. Chunks that the target has already are left as they are. So a copy
// that broke off is just called again. The result counts what was done, also beside an error.
//
// If a chunk can't be copied, the others still are. The error that is returned at the end joins the
// errors of the first 100 such chunks and a *ChunksMissingError of those of Names that are missing.
// ErrSize: the target has the chunk with another size. ErrDamaged: the content is not what the
// chunk's name stands for. Other errors are those of the storages.
//
// The copy stops early when ctx ends, when a container is not found (ErrNotFound), when a storage
// is closed (ErrClosed), and when chunks can't be listed or looked for. Chunks are copied in pages
// of up to 1,000, in random order within a page, so that a copy that is called again gets past
// chunks that always fail. After 100 failures of a storage in a row, the other chunks of the page
// are passed over. After ten such pages in a row, of which no chunk was copied, the copy stops.
//
// Beside Names, memory holds the names of 1,000 chunks, and what the storages need for Parallel
// streams.
func CopyBetween(ctx context.Context, p CopyBetweenParams) (CopyBetweenResult, error) {
	c := copier{CopyBetweenParams: p}
	var ok bool
	if c.reader, ok = stacksync.As[stacksync.ChunkReader](p.From); !ok {
		return CopyBetweenResult{}, fmt.Errorf("copy from %T, which is no ChunkReader: %w", p.From, errors.ErrUnsupported)
	}
	if c.writer, ok = stacksync.As[stacksync.ChunkWriter](p.To); !ok {
		return CopyBetweenResult{}, fmt.Errorf("copy to %T, which is no ChunkWriter: %w", p.To, errors.ErrUnsupported)
	}
	switch {
	case p.Parallel < 0:
		return CopyBetweenResult{}, &stacksync.FieldError{Field: "Parallel", Reason: "is negative"}
	case p.Parallel == 0:
		c.Parallel = 8
	}
	var err error
	if p.Names == nil {
		err = c.all(ctx)
	} else {
		err = c.named(ctx, slices.Compact(slices.Sorted(slices.Values(p.Names))))
	}
	errs := append([]error{err}, c.failed...)
	if more := c.done.Failed - len(c.failed); more > 0 {
		errs = append(errs, fmt.Errorf("%d more chunks failed or were passed over", more))
	}
	if len(c.missing) > 0 {
		errs = append(errs, &stacksync.ChunksMissingError{Names: c.missing})
	}
	if err := errors.Join(errs...); err != nil {
		return c.done, fmt.Errorf("copy between storages: %w", err)
	}
	return c.done, nil
}

// copier is one call of CopyBetween.
type copier struct {
	CopyBetweenParams
	reader stacksync.ChunkReader
	writer stacksync.ChunkWriter

	mu      sync.Mutex
	done    CopyBetweenResult
	missing []string
	failed  []error // of the first mostFailures chunks that failed
	row     int     // failures of a storage since a chunk was copied, in this page
	copied  bool    // whether a chunk of this page was copied
	given   int     // pages in a row that were given up and of which no chunk was copied
}

const (
	copyPage     = 1000 // chunks in a page: bounds what one call asks of a storage
	mostFailures = 100  // chunks whose errors are returned; also the failures in a row after which a page is given up
	mostGiven    = 10   // pages in a row that are given up before the copy stops
)

var errGivenUp = errors.New("the page is given up")

// named copies the given chunks, page by page.
func (c *copier) named(ctx context.Context, names []string) error {
	for len(names) > 0 {
		n := min(len(names), copyPage)
		from, err := c.From.StatChunks(ctx, stacksync.StatChunksParams{Container: c.FromContainer, Names: names[:n]})
		if err != nil {
			return err
		}
		there := make(map[string]bool, len(from.Chunks))
		for _, chunk := range from.Chunks {
			there[chunk.Name] = true
		}
		for _, name := range names[:n] {
			if !there[name] {
				c.missing = append(c.missing, name)
			}
		}
		if err := c.copy(ctx, from.Chunks); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// all copies the chunks that the source lists, page by page.
func (c *copier) all(ctx context.Context) error {
	for after := ""; ; {
		page, err := c.From.ListChunks(ctx, stacksync.ListChunksParams{Container: c.FromContainer, After: after, Limit: copyPage})
		if err != nil {
			return err
		}
		chunks := make([]stacksync.Chunk, len(page.Chunks))
		for i := range page.Chunks {
			chunks[i] = page.Chunks[i].Chunk
		}
		if err := c.copy(ctx, chunks); err != nil {
			return err
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// copy copies a page of chunks that the source has. Its error says why the copy must stop.
func (c *copier) copy(ctx context.Context, chunks []stacksync.Chunk) error {
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Name
	}
	res, err := c.To.StatChunks(ctx, stacksync.StatChunksParams{Container: c.ToContainer, Names: names})
	if err != nil {
		return err
	}
	stored := make(map[string]int64, len(res.Chunks))
	for _, chunk := range res.Chunks {
		stored[chunk.Name] = chunk.Size
	}
	var left []stacksync.Chunk
	for _, chunk := range chunks {
		switch size, ok := stored[chunk.Name]; {
		case !ok:
			left = append(left, chunk)
		case size == chunk.Size:
			c.done.Present++
		default:
			_ = c.fail(chunk, fmt.Errorf("%w: the target has it with %d bytes, not %d", stacksync.ErrSize, size, chunk.Size))
		}
	}
	c.row, c.copied = 0, false
	err = c.copyAll(ctx, left)
	if !errors.Is(err, errGivenUp) {
		c.given = 0
		return err
	}
	if c.copied {
		c.given = 0
	} else if c.given++; c.given == mostGiven {
		return fmt.Errorf("stopped after %d pages of chunks of which none could be copied", c.given)
	}
	return nil
}

// copyAll copies chunks that the target lacks, Parallel at once. errGivenUp: the rest was passed
// over.
func (c *copier) copyAll(ctx context.Context, chunks []stacksync.Chunk) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan stacksync.Chunk)
	for range min(c.Parallel, len(chunks)) {
		wg.Go(func() {
			for chunk := range next {
				if err := c.try(ctx, chunk); err != nil {
					cancel(err)
				}
			}
		})
	}
	rand.Shuffle(len(chunks), func(i, j int) { chunks[i], chunks[j] = chunks[j], chunks[i] })
	for _, chunk := range chunks {
		next <- chunk
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// try copies a chunk, or counts it as failed. Its error says why the other chunks should not be
// tried.
func (c *copier) try(ctx context.Context, chunk stacksync.Chunk) error {
	err := ctx.Err()
	if err == nil {
		err = c.copyChunk(ctx, chunk)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errGivenUp):
		c.count(func(r *CopyBetweenResult) { r.Failed++ })
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, stacksync.ErrClosed), errors.Is(err, stacksync.ErrNotFound) && !errors.Is(err, stacksync.ErrChunkNotFound):
		return fmt.Errorf("chunk %q: %w", chunk.Name, err)
	}
	return c.fail(chunk, err)
}

// fail counts a chunk that can't be copied. It returns errGivenUp after too many failures of a
// storage in a row.
func (c *copier) fail(chunk stacksync.Chunk, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done.Failed++
	if len(c.failed) < mostFailures {
		c.failed = append(c.failed, fmt.Errorf("chunk %q: %w", chunk.Name, err))
	}
	if errors.Is(err, stacksync.ErrInvalid) || errors.Is(err, stacksync.ErrDamaged) { // the chunk's own fault, not the storage's
		return nil
	}
	if c.row++; c.row < mostFailures {
		return nil
	}
	return errGivenUp
}

// copyChunk copies one chunk.
func (c *copier) copyChunk(ctx context.Context, chunk stacksync.Chunk) error {
	from, err := c.reader.ReadChunk(ctx, stacksync.ReadChunkParams{Container: c.FromContainer, Name: chunk.Name})
	if errors.Is(err, stacksync.ErrChunkNotFound) { // deleted since the page was read
		if c.Names != nil {
			c.mu.Lock()
			c.missing = append(c.missing, chunk.Name)
			c.mu.Unlock()
		}
		return nil
	}
	if err != nil {
		return err
	}
	var content io.Reader = from.Content
	if c.ChunkHash != nil {
		content = checked.Reader(content, c.ChunkHash, chunk, checked.Damaged)
	}
	_, err = c.writer.WriteChunk(ctx, stacksync.WriteChunkParams{Container: c.ToContainer, Chunk: chunk, Content: content})
	if err = errors.Join(err, from.Content.Close()); err != nil {
		return err
	}
	c.count(func(r *CopyBetweenResult) {
		r.Copied++
		r.Bytes += chunk.Size
		c.row, c.copied = 0, true
	})
	return nil
}

// count changes the counts of the result under the lock.
func (c *copier) count(add func(*CopyBetweenResult)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.done)
}
