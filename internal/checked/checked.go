// Package checked reads content whose hash must be what its name says.
//
// It is shared by the service and by backend.CopyBetween. It must not know where content comes from
// or goes to.
package checked

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/stacksync/stacksync-go"
)

// hashed turns the end of content that is not what its name says into an error, so that a storage
// never makes it visible. Content of another length is left for others to refuse.
type hashed struct {
	from  io.Reader
	hash  hash.Hash
	want  stacksync.Chunk
	wrong func(want stacksync.Chunk, got string) error
	read  int64
}

// Reader checks the content of a chunk as it is read: at the end of content with another hash, Read
// returns what wrong makes of it. Content of another length is left for others to refuse. Where
// from is an io.Seeker, the reader can go back to where from was, and begin anew.
func Reader(from io.Reader, hash func() hash.Hash, want stacksync.Chunk, wrong func(want stacksync.Chunk, got string) error) io.Reader {
	h := &hashed{from: from, hash: hash(), want: want, wrong: wrong}
	if seeker, ok := from.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // else it only looks like one, as a pipe does
			return &rewindable{h, seeker, start}
		}
	}
	return h
}

// Damaged makes the error for content that a storage has damaged: ErrDamaged.
func Damaged(want stacksync.Chunk, got string) error {
	return fmt.Errorf("%w: the hash of chunk %q is %s", stacksync.ErrDamaged, want.Name, got)
}

// rewindable lets a storage try again.
type rewindable struct {
	*hashed
	seeker io.Seeker
	start  int64
}

// Seek implements io.Seeker, as far as a hash can follow: where it is, and back to the beginning.
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

// sound reads content whose hash is checked at its end. It hands out the last bytes when that has
// been reached: who knows the size may read no further, and must not take for whole what is
// damaged.
type sound struct {
	from   io.Reader
	closer io.Closer
	chunk  stacksync.Chunk
	left   int64
	err    error // of the Read before; it stays
}

// Content checks the content of a chunk as a storage has it: where it has another hash than the
// chunk's name says, the last bytes and io.EOF are replaced by an ErrDamaged.
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

// end returns io.EOF if that is what comes next.
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
