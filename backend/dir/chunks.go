package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// StatChunks implements stacksync.StorageProvisioner.
func (s *Storage) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	err := check.StatChunks(ctx, p)
	var chunks []stacksync.Chunk
	if err == nil {
		chunks, err = s.statChunks(ctx, p)
	}
	if err != nil {
		return stacksync.StatChunksResult{}, fmt.Errorf("stat chunks: %w", err)
	}
	return stacksync.StatChunksResult{Chunks: chunks}, nil
}

func (s *Storage) statChunks(ctx context.Context, p stacksync.StatChunksParams) ([]stacksync.Chunk, error) {
	c, err := s.openContainer(p.Container)
	if c == nil {
		return nil, err
	}
	defer c.Close()
	var chunks []stacksync.Chunk
	for name := range unique(p.Names) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		chunk, ok, err := s.stat(c, name)
		if err != nil {
			return nil, err
		}
		if ok {
			chunks = append(chunks, chunk.Chunk)
		}
	}
	return chunks, nil
}

// unique yields each name once, in order.
func unique(names []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		seen := make(map[string]bool, len(names))
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			if !yield(name) {
				return
			}
		}
	}
}

// stat looks for a chunk in the folder of a container. A damaged one is not stored: it can be written again.
func (s *Storage) stat(c *os.Root, name string) (stacksync.StoredChunk, bool, error) {
	p := placeOf(name)
	info, err := c.Lstat(p.path())
	if errors.Is(err, fs.ErrNotExist) {
		return stacksync.StoredChunk{}, false, nil
	}
	if err != nil {
		return stacksync.StoredChunk{}, false, err
	}
	size := info.Size() - int64(len(trailerOf(name)))
	if size < 0 || !info.Mode().IsRegular() {
		s.log.Warn("damaged chunk", "container", c.Name(), "file", p.path())
		return stacksync.StoredChunk{}, false, nil
	}
	return stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: size}, StoredAt: info.ModTime().UTC()}, true, nil
}

// touchSame is touch of a chunk that has to have the size of another one: else it is a stacksync.ErrSize.
func (s *Storage) touchSame(c *os.Root, as stacksync.Chunk) (bool, error) {
	chunk, ok, err := s.stat(c, as.Name)
	if !ok {
		return false, err
	}
	if chunk.Size != as.Size {
		return false, fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, chunk.Size, as.Size)
	}
	return s.touch(c, as.Name)
}

// touch makes a chunk that stat has seen count as stored now, and reports whether it is there.
func (s *Storage) touch(c *os.Root, name string) (bool, error) {
	err := c.Chtimes(placeOf(name).path(), time.Time{}, time.Now())
	if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
		return false, nil
	}
	return err == nil, err
}

// DeleteChunks implements stacksync.StorageProvisioner.
func (s *Storage) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	err := check.DeleteChunks(ctx, p)
	if err == nil {
		err = s.deleteChunks(ctx, p)
	}
	if err != nil {
		return stacksync.DeleteChunksResult{}, fmt.Errorf("delete chunks: %w", err)
	}
	return stacksync.DeleteChunksResult{}, nil
}

func (s *Storage) deleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) error {
	c, err := s.openContainer(p.Container)
	if c == nil {
		return err
	}
	defer c.Close()
	for _, name := range p.Names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.Remove(placeOf(name).path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ReadChunk implements stacksync.ChunkReader. The Content is an io.Seeker and io.ReaderAt too; it is read whole also when the chunk is
// deleted meanwhile, and when ctx has ended.
func (s *Storage) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	err := check.ReadChunk(ctx, p)
	var r stacksync.ReadChunkResult
	if err == nil {
		r, err = s.readChunk(p)
	}
	if err != nil {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %.255q: %w", p.Name, err)
	}
	return r, nil
}

func (s *Storage) readChunk(p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	none := stacksync.ReadChunkResult{}
	c, err := s.openContainer(p.Container)
	if err != nil {
		return none, err
	}
	if c == nil {
		return none, stacksync.ErrChunkNotFound
	}
	defer c.Close()
	// Looked at before it is opened: what lies there may be a pipe, which would keep Open waiting.
	_, ok, err := s.stat(c, p.Name)
	if err != nil {
		return none, err
	}
	if !ok {
		return none, stacksync.ErrChunkNotFound
	}
	f, err := c.Open(placeOf(p.Name).path())
	if errors.Is(err, fs.ErrNotExist) {
		return none, stacksync.ErrChunkNotFound
	}
	if err != nil {
		return none, err
	}
	info, err := f.Stat()
	if err != nil {
		return none, errors.Join(err, f.Close())
	}
	if isPlain(p.Name) {
		return stacksync.ReadChunkResult{Size: info.Size(), Content: f}, nil // as a file, so that sendfile works
	}
	size := info.Size() - int64(len(trailerOf(p.Name)))
	if size < 0 { // damaged since
		return none, errors.Join(stacksync.ErrChunkNotFound, f.Close())
	}
	return stacksync.ReadChunkResult{Size: size, Content: content{io.NewSectionReader(f, 0, size), f}}, nil
}

// content is a chunk without the name at the end of its file.
type content struct {
	*io.SectionReader
	io.Closer
}
