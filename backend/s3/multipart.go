package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const (
	partSize     = 16 << 20
	partsAtOnce  = 3
	mostParts    = 10_000 // that S3 takes
	abortTimeout = 30 * time.Second
)

func newPart() any {
	b := make([]byte, partSize)
	return &b
}

// inParts writes the chunk part by part. It looks first: the parts of a chunk that is stored would all be for nothing.
func (w *write) inParts(ctx context.Context) error {
	content := check.Content(ctx, w.content, w.size)
	stored := false
	err := w.s.try(ctx, "look for chunk", func(ctx context.Context) error {
		info, found, err := w.s.head(ctx, w.bucket, w.key)
		if found {
			stored = true
			return w.compareSize(info.Size)
		}
		return err
	})
	if err != nil {
		return err
	}
	if stored {
		return drain(content)
	}
	u, err := w.s.begin(ctx, w.bucket, w.key)
	if err != nil {
		return err
	}
	err = u.send(ctx, content, w.size)
	if err == nil {
		err = u.complete(ctx, w)
	}
	if err != nil {
		u.giveUp(ctx)
	}
	return err
}

// upload is a chunk that becomes visible when it is complete.
type upload struct {
	s               *Storage
	bucket, key, id string
	parts           []minio.CompletePart
}

func (s *Storage) begin(ctx context.Context, bucket, key string) (*upload, error) {
	u := &upload{s: s, bucket: bucket, key: key}
	err := s.try(ctx, "begin upload", func(ctx context.Context) (err error) {
		u.id, err = s.client.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{})
		return err
	})
	return u, err
}

// send sends content in parts, several at a time, each in a buffer of its own.
func (u *upload) send(ctx context.Context, content io.Reader, size int64) error {
	u.parts = make([]minio.CompletePart, (size+partSize-1)/partSize)
	g, groupCtx := errgroup.WithContext(ctx)
	free := make(chan *[]byte, partsAtOnce)
	for range min(partsAtOnce, len(u.parts)) {
		buffer := u.s.parts.Get().(*[]byte)
		defer u.s.parts.Put(buffer)
		free <- buffer
	}
	var err error
	for i := range u.parts {
		buffer := <-free
		part := (*buffer)[:min(partSize, size-int64(i)*partSize)]
		if groupCtx.Err() != nil {
			break
		}
		if _, err = io.ReadFull(content, part); err != nil {
			break
		}
		g.Go(func() error {
			defer func() { free <- buffer }()
			return u.sendPart(groupCtx, i+1, part)
		})
	}
	if groupErr := g.Wait(); groupErr != nil && err == nil {
		err = groupErr
	}
	return err
}

func (u *upload) sendPart(ctx context.Context, number int, part []byte) error {
	sum := sha256.Sum256(part) // which also tells the server whether the part is whole
	o := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true}
	return u.s.try(ctx, "put part", func(ctx context.Context) error {
		b := &body{from: bytes.NewReader(part)}
		defer b.end() // the buffer is another part's soon
		sent, err := u.s.client.PutObjectPart(ctx, u.bucket, u.key, u.id, number, b, int64(len(part)), o)
		if err == nil {
			u.parts[number-1] = minio.CompletePart{PartNumber: number, ETag: sent.ETag}
		}
		return err
	})
}

// complete makes the chunk visible. Where w is not nil, a chunk that is stored meanwhile must have its size.
func (u *upload) complete(ctx context.Context, w *write) error {
	o := u.s.putOptions()
	o.Checksum = minio.ChecksumNone // each part had its own
	err := u.s.try(ctx, "complete upload", func(ctx context.Context) error {
		_, err := u.s.client.CompleteMultipartUpload(ctx, u.bucket, u.key, u.id, slices.Clone(u.parts), o)
		return err
	})
	// The upload is gone too when only the answer of an earlier try was lost.
	if !is(err, minio.PreconditionFailed, minio.NoSuchUpload) {
		return err
	}
	lost := is(err, minio.NoSuchUpload)
	tryErr := u.s.try(ctx, "look for chunk", func(ctx context.Context) error {
		info, found, headErr := u.s.head(ctx, u.bucket, u.key)
		if headErr != nil {
			return headErr
		}
		if !found {
			if lost {
				return final{err}
			}
			if err := u.s.comesAndGoes(ctx, u.bucket); err != errComesAndGoes { //nolint:errorlint // as it is made
				return err
			}
			return final{err}
		}
		return w.compareSize(info.Size)
	})
	if tryErr == nil && !lost {
		u.giveUp(ctx) // the other one stays
	}
	return tryErr
}

// giveUp aborts the upload, also when ctx has ended.
func (u *upload) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if err := u.s.abort(ctx, u.bucket, u.key, u.id); err != nil {
		u.s.log.WarnContext(ctx, "an upload was not aborted: its parts take space", "bucket", u.bucket, "object", u.key, "error", err)
	}
}

func (s *Storage) abort(ctx context.Context, bucket, key, id string) error {
	return s.try(ctx, "abort upload", func(ctx context.Context) error {
		err := s.client.AbortMultipartUpload(ctx, bucket, key, id)
		if is(err, minio.NoSuchUpload, minio.NoSuchKey, minio.NoSuchBucket) {
			return nil
		}
		return err
	})
}
