package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

func newBuffer() any {
	b := make([]byte, 256<<10)
	return &b
}

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays as it is; content of another size than it has
// is a stacksync.ErrSize. A full disk is the error of the operating system, say syscall.ENOSPC.
func (s *Storage) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	err := check.WriteChunk(ctx, p)
	if err == nil {
		err = s.writeChunk(ctx, p)
	}
	if err != nil {
		return stacksync.WriteChunkResult{}, fmt.Errorf("write chunk %.255q: %w", p.Name, err)
	}
	return stacksync.WriteChunkResult{}, nil
}

func (s *Storage) writeChunk(ctx context.Context, p stacksync.WriteChunkParams) error {
	c, err := s.openContainer(p.Container)
	if err != nil {
		return err
	}
	if c == nil {
		return missingContainer(p.Container)
	}
	defer c.Close()
	stored, err := s.touchSame(c, p.Chunk)
	if err != nil {
		return err
	}
	content := check.Content(ctx, p.Content, p.Size)
	if stored {
		if err := s.copy(io.Discard, content); err != nil {
			return err
		}
	} else {
		err := s.store(c, p.Container, p.Chunk, func(f *os.File) error {
			if err := s.copy(f, content); err != nil {
				return err
			}
			_, err := f.WriteString(trailerOf(p.Name))
			return err
		})
		if err != nil {
			return err
		}
	}
	// Of a stored one too: whoever wrote it may not have come this far. Where this fails, the chunk stays: it is whole, and
	// another writer of the same one may have told its caller so.
	return s.syncShard(p.Container, placeOf(p.Name).shard)
}

// copy is io.Copy through a buffer that is used again.
func (s *Storage) copy(w io.Writer, r io.Reader) error {
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, r, *b) // hides ReadFrom, which would not use the buffer
	return err
}

// store makes the file of a chunk in container c, which is called container: fill writes it under
// another name. A chunk that was stored meanwhile stays as it is; with another size that is a
// stacksync.ErrSize.
func (s *Storage) store(c *os.Root, container string, chunk stacksync.Chunk, fill func(*os.File) error) error {
	name := s.temp.name()
	err := s.makeFile(name, fill)
	if err == nil {
		err = s.put(container, placeOf(chunk.Name), func(to string) error { return s.publish(c, chunk, name, to) })
	}
	if err != nil {
		return errors.Join(err, s.removeFile(name))
	}
	return nil
}

// publish gives a file that was written its place. It links it there, since a rename would replace
// a chunk that another writer has stored while this one was on its way, and that may be committed.
// Only a damaged file, which counts as no chunk, is replaced.
func (s *Storage) publish(c *os.Root, chunk stacksync.Chunk, name, to string) error {
	err := s.place(name, to)
	if err == nil {
		return s.removeFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The place is taken, or the file system has no hard links: then a chunk that comes between
	// this look and the rename is replaced.
	stored, err := s.touchSame(c, chunk)
	switch {
	case err != nil:
		return err
	case stored:
		return s.removeFile(name)
	}
	return s.root.Rename(name, to)
}

func (s *Storage) makeFile(name string, fill func(*os.File) error) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil && s.sync != nil {
		err = s.sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (s *Storage) removeFile(name string) error {
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// put calls do with the path of a place, whose folder is there and durable.
func (s *Storage) put(container string, p place, do func(path string) error) error {
	const tries = 2
	var err error
	for range tries {
		if err = s.makeShard(container, p.shard); err != nil {
			return err
		}
		err = do(containerPath(container) + "/" + p.path())
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.shards.forgetAll() // the container was deleted since, and perhaps made again
	}
	return err
}

// makeShard has the folder of a shard there and durable.
func (s *Storage) makeShard(container, shard string) error {
	name := containerPath(container) + "/" + shard
	if s.shards.has(name) {
		return nil
	}
	_, err := mkdir(s.root.Mkdir, name)
	if err == nil {
		err = s.syncDir(containerPath(container))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return missingContainer(container)
	}
	if err == nil {
		s.shards.add(name)
	}
	return err
}

// syncShard makes all chunks of a shard survive a power failure.
func (s *Storage) syncShard(container, shard string) error {
	if err := s.makeShard(container, shard); err != nil {
		return err
	}
	err := s.syncDir(containerPath(container) + "/" + shard)
	if errors.Is(err, fs.ErrNotExist) { // deleted since, with what was written
		return missingContainer(container)
	}
	return err
}
