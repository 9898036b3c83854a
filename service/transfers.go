package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// PrepareUpload implements Transfers.
func (s *Service) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	return call(ctx, s, "PrepareUpload", func(ctx context.Context) (stacksync.PrepareUploadResult, int, error) {
		res, err := s.content.PrepareUpload(ctx, r)
		return res, len(r.Chunks), err
	})
}

// PrepareDownload implements Transfers.
func (s *Service) PrepareDownload(ctx context.Context, r stacksync.PrepareDownloadRequest) (stacksync.PrepareDownloadResult, error) {
	return call(ctx, s, "PrepareDownload", func(ctx context.Context) (stacksync.PrepareDownloadResult, int, error) {
		res, err := s.content.PrepareDownload(ctx, r)
		return res, len(r.Names), err
	})
}

// UploadChunk implements Transfers.
func (s *Service) UploadChunk(ctx context.Context, r stacksync.UploadChunkRequest) (stacksync.UploadChunkResult, error) {
	return call(ctx, s, "UploadChunk", func(ctx context.Context) (stacksync.UploadChunkResult, int, error) {
		return stacksync.UploadChunkResult{}, 1, s.content.Upload(ctx, r)
	})
}

// DownloadChunk implements Transfers.
func (s *Service) DownloadChunk(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	return call(ctx, s, "DownloadChunk", func(ctx context.Context) (stacksync.DownloadChunkResult, int, error) {
		res, err := s.content.Download(ctx, r)
		return res, 1, err
	})
}

// OpenChunk implements HostContent.
func (s *Service) OpenChunk(ctx context.Context, r stacksync.OpenChunkRequest) (stacksync.OpenChunkResult, error) {
	return call(ctx, s, "OpenChunk", func(ctx context.Context) (stacksync.OpenChunkResult, int, error) {
		res, err := s.content.Open(ctx, r)
		return res, 1, err
	})
}
