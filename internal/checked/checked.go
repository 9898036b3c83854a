// Package checked reads content whose hash must be what the chunk's name says.
//
// The service and backend.CopyBetween use it. It must not know where content comes from or goes to.
package checked

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/stacksync/stacksync-go"
)

// hashed is the reader of Reader. It turns the end of content with another hash into an error, so
// that a storage never makes that content visible.
type hashed struct {
	from  io.Reader
	hash  hash.Hash
	want  stacksync.Chunk
	wrong func(want stacksync.Chunk, got string) error
	read  int64
}

// Reader returns a reader of the content of chunk want, which checks the hash as it reads. At the
// end of content whose hash is not want.Name, Read returns the error that wrong makes. Content of
// another length than want.Size is not checked: others refuse it. Where from is an io.Seeker, so is
// the reader: it can go back to the position that from had, and begin anew. One goroutine uses it
// at a time.
func Reader(from io.Reader, hash func() hash.Hash, want stacksync.Chunk, wrong func(want stacksync.Chunk, got string) error) io.Reader {
	h := &hashed{from: from, hash: hash(), want: want, wrong: wrong}
	if seeker, ok := from.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // else from only looks like an io.Seeker, as a pipe does
			return &rewindable{h, seeker, start}
		}
	}
	return h
}

// Damaged returns the error for content that a storage has damaged: an ErrDamaged.
func Damaged(want stacksync.Chunk, got string) error {
	return fmt.Errorf("%w: the hash of chunk %q is %s", stacksync.ErrDamaged, want.Name, got)
}

// rewindable is hashed on an io.Seeker, so that a storage can try a write again.
type rewindable struct {
	*hashed
	seeker io.Seeker
	start  int64
}

// Seek implements io.Seeker as far as a hash can follow: to the present position and back to the
// beginning. errors.ErrUnsupported otherwise.
func (r *rewindable) Seek(offset int64, whence int) (int64, error) {
	switch at := r.start + r.read; {
	case whence == io.SeekCurrent && offset == 0, whence == io.SeekStart && offset == at:
		return at, nil
	case whence != io.SeekStart || offset != r.start:
		return 0, fmt.Errorf("seek in content whose hash is checked: %w", errors.ErrUnsupported)
	}
	_, err := r.seeker.Seek(r.start, io.SeekStart)
	r.hash.Reset()
	r.read = 0
	return r.start, err
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.hash.Write(p[:n])
	h.read += int64(n)
	if errors.Is(err, io.EOF) && h.read == h.want.Size {
		if got := hex.EncodeToString(h.hash.Sum(nil)); got != h.want.Name {
			return n, h.wrong(h.want, got)
		}
	}
	return n, err
}

// sound is the reader of Content. It hands out the last bytes only after it has read the end of the
// content and checked the hash: a caller who knows the size may read no further, and must not take
// damaged content for whole.
type sound struct {
	from   io.Reader
	closer io.Closer
	chunk  stacksync.Chunk
	left   int64 // bytes of the chunk that are not yet read
	err    error // the error of the Read before, which all later ones return
}

// Content returns a reader of a chunk's content as a storage has it, and checks the hash. If the
// hash is not the chunk's name, or content follows after chunk.Size bytes, Read returns an
// ErrDamaged in place of the last bytes and io.EOF. If the content ends early, Read returns
// io.ErrUnexpectedEOF. One goroutine uses it at a time.
func Content(content io.ReadCloser, hash func() hash.Hash, chunk stacksync.Chunk) io.ReadCloser {
	return &sound{from: Reader(content, hash, chunk, Damaged), closer: content, chunk: chunk, left: chunk.Size}
}

func (s *sound) Read(p []byte) (n int, err error) {
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	n, s.err = s.next(p)
	return n, s.err
}

func (s *sound) next(p []byte) (n int, err error) {
	if s.left > 0 {
		n, err = s.from.Read(p[:min(int64(len(p)), s.left)])
		if s.left -= int64(n); s.left > 0 {
			if err == io.EOF { //nolint:errorlint // a reader ends with io.EOF itself: one that is wrapped is a failure
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if err == nil {
		err = s.end()
	}
	if err != io.EOF { //nolint:errorlint // as above
		return 0, err
	}
	return n, err
}

// end returns io.EOF if the content ends here, and ErrDamaged if there is more of it.
func (s *sound) end() error {
	const patience = 100 // reads that bring neither a byte nor an error
	var b [1]byte
	for range patience {
		n, err := s.from.Read(b[:])
		if n > 0 {
			return fmt.Errorf("%w: chunk %q has more than the %d bytes that its storage tells of", stacksync.ErrDamaged, s.chunk.Name, s.chunk.Size)
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Close implements io.Closer.
func (s *sound) Close() error { return s.closer.Close() }
