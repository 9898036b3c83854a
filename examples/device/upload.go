package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

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
	q := j.newQueue(j.prepareUpload)
	q.expect(chunks...)
	return forEach(ctx, j.cfg.Workers, chunks, func(ctx context.Context, c stacksync.Chunk) error {
		return j.uploadPiece(ctx, q, pieces[c.Name])
	})
}

func (j *job) prepareUpload(ctx context.Context, chunks []stacksync.Chunk) (answer, error) {
	res, err := j.service.PrepareUpload(ctx, stacksync.PrepareUploadRequest{
		Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Chunks: chunks, Via: j.cfg.Via,
	})
	if err != nil {
		return answer{}, fmt.Errorf("prepare upload: %w", err)
	}
	return answer{res.Via, res.Missing, res.Expires}, nil
}

// unwanted reports whether the service won't have some content, because of the quota or a limit.
func unwanted(err error) bool {
	return errors.Is(err, stacksync.ErrQuotaExceeded) || errors.Is(err, stacksync.ErrInvalid)
}

func (j *job) uploadPiece(ctx context.Context, q *queue, p piece) error {
	err := j.transfer(ctx, q, p.Chunk, func(ctx context.Context, w *way) error {
		buf := j.buffers.Get().(*[cutBuffer]byte)
		defer j.buffers.Put(buf)
		data := buf[:p.Size]
		if err := j.readPiece(p, data); err != nil {
			j.count(func(*Report) { p.step.err = err })
			return nil
		}
		if err := j.sendPiece(ctx, w, p.Chunk, data); err != nil {
			return fmt.Errorf("upload chunk %q: %w", p.Name, err)
		}
		j.count(func(r *Report) { r.Via = w.via; r.ChunksUploaded++; r.BytesUploaded += p.Size })
		return nil
	})
	if unwanted(err) {
		j.count(func(*Report) { p.step.err = err })
		return nil
	}
	return err
}

func (j *job) sendPiece(ctx context.Context, w *way, c stacksync.Chunk, data []byte) error {
	if w.via == stacksync.ViaSigned {
		return j.put(ctx, w.request, data)
	}
	_, err := j.service.UploadChunk(ctx, stacksync.UploadChunkRequest{
		Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, Chunk: c, Content: bytes.NewReader(data),
	})
	return err
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
