package memory

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// blockSize bounds what is allocated before content has come: a size is only a claim.
const blockSize = 1 << 20

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays as it is and counts as stored now; content of
// another size than it has is a stacksync.ErrSize.
func (s *Storage) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	if err := s.writeChunk(ctx, p); err != nil {
		return stacksync.WriteChunkResult{}, fmt.Errorf("write chunk %.255q: %w", p.Name, err)
	}
	return stacksync.WriteChunkResult{}, nil
}

func (s *Storage) writeChunk(ctx context.Context, p stacksync.WriteChunkParams) error {
	if err := check.WriteChunk(ctx, p); err != nil {
		return err
	}
	c, ok := s.container(p.Container)
	if !ok {
		return fmt.Errorf("container %q %w", p.Container, stacksync.ErrNotFound)
	}
	blocks, err := readBlocks(check.Content(ctx, p.Content, p.Size), p.Size)
	if err != nil {
		return err
	}
	return c.put(p.Name, chunk{blocks: blocks, size: p.Size, storedAt: s.now()})
}

// readBlocks reads r to its end; size is how long it is going to be.
func readBlocks(r io.Reader, size int64) (blocks [][]byte, err error) {
	for ; size > 0; size -= blockSize {
		block := make([]byte, min(size, blockSize))
		if _, err := io.ReadFull(r, block); err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // brings the error of content that is too long for no block at all
		return nil, err
	}
	return blocks, nil
}

// ReadChunk implements stacksync.ChunkReader. The Content is not touched by what becomes of the chunk later.
func (s *Storage) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	if err := check.ReadChunk(ctx, p); err != nil {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %.255q: %w", p.Name, err)
	}
	c, _ := s.container(p.Container)
	ch, ok := c.get(p.Name)
	if !ok {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %q of container %q: %w", p.Name, p.Container, stacksync.ErrChunkNotFound)
	}
	return stacksync.ReadChunkResult{Size: ch.size, Content: &reader{blocks: ch.blocks}}, nil
}

// reader reads blocks one after the other. It may be closed while somebody reads: see stacksync.ChunkWriter.
type reader struct {
	mu     sync.Mutex
	blocks [][]byte // what is left; none is empty
	off    int      // into the first
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, fs.ErrClosed
	}
	if len(r.blocks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.blocks[0][r.off:])
	if r.off += n; r.off == len(r.blocks[0]) {
		r.blocks, r.off = r.blocks[1:], 0
	}
	return n, nil
}

func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.blocks = true, nil
	return nil
}
