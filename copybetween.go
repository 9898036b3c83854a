package stacksync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// CopyBetweenParams are those of CopyBetween.
type CopyBetweenParams struct {
	// From must be a ChunkReader, To a ChunkWriter.
	From, To                   StorageProvisioner
	FromContainer, ToContainer string
	// Names are the chunks to copy; nil: all that From lists.
	Names []string
	// Parallel is how many chunks travel at once. Defaults to 8.
	Parallel int
}

// CopyBetweenResult is that of CopyBetween.
type CopyBetweenResult struct {
	Copied  int   // chunks
	Bytes   int64 // of them
	Present int   // chunks that were there already, with the same size
}

// CopyBetween copies chunks from a container of one storage to one of another, through this process: to move a service to another storage,
// or from one that can't copy by itself. The target container must exist. What is there already is passed over, so that a copy that broke
// off is called again; the result counts what was done also beside an error. Chunks of Names that are missing are named in the
// *ChunksMissingError that is returned after the others have been copied. Beside Names, memory holds the names of 1,000 chunks, and what the
// storages need for Parallel streams.
func CopyBetween(ctx context.Context, p CopyBetweenParams) (CopyBetweenResult, error) {
	c := copier{CopyBetweenParams: p}
	var ok bool
	if c.reader, ok = As[ChunkReader](p.From); !ok {
		return CopyBetweenResult{}, fmt.Errorf("copy from %T, which is no ChunkReader: %w", p.From, errors.ErrUnsupported)
	}
	if c.writer, ok = As[ChunkWriter](p.To); !ok {
		return CopyBetweenResult{}, fmt.Errorf("copy to %T, which is no ChunkWriter: %w", p.To, errors.ErrUnsupported)
	}
	switch {
	case p.Parallel < 0:
		return CopyBetweenResult{}, &FieldError{Field: "Parallel", Reason: "is negative"}
	case p.Parallel == 0:
		c.Parallel = 8
	}
	var err error
	if p.Names == nil {
		err = c.all(ctx)
	} else {
		err = c.named(ctx, unique(slices.Clone(p.Names)))
	}
	if err == nil && len(c.missing) > 0 {
		err = &ChunksMissingError{Names: c.missing}
	}
	if err != nil {
		return c.done, fmt.Errorf("copy between storages: %w", err)
	}
	return c.done, nil
}

type copier struct {
	CopyBetweenParams
	reader ChunkReader
	writer ChunkWriter

	mu      sync.Mutex
	done    CopyBetweenResult
	missing []string
}

// copyPage bounds what is asked of the storages at once.
const copyPage = 1000

func (c *copier) named(ctx context.Context, names []string) error {
	for len(names) > 0 {
		n := min(len(names), copyPage)
		from, err := c.From.StatChunks(ctx, StatChunksParams{Container: c.FromContainer, Names: names[:n]})
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

func (c *copier) all(ctx context.Context) error {
	for after := ""; ; {
		page, err := c.From.ListChunks(ctx, ListChunksParams{Container: c.FromContainer, After: after, Limit: copyPage})
		if err != nil {
			return err
		}
		chunks := make([]Chunk, len(page.Chunks))
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

// copy copies some chunks that the source has. After the first failure it starts no other one.
func (c *copier) copy(ctx context.Context, chunks []Chunk) error {
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Name
	}
	res, err := c.To.StatChunks(ctx, StatChunksParams{Container: c.ToContainer, Names: names})
	if err != nil {
		return err
	}
	stored := make(map[Chunk]bool, len(res.Chunks))
	for _, chunk := range res.Chunks {
		stored[chunk] = true
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan Chunk)
	for range min(c.Parallel, len(chunks)) {
		wg.Go(func() {
			for chunk := range next {
				if err := c.copyChunk(ctx, chunk); err != nil {
					cancel(fmt.Errorf("chunk %q: %w", chunk.Name, err))
				}
			}
		})
	}
	for _, chunk := range chunks {
		if ctx.Err() != nil {
			break
		}
		if stored[chunk] {
			c.count(func(r *CopyBetweenResult) { r.Present++ })
			continue
		}
		next <- chunk
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func (c *copier) copyChunk(ctx context.Context, chunk Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, err := c.reader.ReadChunk(ctx, ReadChunkParams{Container: c.FromContainer, Name: chunk.Name})
	if errors.Is(err, ErrChunkNotFound) { // deleted since
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
	_, err = c.writer.WriteChunk(ctx, WriteChunkParams{Container: c.ToContainer, Chunk: chunk, Content: from.Content})
	if err = errors.Join(err, from.Content.Close()); err != nil {
		return err
	}
	c.count(func(r *CopyBetweenResult) { r.Copied++; r.Bytes += chunk.Size })
	return nil
}

func (c *copier) count(add func(*CopyBetweenResult)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.done)
}
