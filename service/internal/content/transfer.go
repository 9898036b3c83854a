package content

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/checked"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Upload is Transfers.UploadChunk.
func (d *Desk) Upload(ctx context.Context, r stacksync.UploadChunkRequest) error {
	if err := d.canHost(); err != nil {
		return err
	}
	if err := r.Chunk.Check("Chunk", &d.Limits); err != nil {
		return err
	}
	if r.Content == nil {
		return &stacksync.FieldError{Field: "Content", Reason: "is nil"}
	}
	var workspace stacksync.Workspace
	err := d.View(ctx, r.Actor, r.Workspace, session.ToWrite, func(_ context.Context, _ stacksync.Reader, acc stacksync.Access) error {
		workspace = *acc.Workspace
		return acc.CheckUpload(r.Chunk.Size)
	})
	if err != nil {
		return err
	}
	if err := d.Provisioned(ctx, &workspace); err != nil {
		return err
	}
	content := r.Content
	if d.hash != nil {
		content = checked.Reader(r.Content, d.hash, r.Chunk, misnamed)
	}
	_, err = d.ways.writer.WriteChunk(ctx, stacksync.WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// misnamed is the fault of whoever uploads.
func misnamed(_ stacksync.Chunk, got string) error {
	return &stacksync.FieldError{Field: "Chunk.Name", Reason: "is not the hash of the content, " + got}
}

// Download is Transfers.DownloadChunk.
func (d *Desk) Download(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	none := stacksync.DownloadChunkResult{}
	if err := d.canHost(); err != nil {
		return none, err
	}
	if err := stacksync.CheckChunkName("Name", r.Name); err != nil {
		return none, err
	}
	var container string
	err := d.View(ctx, r.Actor, r.Workspace, session.ToDownload, func(_ context.Context, _ stacksync.Reader, acc stacksync.Access) error {
		container = acc.Workspace.Container
		return nil
	})
	if err != nil {
		return none, err
	}
	res, err := d.ways.reader.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: r.Name})
	if err == nil && d.hash != nil {
		chunk := stacksync.Chunk{Name: r.Name, Size: res.Size}
		res.Content = checked.Content(res.Content, d.hash, chunk)
	}
	return stacksync.DownloadChunkResult(res), err
}

// canHost reports why content can't go through the host, if it can't.
func (d *Desk) canHost() error {
	_, err := d.Choose(stacksync.ViaHost)
	return err
}
