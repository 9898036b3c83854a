package ftp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CopyChunks implements stacksync.StorageProvisioner. A server with mod_copy of ProFTPD copies by itself; otherwise the content goes
// through this process. A chunk that is stored with the same size is not copied, but counts as stored now, by the clock of this machine,
// where the server can set times (MFMT). Copying to a missing container is a stacksync.ErrNotFound.
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
	stored := false
	var size int64
	err := s.with(ctx, func(c *conn) (err error) {
		var there bool
		if size, there, err = c.size(from); err != nil {
			return err
		}
		if !there {
			return sound(stacksync.ErrChunkNotFound)
		}
		if stored, err = c.touch(to, size); stored || err != nil || !byServer {
			return err
		}
		return s.copyByServer(c, p.To, from, temp)
	})
	switch {
	case errors.Is(err, errNoCopy):
		s.log.Info("the server does not copy", "error", err)
		s.copies.Store(false)
		byServer = false
	case err != nil || stored:
		if err != nil && byServer && !errors.Is(err, stacksync.ErrChunkNotFound) {
			s.removeLater(temp)
		}
		return err
	}
	if !byServer {
		return s.copyThrough(ctx, p, name)
	}
	err = s.with(ctx, func(c *conn) error {
		got, there, err := c.size(temp)
		if err == nil && (!there || got != size) {
			err = sound(fmt.Errorf("the server has copied %d of %d bytes", got, size))
		}
		if err != nil {
			return err
		}
		return s.publish(c, p.To, temp, place)
	})
	if isBroken(err) && ended(ctx) == nil {
		err = s.with(ctx, func(c *conn) error { return s.publishAgain(c, p.To, temp, place, size) })
	}
	if err != nil {
		s.removeLater(temp)
	}
	return err
}

// touch makes a file count as stored now, if it is there and has this size.
func (c *conn) touch(file string, size int64) (bool, error) {
	stored, there, err := c.size(file)
	if err != nil || !there || stored != size {
		return false, err
	}
	if !c.ftp.IsSetTimeSupported() {
		return true, nil
	}
	err = c.ftp.SetTime(file, time.Now())
	if isUnavailable(err) { // gone, or not allowed
		return false, nil
	}
	return err == nil, err
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
	if err := s.copying.Acquire(ctx, 1); err != nil {
		return ended(ctx)
	}
	defer s.copying.Release(1)
	chunk, err := s.readChunk(ctx, stacksync.ReadChunkParams{Container: p.From, Name: name})
	if err != nil {
		return err
	}
	defer chunk.Content.Close()
	return s.store(ctx, p.To, placeOf(name), chunk.Size, check.Content(ctx, chunk.Content, chunk.Size))
}
