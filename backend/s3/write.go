package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// WriteChunk implements stacksync.ChunkWriter. A chunk that is stored stays as it is; content of another size than it has is a
// stacksync.ErrSize. Up to 32 MiB are sent as they are read. More is sent in parts, for which a call has 48 MiB of memory; that is also
// what can be sent again when Content is no io.Seeker. A chunk may have 156 GiB.
func (s *Storage) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	err := check.WriteChunk(ctx, p)
	if err == nil && p.Size > mostParts*partSize {
		err = &stacksync.FieldError{Field: "Size", Reason: fmt.Sprintf("is more than %d bytes", mostParts*partSize), Err: stacksync.ErrLimit}
	}
	if err == nil {
		err = s.writeChunk(ctx, p)
	}
	if err != nil {
		return stacksync.WriteChunkResult{}, fmt.Errorf("write chunk %.255q: %w", p.Name, err)
	}
	return stacksync.WriteChunkResult{}, nil
}

func (s *Storage) writeChunk(ctx context.Context, p stacksync.WriteChunkParams) (err error) {
	at := s.layout.place(p.Container)
	var c *container
	if !s.layout.ownBucket() { // else the bucket itself refuses
		if c, err = s.existing(ctx, p.Container); err != nil {
			return err
		}
	}
	w := write{s: s, bucket: at.bucket, key: at.key(p.Name), size: p.Size, content: p.Content}
	if p.Size > mostWhole {
		err = w.inParts(ctx)
	} else {
		err = w.whole(ctx)
	}
	if s.missing(err) {
		return missingContainer(p.Container)
	}
	if err == nil && c != nil && c.gone.Load() {
		return s.undo(ctx, p.Container, at.bucket, w.key)
	}
	return err
}

// undo removes what was written while the container was being deleted.
func (s *Storage) undo(ctx context.Context, container, bucket string, keys ...string) error {
	missing := missingContainer(container)
	if err := s.deleteKeys(ctx, bucket, keys); err != nil {
		return fmt.Errorf("%w; what was written to it stays: %w", missing, err)
	}
	return missing
}

// write is one call of WriteChunk.
type write struct {
	s           *Storage
	bucket, key string
	size        int64
	content     io.Reader
}

const mostWhole = 32 << 20

// whole writes the chunk by one request.
func (w *write) whole(ctx context.Context) error {
	seeker, _ := w.content.(io.Seeker)
	var start int64
	if seeker != nil {
		var err error
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil {
			seeker = nil // a pipe as an *os.File, say
		}
	}
	read := false
	return w.s.try(ctx, "put object", func(ctx context.Context) error {
		if read && seeker != nil {
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return final{err}
			}
		}
		b := &body{from: check.Content(ctx, w.content, w.size)}
		err := w.put(ctx, b)
		read = read || b.read
		if b.err != nil {
			return final{b.err} // whatever the client makes of it
		}
		if err == nil {
			return nil
		}
		again := seeker != nil || !read || w.size == 0
		// It may be that only the answer was lost: a server that closes the connection when it refuses a chunk that is stored breaks off the
		// sending, again and again.
		if is(err, minio.PreconditionFailed) || canSucceed(err) && (!again || b.read && !answered(err)) {
			err = w.compare(ctx, b.from, err)
		}
		if err != nil && !again {
			return final{err}
		}
		return err
	})
}

func (w *write) put(ctx context.Context, b *body) error {
	defer b.end()
	if w.size == 0 { // then the client reads nothing
		if err := drain(b); err != nil {
			return err
		}
	}
	o := w.s.putOptions()
	o.DisableContentSha256 = w.size == 0 // else the client signs, and sends, the end of nothing
	_, err := w.s.client.Client.PutObject(ctx, w.bucket, w.key, b, w.size, o)
	return err
}

func (s *Storage) putOptions() minio.PutObjectOptions {
	o := minio.PutObjectOptions{DisableMultipart: true}
	if !s.cfg.Unconditional {
		o.SetMatchETagExcept("*")
	}
	if s.checksums {
		o.Checksum = minio.ChecksumCRC32C // asked for by name: minio-go 7.4.1 leaves out the one it chooses itself
	}
	return o
}

// compare returns nil if the chunk is stored with the size it should have, and the content, read to its end, is good; a
// stacksync.ErrSize if it is stored with another; and err if it is not stored.
func (w *write) compare(ctx context.Context, content io.Reader, err error) error {
	info, found, headErr := w.s.head(ctx, w.bucket, w.key)
	switch {
	case headErr != nil:
		return headErr
	case !found && is(err, minio.PreconditionFailed): // deleted meanwhile
		return w.s.comesAndGoes(ctx, w.bucket)
	case !found:
		return err
	}
	if err := w.compareSize(info.Size); err != nil {
		return err
	}
	if err := drain(content); err != nil {
		return final{err}
	}
	return nil
}

func (w *write) compareSize(stored int64) error {
	if stored != w.size {
		return final{fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, stored, w.size)}
	}
	return nil
}

// errComesAndGoes is no answer of the server, so that it is tried again.
var errComesAndGoes = errors.New("the server has refused to replace the chunk, and does not have it")

// body is the content of one request. Once it has ended, the transport, which may go on after it has given an answer, reads no more
// of it: the content is the caller's again.
type body struct {
	mu    sync.Mutex
	from  io.Reader
	read  bool  // something was
	err   error // that reading ended with, if not io.EOF
	ended bool
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, io.ErrClosedPipe
	}
	b.read = true
	n, err := b.from.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}
