package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// piece is a chunk to upload, and where it is read.
type piece struct {
	stacksync.Chunk
	step *step
	at   int64
}

// upload sends the chunks that the server lacks.
func (j *job) upload(ctx context.Context, steps []*step) error {
	pieces := map[string]piece{}
	var chunks []stacksync.Chunk
	for _, s := range steps {
		if !s.send {
			continue
		}
		var at int64
		for _, c := range s.proposal.Chunks {
			if _, twice := pieces[c.Name]; !twice {
				pieces[c.Name] = piece{c, s, at}
				chunks = append(chunks, c)
			}
			at += c.Size
		}
	}
	for some := range slices.Chunk(chunks, maxBatch) {
		lacking, err := j.lacking(ctx, some, pieces)
		if err != nil {
			return err
		}
		err = forEach(ctx, j.cfg.Workers, lacking, func(ctx context.Context, c stacksync.Chunk) error { return j.uploadPiece(ctx, pieces[c.Name]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// lacking asks which chunks the server lacks. Where it does not want them all, it asks for fewer.
func (j *job) lacking(ctx context.Context, chunks []stacksync.Chunk, pieces map[string]piece) ([]stacksync.Chunk, error) {
	res, err := j.service.PrepareUpload(ctx, stacksync.PrepareUploadRequest{Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Chunks: chunks})
	switch {
	case err == nil:
		return res.Missing, checkVia(res.Via)
	case !unwanted(err):
		return nil, fmt.Errorf("prepare upload: %w", err)
	case len(chunks) == 1:
		pieces[chunks[0].Name].step.err = err
		return nil, nil
	}
	half := len(chunks) / 2
	first, err := j.lacking(ctx, chunks[:half], pieces)
	if err != nil {
		return nil, err
	}
	second, err := j.lacking(ctx, chunks[half:], pieces)
	return append(first, second...), err
}

// unwanted reports whether the service won't have some content, because of the quota or a limit.
func unwanted(err error) bool {
	return errors.Is(err, stacksync.ErrQuotaExceeded) || errors.Is(err, stacksync.ErrInvalid)
}

func (j *job) uploadPiece(ctx context.Context, p piece) error {
	buf := j.buffers.Get().(*[cutBuffer]byte)
	defer j.buffers.Put(buf)
	data := buf[:p.Size]
	if err := j.readPiece(p, data); err != nil {
		j.count(func(*Report) { p.step.err = err })
		return nil
	}
	_, err := j.service.UploadChunk(ctx, stacksync.UploadChunkRequest{
		Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Chunk: p.Chunk, Content: bytes.NewReader(data),
	})
	if unwanted(err) {
		j.count(func(*Report) { p.step.err = err })
		return nil
	}
	if err != nil {
		return fmt.Errorf("upload chunk %q: %w", p.Name, err)
	}
	j.count(func(r *Report) { r.ChunksUploaded++; r.BytesUploaded += p.Size })
	return nil
}

// readPiece reads a chunk again. If it is not the same any more, the file changed.
func (j *job) readPiece(p piece, data []byte) error {
	file, err := j.root.Open(p.step.node.path())
	if err != nil {
		return stale(p.step.path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	_, err = file.ReadAt(data, p.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return stale(p.step.path, err)
	}
	if hashName(data) != p.Name {
		return fmt.Errorf("%s: %w", p.step.path, errStale)
	}
	return nil
}
