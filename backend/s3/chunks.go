package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// ReadChunk implements stacksync.ChunkReader. The Content comes as it is read, so ctx must not end before; content that is cut off ends
// with an error.
func (s *Storage) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	err := check.ReadChunk(ctx, p)
	var r stacksync.ReadChunkResult
	if err == nil {
		r, err = s.readChunk(ctx, p)
	}
	if err != nil {
		return stacksync.ReadChunkResult{}, fmt.Errorf("read chunk %.255q: %w", p.Name, err)
	}
	return r, nil
}

func (s *Storage) readChunk(ctx context.Context, p stacksync.ReadChunkParams) (r stacksync.ReadChunkResult, err error) {
	present, err := s.present(ctx, p.Container)
	if err != nil {
		return r, err
	}
	if !present {
		return r, stacksync.ErrChunkNotFound
	}
	at := s.layout.place(p.Container)
	err = s.try(ctx, "get object", func(ctx context.Context) error {
		content, info, _, err := s.client.GetObject(ctx, at.bucket, at.key(p.Name), minio.GetObjectOptions{})
		if err == nil && info.Size < 0 {
			err = errors.Join(errNoSize, content.Close())
		}
		r = stacksync.ReadChunkResult{Size: info.Size, Content: content}
		return err
	})
	if is(err, minio.NoSuchKey) || s.missing(err) {
		err = stacksync.ErrChunkNotFound
	}
	return r, err
}

// DeleteChunks implements stacksync.StorageProvisioner.
func (s *Storage) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	err := check.DeleteChunks(ctx, p)
	if err == nil {
		err = s.deleteChunks(ctx, p)
	}
	if err != nil {
		return stacksync.DeleteChunksResult{}, fmt.Errorf("delete chunks: %w", err)
	}
	return stacksync.DeleteChunksResult{}, nil
}

func (s *Storage) deleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) error {
	at := s.layout.place(p.Container)
	keys := make([]string, len(p.Names))
	for i, name := range p.Names {
		keys[i] = at.key(name)
	}
	slices.Sort(keys)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.Parallel)
	for page := range slices.Chunk(slices.Compact(keys), mostPage) {
		g.Go(func() error { return s.deleteKeys(ctx, at.bucket, page) })
	}
	if err := g.Wait(); err != nil && !s.missing(err) {
		return s.named(err)
	}
	return nil
}

// deleteKeys deletes at most a page of objects; missing ones are deleted already. Keys that XML can't hold, which no chunk has, go one by one.
func (s *Storage) deleteKeys(ctx context.Context, bucket string, keys []string) error {
	if i := slices.IndexFunc(keys, notXML); i >= 0 && len(keys) > 1 {
		if err := s.deleteKeys(ctx, bucket, keys[i:i+1]); err != nil {
			return err
		}
		return s.deleteKeys(ctx, bucket, slices.Delete(slices.Clone(keys), i, i+1))
	}
	return s.deleteAtOnce(ctx, bucket, keys)
}

// notXML tells a key that has a character for which XML has no spelling.
func notXML(key string) bool {
	return !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff'
	})
}

func (s *Storage) deleteAtOnce(ctx context.Context, bucket string, keys []string) error {
	return s.try(ctx, "delete objects", func(ctx context.Context) error {
		if len(keys) == 1 {
			err := s.client.RemoveObject(ctx, bucket, keys[0], minio.RemoveObjectOptions{})
			if is(err, minio.NoSuchKey) { // which S3 does not say, but some servers do
				return nil
			}
			return err
		}
		results, err := s.client.RemoveObjectsWithIter(ctx, bucket, func(yield func(minio.ObjectInfo) bool) {
			for _, key := range keys {
				if !yield(minio.ObjectInfo{Key: key}) {
					return
				}
			}
		}, minio.RemoveObjectsOptions{})
		if err != nil {
			return err
		}
		for r := range results {
			if r.Err != nil && err == nil && !is(r.Err, minio.NoSuchKey) { // as above
				err = r.Err // all others were tried too; the next try brings them again
			}
		}
		if err == nil {
			err = ctx.Err() // with which the results end as if all had been deleted
		}
		return err
	})
}

// drain reads content to its end, which checks it.
func drain(content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}
