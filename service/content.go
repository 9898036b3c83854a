package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/checked"
)

// UploadChunk implements Transfers.
func (s *Service) UploadChunk(ctx context.Context, r stacksync.UploadChunkRequest) (stacksync.UploadChunkResult, error) {
	return call(ctx, s, "UploadChunk", func(ctx context.Context) (stacksync.UploadChunkResult, int, error) {
		return stacksync.UploadChunkResult{}, 1, s.uploadChunk(ctx, r)
	})
}

func (s *Service) uploadChunk(ctx context.Context, r stacksync.UploadChunkRequest) error {
	if err := s.canHost(); err != nil {
		return err
	}
	if err := r.Chunk.Check("Chunk", &s.cfg.Limits); err != nil {
		return err
	}
	if r.Content == nil {
		return &stacksync.FieldError{Field: "Content", Reason: "is nil"}
	}
	var workspace stacksync.Workspace
	err := s.view(ctx, r.Actor, r.Workspace, toWrite, func(_ context.Context, _ stacksync.Reader, acc stacksync.Access) error {
		workspace = *acc.Workspace
		return acc.CheckUpload(r.Chunk.Size)
	})
	if err != nil {
		return err
	}
	if err := s.provisioned(ctx, &workspace); err != nil {
		return err
	}
	content := r.Content
	if s.cfg.ChunkHash != nil {
		content = checked.Reader(r.Content, s.cfg.ChunkHash, r.Chunk, misnamed)
	}
	_, err = s.writer.WriteChunk(ctx, stacksync.WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// misnamed is the fault of whoever uploads.
func misnamed(_ stacksync.Chunk, got string) error {
	return &stacksync.FieldError{Field: "Chunk.Name", Reason: "is not the hash of the content, " + got}
}

// DownloadChunk implements Transfers.
func (s *Service) DownloadChunk(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	return call(ctx, s, "DownloadChunk", func(ctx context.Context) (stacksync.DownloadChunkResult, int, error) {
		res, err := s.downloadChunk(ctx, r)
		return res, 1, err
	})
}

func (s *Service) downloadChunk(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	none := stacksync.DownloadChunkResult{}
	if err := s.canHost(); err != nil {
		return none, err
	}
	if err := stacksync.CheckChunkName("Name", r.Name); err != nil {
		return none, err
	}
	var container string
	err := s.view(ctx, r.Actor, r.Workspace, toDownload, func(_ context.Context, _ stacksync.Reader, acc stacksync.Access) error {
		container = acc.Workspace.Container
		return nil
	})
	if err != nil {
		return none, err
	}
	res, err := s.reader.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: r.Name})
	if err == nil && s.cfg.ChunkHash != nil {
		chunk := stacksync.Chunk{Name: r.Name, Size: res.Size}
		res.Content = checked.Content(res.Content, s.cfg.ChunkHash, chunk)
	}
	return stacksync.DownloadChunkResult(res), err
}

// canHost reports why content can't go through the host, if it can't.
func (s *Service) canHost() error {
	_, err := s.choose(stacksync.ViaHost)
	return err
}
