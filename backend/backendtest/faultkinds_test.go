package backendtest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"github.com/stacksync/stacksync-go"
)

// renames returns a mutant that writes and reads chunks under other names than it is told.
func renames(caught []string, to func(string) string) mutant {
	return mutant{caught: caught, change: func(b *broken) {
		before(&b.write, func(p *stacksync.WriteChunkParams) { p.Name = to(p.Name) })
		before(&b.read, func(p *stacksync.ReadChunkParams) { p.Name = to(p.Name) })
		before(&b.stat, func(p *stacksync.StatChunksParams) {
			names := make([]string, len(p.Names))
			for i, n := range p.Names {
				names[i] = to(n)
			}
			p.Names = names
		})
	}}
}

// lists returns a mutant whose pages are changed.
func lists(caught []string, change func(stacksync.ListChunksParams, *stacksync.ListChunksResult)) mutant {
	return mutant{caught: caught, change: func(b *broken) { after(&b.list, change) }}
}

// keeps returns a mutant that stores what came before content failed, and answers what result makes of the error.
func keeps(caught []string, result func(error) error) mutant {
	return mutant{caught: caught, change: func(b *broken) {
		around(&b.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			var got record
			p.Content = io.TeeReader(p.Content, &got)
			r, err := next(ctx, p)
			if err == nil {
				return r, nil
			}
			content := got.String()
			p.Size, p.Content = int64(len(content)), strings.NewReader(content)
			_, _ = next(context.WithoutCancel(ctx), p)
			return r, result(err)
		})
	}}
}

// record is what was read of content, of which a Read may still go on.
type record struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

// rereader looks its chunk up again at each Read, and takes one that is gone for one that ends.
type rereader struct {
	b   *broken
	p   stacksync.ReadChunkParams
	off int64
}

func (r *rereader) Read(p []byte) (int, error) {
	now, err := r.b.Storage.ReadChunk(context.Background(), r.p)
	if err != nil {
		return 0, io.EOF
	}
	if _, err := io.CopyN(io.Discard, now.Content, r.off); err != nil {
		return 0, err
	}
	n, err := now.Content.Read(p)
	r.off += int64(n)
	return n, err
}

func (b *broken) empty(container string) bool {
	r, err := b.Storage.ListChunks(context.Background(), stacksync.ListChunksParams{Container: container})
	return err == nil && len(r.Chunks) == 0
}

func (b *broken) size(container, name string) (int64, bool) {
	r, err := b.Storage.StatChunks(context.Background(), stacksync.StatChunksParams{Container: container, Names: []string{name}})
	if err != nil || len(r.Chunks) == 0 {
		return 0, false
	}
	return r.Chunks[0].Size, true
}
