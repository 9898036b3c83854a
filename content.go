package stacksync

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// UploadChunk implements Transfers.
func (s *Service) UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error) {
	return call(ctx, s, "UploadChunk", func(ctx context.Context) (UploadChunkResult, int, error) {
		return UploadChunkResult{}, 1, s.uploadChunk(ctx, r)
	})
}

func (s *Service) uploadChunk(ctx context.Context, r UploadChunkRequest) error {
	if err := s.canHost(); err != nil {
		return err
	}
	if err := r.Chunk.check("Chunk", &s.cfg.Limits); err != nil {
		return err
	}
	if r.Content == nil {
		return &FieldError{Field: "Content", Reason: "is nil"}
	}
	var workspace Workspace
	err := s.view(ctx, r.Actor, r.Workspace, toWrite, func(_ context.Context, _ Reader, acc access) error {
		workspace = *acc.workspace
		return acc.checkUpload(r.Chunk.Size)
	})
	if err != nil {
		return err
	}
	if err := s.provisioned(ctx, &workspace); err != nil {
		return err
	}
	content := r.Content
	if s.cfg.ChunkHash != nil {
		content = checkHash(r.Content, s.cfg.ChunkHash, r.Chunk, misnamed)
	}
	_, err = s.writer.WriteChunk(ctx, WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// hashed turns the end of content that is not what its name says into an error, so that a storage never makes it visible. Content
// of another length is left for others to refuse.
type hashed struct {
	from  io.Reader
	hash  hash.Hash
	want  Chunk
	wrong func(want Chunk, got string) error
	read  int64
}

// checkHash checks the content of a chunk as it is read; wrong makes the error for content with another hash.
func checkHash(from io.Reader, hash func() hash.Hash, want Chunk, wrong func(want Chunk, got string) error) io.Reader {
	h := &hashed{from: from, hash: hash(), want: want, wrong: wrong}
	if seeker, ok := from.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // else it only looks like one, as a pipe does
			return &rewindable{h, seeker, start}
		}
	}
	return h
}

// misnamed is the fault of whoever uploads.
func misnamed(_ Chunk, got string) error {
	return &FieldError{Field: "Chunk.Name", Reason: "is not the hash of the content, " + got}
}

// damaged is the fault of a storage.
func damaged(want Chunk, got string) error {
	return fmt.Errorf("%w: the hash of chunk %q is %s", ErrDamaged, want.Name, got)
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

// DownloadChunk implements Transfers.
func (s *Service) DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error) {
	return call(ctx, s, "DownloadChunk", func(ctx context.Context) (DownloadChunkResult, int, error) {
		res, err := s.downloadChunk(ctx, r)
		return res, 1, err
	})
}

func (s *Service) downloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error) {
	none := DownloadChunkResult{}
	if err := s.canHost(); err != nil {
		return none, err
	}
	if err := checkChunkName("Name", r.Name); err != nil {
		return none, err
	}
	var container string
	err := s.view(ctx, r.Actor, r.Workspace, toDownload, func(_ context.Context, _ Reader, acc access) error {
		container = acc.workspace.Container
		return nil
	})
	if err != nil {
		return none, err
	}
	res, err := s.reader.ReadChunk(ctx, ReadChunkParams{Container: container, Name: r.Name})
	if err == nil && s.cfg.ChunkHash != nil {
		chunk := Chunk{Name: r.Name, Size: res.Size}
		res.Content = &sound{from: checkHash(res.Content, s.cfg.ChunkHash, chunk, damaged), closer: res.Content, chunk: chunk, left: res.Size}
	}
	return DownloadChunkResult(res), err
}

// sound reads content whose hash is checked at its end. It hands out the last bytes when that has been reached: who knows the size may
// read no further, and must not take for whole what is damaged.
type sound struct {
	from   io.Reader
	closer io.Closer
	chunk  Chunk
	left   int64
	err    error // of the Read before; it stays
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
			return fmt.Errorf("%w: chunk %q has more than the %d bytes that its storage tells of", ErrDamaged, s.chunk.Name, s.chunk.Size)
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Close implements io.Closer.
func (s *sound) Close() error { return s.closer.Close() }

// canHost reports why content can't go through the host, if it can't.
func (s *Service) canHost() error {
	_, err := s.choose(ViaHost)
	return err
}
