package memory

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// StatChunks implements stacksync.StorageProvisioner.
func (s *Storage) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	if err := check.StatChunks(ctx, p); err != nil {
		return stacksync.StatChunksResult{}, fmt.Errorf("stat chunks: %w", err)
	}
	c, _ := s.container(p.Container)
	var chunks []stacksync.Chunk
	seen := make(map[string]bool, len(p.Names))
	for _, name := range p.Names {
		if ch, ok := c.get(name); ok && !seen[name] {
			seen[name] = true
			chunks = append(chunks, stacksync.Chunk{Name: name, Size: ch.size})
		}
	}
	return stacksync.StatChunksResult{Chunks: chunks}, nil
}

// CopyChunks implements stacksync.StorageProvisioner. The copies take no memory for their content. Copying to a missing
// container is a stacksync.ErrNotFound, onto a chunk of another size a stacksync.ErrSize.
func (s *Storage) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	if err := s.copyChunks(ctx, p); err != nil {
		return stacksync.CopyChunksResult{}, fmt.Errorf("copy chunks: %w", err)
	}
	return stacksync.CopyChunksResult{}, nil
}

func (s *Storage) copyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	if err := check.CopyChunks(ctx, p); err != nil {
		return err
	}
	from, _ := s.container(p.From)
	to, ok := s.container(p.To)
	if !ok {
		return fmt.Errorf("container %q %w", p.To, stacksync.ErrNotFound)
	}
	var missing []string
	seen := make(map[string]bool, len(p.Names))
	for _, name := range p.Names {
		if seen[name] {
			continue
		}
		seen[name] = true
		ch, ok := from.get(name)
		if !ok {
			missing = append(missing, name)
			continue
		}
		ch.storedAt = s.now()
		if err := to.put(name, ch); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if missing != nil {
		return &stacksync.ChunksMissingError{Names: missing}
	}
	return nil
}

// DeleteChunks implements stacksync.StorageProvisioner.
func (s *Storage) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	if err := check.DeleteChunks(ctx, p); err != nil {
		return stacksync.DeleteChunksResult{}, fmt.Errorf("delete chunks: %w", err)
	}
	c, _ := s.container(p.Container)
	for _, name := range p.Names {
		c.remove(name)
	}
	return stacksync.DeleteChunksResult{}, nil
}

// ListChunks implements stacksync.StorageProvisioner. A page has at most 10,000 chunks.
func (s *Storage) ListChunks(ctx context.Context, p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
	if err := check.ListChunks(ctx, p); err != nil {
		return stacksync.ListChunksResult{}, fmt.Errorf("list chunks: %w", err)
	}
	c, _ := s.container(p.Container)
	chunks, more := c.page(p.After, check.PageSize(p.Limit))
	r := stacksync.ListChunksResult{Chunks: chunks}
	if more {
		r.Next = chunks[len(chunks)-1].Name
	}
	return r, nil
}
