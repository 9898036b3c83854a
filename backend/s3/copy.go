package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const (
	mostCopied = 5 << 30 // bytes that S3 copies by one request
	copiedPart = 1 << 30
)

// CopyChunks implements stacksync.StorageProvisioner. The server copies; nothing goes through the host. Copying to a missing container is
// a stacksync.ErrNotFound, onto a chunk of another size a stacksync.ErrSize.
func (s *Storage) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	err := check.CopyChunks(ctx, p)
	if err == nil {
		err = s.copyChunks(ctx, p)
	}
	if err != nil {
		return stacksync.CopyChunksResult{}, fmt.Errorf("copy chunks: %w", err)
	}
	return stacksync.CopyChunksResult{}, nil
}

func (s *Storage) copyChunks(ctx context.Context, p stacksync.CopyChunksParams) error {
	c, err := s.existing(ctx, p.To)
	if err != nil || len(p.Names) == 0 {
		return err
	}
	from, to := s.layout.place(p.From), s.layout.place(p.To)
	source, target, err := s.sizesOfBoth(ctx, p)
	if err != nil {
		return err
	}
	var (
		mu      sync.Mutex
		missing = map[string]bool{}
		copied  []string
	)
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.Parallel)
	for _, name := range p.Names {
		size, ok := source[name]
		if !ok {
			mu.Lock()
			missing[name] = true
			mu.Unlock()
			continue
		}
		if has, ok := target[name]; ok {
			if has != size {
				err = errors.Join(err, fmt.Errorf("%q: %w: the stored chunk has %d bytes, not %d", name, stacksync.ErrSize, has, size))
			}
			continue
		}
		target[name] = size // it may come again
		g.Go(func() error {
			err := s.copyObject(groupCtx, from, to, name, size)
			mu.Lock()
			defer mu.Unlock()
			if is(err, minio.NoSuchKey) { // deleted meanwhile
				missing[name] = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			copied = append(copied, to.key(name))
			return nil
		})
	}
	if groupErr := g.Wait(); s.missing(groupErr) {
		return missingContainer(p.To)
	} else if groupErr != nil {
		return groupErr
	}
	if c.gone.Load() && len(copied) > 0 {
		return s.undoCopies(ctx, p.To, to.bucket, copied)
	}
	if err == nil && len(missing) > 0 {
		names := slices.Compact(slices.Clone(p.Names))
		return &stacksync.ChunksMissingError{Names: slices.DeleteFunc(names, func(name string) bool {
			first := missing[name]
			delete(missing, name)
			return !first
		})}
	}
	return err
}

func (s *Storage) undoCopies(ctx context.Context, container, bucket string, keys []string) error {
	var err error
	for page := range slices.Chunk(keys, mostPage) {
		if err = s.undo(ctx, container, bucket, page...); !errors.Is(err, stacksync.ErrNotFound) {
			return err
		}
	}
	return err
}

func (s *Storage) sizesOfBoth(ctx context.Context, p stacksync.CopyChunksParams) (source, target map[string]int64, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		source, err = s.sizes(ctx, p.From, p.Names)
		return err
	})
	if p.From != p.To {
		g.Go(func() (err error) {
			target, err = s.sizes(ctx, p.To, p.Names)
			return err
		})
	}
	if err = g.Wait(); p.From == p.To {
		target = source
	}
	return source, target, err
}

func (s *Storage) copyObject(ctx context.Context, from, to place, name string, size int64) error {
	if size > s.copyMost {
		return s.copyParts(ctx, from, to, name, size)
	}
	return s.try(ctx, "copy object", func(ctx context.Context) error {
		_, err := s.client.Client.CopyObject(ctx,
			minio.CopyDestOptions{Bucket: to.bucket, Object: to.key(name)}, minio.CopySrcOptions{Bucket: from.bucket, Object: from.key(name)})
		return err
	})
}

// copyParts copies what is too large for one request.
func (s *Storage) copyParts(ctx context.Context, from, to place, name string, size int64) error {
	u, err := s.begin(ctx, to.bucket, to.key(name))
	if err != nil {
		return err
	}
	for start := int64(0); start < size && err == nil; start += s.copyPart {
		var part minio.CompletePart
		err = s.try(ctx, "copy part", func(ctx context.Context) (err error) {
			part, err = s.client.CopyObjectPart(ctx, from.bucket, from.key(name), to.bucket, to.key(name), u.id, len(u.parts)+1, start,
				min(s.copyPart, size-start), nil)
			return err
		})
		u.parts = append(u.parts, part)
	}
	if err == nil {
		err = u.complete(ctx, &write{size: size})
	}
	if err != nil {
		u.giveUp(ctx)
	}
	return err
}
