package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays, and counts as stored now, by the server's clock, where the
// server can set times (MFMT); content of another size than it has is a stacksync.ErrSize. Of two that are written at the same moment
// the later may replace the earlier. Where the connection breaks, it tries once more if it had not begun to read Content, or Content is
// an io.Seeker. It fails where Content brings nothing for as long as Config.Silence says, since others wait for its connection.
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
	ctx, done := s.join(ctx)
	defer done()
	seeker, start, canSeek := seekable(p.Content)
	for again := false; ; again = true {
		content := check.ContentWithin(ctx, p.Content, p.Size, s.pool.server.silence)
		err := s.store(ctx, p.Container, placeOf(p.Name), p.Size, content)
		var cut *cutError
		if again || !canSeek || !errors.As(err, &cut) || ended(ctx) != nil {
			return err
		}
		if _, seekErr := seeker.Seek(start, io.SeekStart); seekErr != nil {
			return err
		}
		s.log.Debug("writing a chunk again", "container", p.Container, "chunk", p.Name, "error", err)
	}
}

// seekable returns where content begins, if it can be read again.
func seekable(content io.Reader) (io.Seeker, int64, bool) {
	seeker, ok := content.(io.Seeker)
	if !ok {
		return nil, 0, false
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	return seeker, start, err == nil
}

// cutError says that content did not arrive, though it was good.
type cutError struct{ err error }

func (e *cutError) Error() string { return "the upload was cut: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// source is content on its way. It remembers whether it was touched, and how it has failed.
type source struct {
	io.Reader
	touched bool
	err     error
}

func (r *source) Read(p []byte) (int, error) {
	r.touched = true
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// store writes a file that appears at its place when it is whole.
func (s *Storage) store(ctx context.Context, container, place string, size int64, content io.Reader) error {
	temp := s.tempPath(container)
	from := &source{Reader: content}
	uploaded := false
	err := s.with(ctx, func(c *conn) error {
		err := s.upload(c, container, temp, size, from)
		uploaded = err == nil
		if uploaded {
			err = s.publish(c, container, temp, place, size)
		}
		c.spent = from.touched
		return err
	})
	if uploaded && isBroken(err) && ended(ctx) == nil {
		// Nobody knows how far the server came.
		err = s.with(ctx, func(c *conn) error { return s.publishAgain(c, container, temp, place, size) })
	}
	if err == nil {
		return nil
	}
	if from.touched { // else there is none
		s.removeLater(temp)
	}
	if why := ended(ctx); why != nil && from.err == nil {
		return why
	}
	return err
}

// upload sends content to a temporary file. The file may be there after a failure.
func (s *Storage) upload(c *conn, container, temp string, size int64, from *source) error {
	err := c.ftp.Stor(temp, from)
	if isUnavailable(err) && !from.touched {
		if err := s.makeFolder(c, container, tempFolder); err != nil {
			return err
		}
		err = c.ftp.Stor(temp, from)
	}
	switch {
	case from.err != nil && isAlone(err):
		// The content is bad, the connection is good: the reply to the end of the data was read.
		return sound(from.err)
	case from.err != nil:
		return from.err
	case err != nil && !from.touched:
		return err
	case isRefusal(err): // the disk is full, say: the content would be for nothing once more
		return sound(fmt.Errorf("the server does not take the content: %w", err))
	case err != nil:
		return &cutError{err}
	}
	stored, there, err := c.size(temp)
	if isBroken(err) {
		return &cutError{err}
	}
	if err == nil && (!there || stored != size) {
		err = sound(&cutError{fmt.Errorf("%d of %d bytes were stored", stored, size)})
	}
	return err
}

// publish gives a file that was uploaded its place, or removes it where the chunk is stored already.
func (s *Storage) publish(c *conn, container, temp, place string, size int64) error {
	to := s.path(container, place)
	stored, err := s.touch(c, container, to, temp, size)
	if err != nil {
		return err
	}
	if stored {
		return c.remove(temp)
	}
	err = c.ftp.Rename(temp, to)
	if !isUnavailable(err) {
		return err
	}
	if err := s.makeFolder(c, container, path.Dir(place)); err != nil { // for the first file of its shard
		return err
	}
	err = c.ftp.Rename(temp, to)
	if !isUnavailable(err) {
		return err
	}
	if made, roomErr := s.makeRoom(c, container, place); roomErr != nil {
		return roomErr
	} else if !made {
		return err
	}
	if err := s.makeFolder(c, container, path.Dir(place)); err != nil {
		return err
	}
	return c.ftp.Rename(temp, to)
}

// publishAgain is publish, which may have happened already.
func (s *Storage) publishAgain(c *conn, container, temp, place string, size int64) error {
	got, there, err := c.size(temp)
	switch {
	case err != nil:
		return err
	case there && got != size:
		return sound(&cutError{fmt.Errorf("%d of %d bytes are there", got, size)})
	case there:
		return s.publish(c, container, temp, place, size)
	}
	stored, err := s.touch(c, container, s.path(container, place), "", size)
	if err == nil && !stored {
		err = sound(&cutError{errors.New("the file is not there")})
	}
	return err
}

// touch makes a chunk count as stored now, by the server's clock, if it is there. One of another size is a stacksync.ErrSize. fresh is a file
// that was written just now, or empty.
func (s *Storage) touch(c *conn, container, file, fresh string, size int64) (stored bool, err error) {
	has, there, err := c.size(file)
	if err != nil || !there {
		return false, err
	}
	if has != size {
		return false, sound(fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, has, size))
	}
	if !keepsTime(c.ftp) {
		return true, nil
	}
	now, err := s.serverTime(c, container, fresh)
	if err != nil {
		return false, err
	}
	err = c.ftp.SetTime(file, now)
	if isUnavailable(err) { // gone, or not allowed: it is written anew
		return false, nil
	}
	return err == nil, err
}

// makeFolder makes a folder in a container, with those above it. It never makes the container.
func (s *Storage) makeFolder(c *conn, container, folder string) error {
	there, err := c.isFolder(s.containerPath(container))
	if err != nil {
		return err
	}
	if !there {
		return missingContainer(container)
	}
	made := s.containerPath(container)
	for part := range strings.SplitSeq(folder, "/") {
		made = path.Join(made, part)
		if err := c.ftp.MakeDir(made); err != nil && !isUnavailable(err) { // most likely it is there
			return err
		}
	}
	return nil
}
