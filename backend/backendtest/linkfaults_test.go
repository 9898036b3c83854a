package backendtest

import (
	"context"
	"slices"

	"github.com/stacksync/stacksync-go"
)

type (
	readCall = call[stacksync.ReadChunkParams, stacksync.ReadChunkResult]
	listCall = call[stacksync.ListChunksParams, stacksync.ListChunksResult]
)

// linkMutants follow what a user's account has put, each by one call, or by all.
var linkMutants = map[string]cloudMutant{
	"reads follow links":     follows(followRead),
	"sizes are of the links": follows(followStat),
	"lists have links":       follows(followList),
	"copies follow links":    follows(followCopy),
	"all calls follow links": follows(followRead, followStat, followList, followCopy),
	"signed requests follow links": follows(func(c *cloud) {
		around(&c.sign, func(ctx context.Context, next signCall, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
			if len(p.Chunks) == 1 {
				p.Chunks = slices.Clone(p.Chunks)
				p.Container, p.Chunks[0].Name, _ = c.vault.follow(p.Container, p.Chunks[0].Name)
			}
			return next(ctx, p)
		})
	}),
	"writes go through links": follows(func(c *cloud) {
		around(&c.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			to, name, linked := c.vault.follow(p.Container, p.Name)
			if linked { // over what is there
				if _, err := c.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: to, Names: []string{name}}); err != nil {
					return stacksync.WriteChunkResult{}, err
				}
			}
			p.Container, p.Name = to, name
			return next(ctx, p)
		})
	}),
	"links can't be replaced": follows(func(c *cloud) {
		around(&c.write, func(ctx context.Context, next writeCall, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
			if _, _, linked := c.vault.follow(p.Container, p.Name); linked {
				return stacksync.WriteChunkResult{}, errFault
			}
			return next(ctx, p)
		})
	}),
	"deletions go through links": follows(func(c *cloud) {
		around(&c.delete, func(ctx context.Context, next deleteCall, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
			if len(p.Names) == 1 {
				p.Names = slices.Clone(p.Names)
				p.Container, p.Names[0], _ = c.vault.follow(p.Container, p.Names[0])
			}
			return next(ctx, p)
		})
	}),
	"a container goes with what its links name": follows(func(c *cloud) {
		around(&c.drop, func(ctx context.Context, next dropCall, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			for from, to := range c.vault.links {
				if from[0] == p.Container && to[0] != p.Container {
					_, _ = c.Storage.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: to[0], Names: to[1:]})
				}
			}
			return next(ctx, p)
		})
	}),
}

// follows returns a mutant of a storage that takes links. What replaces or deletes a link comes after change, so that it sees the link.
func follows(change ...func(*cloud)) cloudMutant {
	return cloudMutant{caught: []string{"AccountLinks"}, change: func(c *cloud) {
		for _, f := range change {
			f(c)
		}
		after(&c.write, func(p stacksync.WriteChunkParams, _ *stacksync.WriteChunkResult) { c.vault.unlink(p.Container, p.Name) })
		after(&c.delete, func(p stacksync.DeleteChunksParams, _ *stacksync.DeleteChunksResult) {
			for _, name := range p.Names {
				c.vault.unlink(p.Container, name)
			}
		})
		after(&c.copy, func(p stacksync.CopyChunksParams, _ *stacksync.CopyChunksResult) {
			for _, name := range p.Names {
				c.vault.unlink(p.To, name)
			}
		})
	}}
}

func followRead(c *cloud) {
	around(&c.read, func(ctx context.Context, next readCall, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
		p.Container, p.Name, _ = c.vault.follow(p.Container, p.Name)
		return next(ctx, p)
	})
}

func followStat(c *cloud) {
	around(&c.stat, func(ctx context.Context, next statCall, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
		r, err := next(ctx, p)
		for _, name := range p.Names {
			container, to, linked := c.vault.follow(p.Container, name)
			if !linked || err != nil {
				continue
			}
			if size, ok := c.size(container, to); ok {
				r.Chunks = append(r.Chunks, stacksync.Chunk{Name: name, Size: size})
			}
		}
		return r, err
	})
}

func followList(c *cloud) {
	around(&c.list, func(ctx context.Context, next listCall, p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
		r, err := next(ctx, p)
		c.vault.mu.Lock()
		links := make(map[string][2]string)
		for from, to := range c.vault.links {
			if from[0] == p.Container {
				links[from[1]] = to
			}
		}
		c.vault.mu.Unlock()
		for name, to := range links {
			if size, ok := c.size(to[0], to[1]); ok && p.After == "" {
				r.Chunks = append(r.Chunks, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: size}})
			}
		}
		return r, err
	})
}

func followCopy(c *cloud) {
	around(&c.copy, func(ctx context.Context, next copyCall, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
		if len(p.Names) != 1 {
			return next(ctx, p)
		}
		container, name, linked := c.vault.follow(p.From, p.Names[0])
		if !linked {
			return next(ctx, p)
		}
		chunk, err := c.Storage.ReadChunk(ctx, stacksync.ReadChunkParams{Container: container, Name: name})
		if err != nil {
			return next(ctx, p)
		}
		_, err = c.Storage.WriteChunk(ctx, stacksync.WriteChunkParams{
			Container: p.To, Chunk: stacksync.Chunk{Name: p.Names[0], Size: chunk.Size}, Content: chunk.Content,
		})
		return stacksync.CopyChunksResult{}, err
	})
}
