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
		content = checkHash(r.Content, s.cfg.ChunkHash, r.Chunk)
	}
	_, err = s.writer.WriteChunk(ctx, WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// hashed turns the end of content that is not what its name says into an error, so that a storage never makes it visible. Content
// of another length is left for the storage to refuse.
type hashed struct {
	from io.Reader
	hash hash.Hash
	want Chunk
	read int64
}

func checkHash(from io.Reader, hash func() hash.Hash, want Chunk) io.Reader {
	h := &hashed{from: from, hash: hash(), want: want}
	if seeker, ok := from.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // else it only looks like one, as a pipe does
			return &rewindable{h, seeker, start}
		}
	}
	return h
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
			return n, &FieldError{Field: "Chunk.Name", Reason: fmt.Sprintf("is not the hash of the content, %s", got)}
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
	return DownloadChunkResult(res), err
}

// canHost reports why content can't go through the host, if it can't.
func (s *Service) canHost() error {
	_, err := s.choose(ViaHost)
	return err
}
