package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrNoBucket says that Config.Bucket does not exist, or not for these keys. Without it a wrong name would read as empty containers.
var ErrNoBucket = errors.New("the bucket does not exist")

// ErrVersioned says that a bucket keeps versions of its objects (versioning, or object lock, which needs it), and that the server does not take
// a chunk again that was deleted: to it, the mark of the deletion is an object that must not be replaced. Use a bucket without
// versioning, or, where deleted chunks may go on taking space, Config.Unconditional.
var ErrVersioned = errors.New("the bucket keeps versions, and takes no chunk again that was deleted")

// bucketLooks remembers what was found out about the one bucket of all containers.
type bucketLooks struct {
	mu     sync.Mutex
	seen   time.Time // that it exists
	usable bool      // that deleted chunks can be written again, and that it has the CORS rule
}

// seesBucket returns an ErrNoBucket if the one bucket of all containers is not there. It asks at most once in the time for which containers
// are remembered.
func (s *Storage) seesBucket(ctx context.Context) error {
	s.looks.mu.Lock()
	fresh := time.Since(s.looks.seen) < knownFor
	s.looks.mu.Unlock()
	if fresh {
		return nil
	}
	var exists bool
	err := s.try(ctx, "look for bucket", func(ctx context.Context) (err error) {
		exists, err = s.client.BucketExists(ctx, s.layout.bucket)
		return err
	})
	switch {
	case is(err, minio.AccessDenied) || statusOf(err) == http.StatusForbidden: // to look at the bucket itself: then nobody knows
	case err != nil:
		return err
	case !exists:
		return s.noBucket()
	}
	s.looks.mu.Lock()
	s.looks.seen = time.Now()
	s.looks.mu.Unlock()
	return nil
}

func (s *Storage) noBucket() error { return fmt.Errorf("bucket %q: %w", s.layout.bucket, ErrNoBucket) }

// named says which bucket a request did not find. In place of a bucket for each container, a shared one has to exist.
func (s *Storage) named(err error) error {
	if !s.layout.ownBucket() && is(err, minio.NoSuchBucket) {
		return fmt.Errorf("%w: %w", s.noBucket(), err)
	}
	return err
}

func statusOf(err error) int {
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return answer.StatusCode
	}
	return 0
}

// prepare finds out whether chunks that were deleted can be written again in a bucket, and sets its CORS rule: of the shared one once.
func (s *Storage) prepare(ctx context.Context, bucket string) error {
	s.looks.mu.Lock()
	known := s.looks.usable && !s.layout.ownBucket()
	s.looks.mu.Unlock()
	if known {
		return nil
	}
	keeps, err := s.keepsVersions(ctx, bucket)
	if err == nil && keeps {
		err = s.tryAgain(ctx, bucket)
	}
	if err == nil && len(s.cfg.Origins) > 0 {
		err = s.setOrigins(ctx, bucket, s.cfg.Origins)
	}
	if err != nil {
		return err
	}
	s.looks.mu.Lock()
	s.looks.usable = true
	s.looks.mu.Unlock()
	return nil
}

// keepsVersions asks whether a bucket keeps, or has kept, versions. A server that does not know, or does not tell, keeps none.
func (s *Storage) keepsVersions(ctx context.Context, bucket string) (keeps bool, err error) {
	err = s.try(ctx, "ask for versioning", func(ctx context.Context) error {
		c, err := s.client.GetBucketVersioning(ctx, bucket)
		keeps = c.Status != ""
		return err
	})
	if status := statusOf(err); status >= http.StatusBadRequest && !s.missing(err) && !is(err, minio.NoSuchBucket) {
		s.log.DebugContext(ctx, "the server does not tell whether the bucket keeps versions", "bucket", bucket, "error", err)
		return false, nil
	}
	return keeps, err
}

// tryAgain writes an object, deletes it, and writes it again. Amazon takes it, others don't.
func (s *Storage) tryAgain(ctx context.Context, bucket string) error {
	s.log.WarnContext(ctx, "the bucket keeps versions of objects: deleted chunks go on taking space", "bucket", bucket)
	key := s.layout.prefix + ".versions-" + strings.ToLower(rand.Text())
	for range 2 {
		err := s.try(ctx, "put twice", func(ctx context.Context) error {
			_, err := s.client.Client.PutObject(ctx, bucket, key, bytes.NewReader(nil), 0, s.emptyOptions())
			return err
		})
		if is(err, minio.PreconditionFailed) {
			return fmt.Errorf("bucket %q: %w", bucket, ErrVersioned)
		}
		if err == nil {
			err = s.deleteKeys(ctx, bucket, []string{key})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Storage) emptyOptions() minio.PutObjectOptions {
	o := s.putOptions()
	o.DisableContentSha256, o.Checksum = true, minio.ChecksumNone // the client signs, and sends, the end of nothing else
	return o
}

// comesAndGoes returns why the server has refused to replace a chunk that is not there: an ErrVersioned for good, or else an error that
// is tried again.
func (s *Storage) comesAndGoes(ctx context.Context, bucket string) error {
	keeps, err := s.keepsVersions(ctx, bucket)
	switch {
	case err != nil:
		return err
	case keeps:
		return final{fmt.Errorf("bucket %q: %w", bucket, ErrVersioned)}
	default:
		return errComesAndGoes
	}
}
