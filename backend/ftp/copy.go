package ftp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CopyChunks implements stacksync.StorageProvisioner. A server with mod_copy of ProFTPD copies by itself; otherwise the content goes
// through this process. A chunk that is stored is not copied, but counts as stored now, by the server's clock, where the server can set times
// (MFMT). Copying to a missing container is a stacksync.ErrNotFound, onto a chunk of another size a stacksync.ErrSize.
func (s *Storage) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	err := check.CopyChunks(ctx, p)
	if err == nil {
		err = s.copyChunks(ctx, p)
	}
	if err != nil {
		return stacksync.CopyChunksResult{}, fmt.Errorf("copy chunks: %w", err)
	}
	return stacksync.CopyChunksResult{}, nil
}

func (s *Storage) copyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	ctx, done := s.join(ctx)
	defer done()
	there := false
	err := s.with(ctx, func(c *conn) (err error) {
		there, err = c.isFolder(s.containerPath(p.To))
		return err
	})
	if err != nil {
		return err
	}
	if !there {
		return missingContainer(p.To)
	}
	var (
		mu      sync.Mutex
		missing []string
	)
	names := unique(p.Names)
	err = s.each(ctx, len(names), func(ctx context.Context, i int) error {
		err := s.copyChunk(ctx, p, names[i])
		if errors.Is(err, stacksync.ErrChunkNotFound) {
			mu.Lock()
			defer mu.Unlock()
			missing = append(missing, names[i])
			return nil
		}
		if err != nil {
			return fmt.Errorf("%q: %w", names[i], err)
		}
		return nil
	})
	if err == nil && missing != nil {
		return &stacksync.ChunksMissingError{Names: missing}
	}
	return err
}

func (s *Storage) copyChunk(ctx context.Context, p stacksync.CopyChunksParams, name string) error {
	place := placeOf(name)
	byServer := s.copies.Load()
	from, to, temp := s.path(p.From, place), s.path(p.To, place), s.tempPath(p.To)
	var stored, copied bool
	var size int64
	err := s.with(ctx, func(c *conn) (err error) {
		var there bool
		if size, there, err = c.size(from); err != nil {
			return err
		}
		if !there {
			return sound(stacksync.ErrChunkNotFound)
		}
		if stored, err = s.touch(c, p.To, to, "", size); stored || err != nil || !byServer {
			return err
		}
		copied = true // perhaps in part
		return s.copyByServer(c, p.To, from, temp)
	})
	switch {
	case errors.Is(err, errNoCopy):
		s.log.Info("the server does not copy", "error", err)
		s.copies.Store(false)
		byServer = false
	case err != nil || stored:
		if copied && !errors.Is(err, stacksync.ErrChunkNotFound) {
			s.removeLater(temp)
		}
		return err
	}
	if !byServer {
		return s.copyThrough(ctx, p, name)
	}
	// The connection may be one that was idle, and break when all is done: then it is done again on another.
	publish := func(c *conn) error { return s.publishAgain(c, p.To, temp, place, size) }
	err = s.with(ctx, publish)
	if isBroken(err) && ended(ctx) == nil {
		err = s.with(ctx, publish)
	}
	if err != nil {
		s.removeLater(temp)
	}
	return err
}

var errNoCopy = errors.New("SITE CPFR and CPTO do not work")

func (s *Storage) copyByServer(c *conn, container, from, temp string) error {
	copying := func() error {
		if _, err := c.command(ftp.StatusRequestFilePending, "SITE CPFR "+from); err != nil {
			return err
		}
		_, err := c.command(ftp.StatusRequestedFileActionOK, "SITE CPTO "+temp)
		return err
	}
	err := copying()
	if !isUnavailable(err) {
		return orNoCopy(err)
	}
	// Either there is no folder for temporary files yet, or the source is gone, or this is not allowed.
	if err := s.makeFolder(c, container, tempFolder); err != nil {
		return err
	}
	if err := copying(); err != nil {
		if _, there, sizeErr := c.size(from); !there && sizeErr == nil {
			return sound(stacksync.ErrChunkNotFound)
		}
		return orNoCopy(err)
	}
	return nil
}

// orNoCopy tells a server that refuses from a connection that is broken.
func orNoCopy(err error) error {
	if reply := replyOf(err); reply != nil {
		return sound(fmt.Errorf("%w: %w", errNoCopy, reply))
	}
	return err
}

// copyThrough reads a chunk and writes it.
func (s *Storage) copyThrough(ctx context.Context, p stacksync.CopyChunksParams, name string) error {
	chunk, err := s.readChunk(ctx, stacksync.ReadChunkParams{Container: p.From, Name: name})
	if err != nil {
		return err
	}
	defer chunk.Content.Close()
	return s.store(ctx, p.To, placeOf(name), chunk.Size, check.ContentWithin(ctx, chunk.Content, chunk.Size, s.pool.server.silence))
}
