package content

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/checked"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Upload implements Transfers.UploadChunk.
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
	content := whileAllowed(r.Content, func() error {
		return d.View(ctx, r.Actor, r.Workspace, session.ToWrite, func(context.Context, stacksync.Reader, stacksync.Access) error { return nil })
	})
	if d.hash != nil {
		content = checked.Reader(content, d.hash, r.Chunk, misnamed)
	}
	_, err = d.ways.writer.WriteChunk(ctx, stacksync.WriteChunkParams{Container: workspace.Container, Chunk: r.Chunk, Content: content})
	return err
}

// guarded is content whose end is the error of allowed, if there is one: then a storage never makes
// the content visible.
type guarded struct {
	io.Reader
	allowed func() error
}

// whileAllowed returns content that ends with the error of allowed where allowed refuses at the end
// what it granted at the beginning: an upload may take hours, and the uploader lose the right
// meanwhile. An io.Seeker stays one.
func whileAllowed(content io.Reader, allowed func() error) io.Reader {
	g := guarded{content, allowed}
	if seeker, ok := content.(io.Seeker); ok {
		return struct {
			guarded
			io.Seeker
		}{g, seeker}
	}
	return g
}

func (g guarded) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		if refused := g.allowed(); refused != nil {
			err = refused
		}
	}
	return n, err
}

// misnamed makes the error for content whose hash is not the name that the uploading client gave
// it.
func misnamed(_ stacksync.Chunk, got string) error {
	return &stacksync.FieldError{Field: "Chunk.Name", Reason: "is not the hash of the content, " + got}
}

// Download implements Transfers.DownloadChunk.
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
	res, err := d.read(ctx, container, r.Name)
	return stacksync.DownloadChunkResult(res), err
}

// Open implements HostContent.OpenChunk.
func (d *Desk) Open(ctx context.Context, r stacksync.OpenChunkRequest) (stacksync.OpenChunkResult, error) {
	if d.ways.reader == nil {
		return stacksync.OpenChunkResult{}, fmt.Errorf("the storage (%T) lets the host read no chunks: %w", d.Storage, errors.ErrUnsupported)
	}
	if err := stacksync.CheckChunkName("Name", r.Name); err != nil {
		return stacksync.OpenChunkResult{}, err
	}
	ws, err := d.Workspace(ctx, r.Workspace)
	if err == nil && ws == nil {
		err = stacksync.ErrWorkspaceNotFound
	}
	if err != nil {
		return stacksync.OpenChunkResult{}, err
	}
	res, err := d.read(ctx, ws.Container, r.Name)
	return stacksync.OpenChunkResult(res), err
}

// read opens a chunk, whose content is checked against its name where the service has a hash.
func (d *Desk) read(ctx context.Context, container, name string) (stacksync.ReadChunkResult, error) {
	res, err := d.ways.reader.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
	if err == nil && d.hash != nil {
		res.Content = checked.Content(res.Content, d.hash, stacksync.Chunk{Name: name, Size: res.Size})
	}
	return res, err
}

// canHost returns errors.ErrUnsupported if content can't go through the host.
func (d *Desk) canHost() error {
	_, err := d.Choose(stacksync.ViaHost)
	return err
}
