package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CreateContainer implements stacksync.StorageProvisioner.
func (s *Storage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	err := check.CreateContainer(ctx, p)
	if err == nil {
		err = s.createContainer(ctx, s.layout.place(p.Container))
	}
	if err != nil {
		return stacksync.CreateContainerResult{}, fmt.Errorf("create container %.63q: %w", p.Container, err)
	}
	return stacksync.CreateContainerResult{}, nil
}

func (s *Storage) createContainer(ctx context.Context, at place) error {
	if s.layout.ownBucket() {
		err := s.try(ctx, "create bucket", func(ctx context.Context) error {
			err := s.client.MakeBucket(ctx, at.bucket, minio.MakeBucketOptions{Region: s.cfg.Region})
			if is(err, minio.BucketAlreadyOwnedByYou) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		return s.prepare(ctx, at.bucket)
	}
	if err := s.prepare(ctx, at.bucket); err != nil {
		return s.named(err)
	}
	return s.try(ctx, "create marker", func(ctx context.Context) error {
		_, err := s.client.Client.PutObject(ctx, at.bucket, at.marker(), bytes.NewReader(nil), 0, minio.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true})
		return err
	})
}

func missingContainer(name string) error {
	return fmt.Errorf("container %.63q %w", name, stacksync.ErrNotFound)
}

// existing returns the container, or a stacksync.ErrNotFound. Where each is a bucket, nothing is remembered.
func (s *Storage) existing(ctx context.Context, name string) (*container, error) {
	at := s.layout.place(name)
	for {
		c, deletions := s.known.get(name, time.Now())
		if c != nil {
			return c, nil
		}
		asked := time.Now()
		found, err := s.exists(ctx, at)
		if err != nil {
			return nil, err
		}
		if !found {
			if !s.layout.ownBucket() {
				if err := s.seesBucket(ctx); err != nil {
					return nil, err
				}
			}
			return nil, missingContainer(name)
		}
		if s.layout.ownBucket() {
			return &container{}, nil
		}
		if c = s.known.add(name, asked, deletions); c != nil {
			return c, nil
		}
	}
}

// present reports whether there can be chunks. A bucket tells by itself; in a shared one, what is left of a container that is deleted,
// or comes to it by a signed request, is not to be seen.
func (s *Storage) present(ctx context.Context, name string) (bool, error) {
	if s.layout.ownBucket() {
		return true, nil
	}
	_, err := s.existing(ctx, name)
	if errors.Is(err, stacksync.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Storage) exists(ctx context.Context, at place) (found bool, err error) {
	err = s.try(ctx, "look for container", func(ctx context.Context) (err error) {
		if s.layout.ownBucket() {
			found, err = s.client.BucketExists(ctx, at.bucket)
			return err
		}
		_, found, err = s.head(ctx, at.bucket, at.marker())
		return err
	})
	return found, err
}

// head looks for one object, once.
func (s *Storage) head(ctx context.Context, bucket, key string) (minio.ObjectInfo, bool, error) {
	info, err := s.client.Client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.StatusCode == http.StatusNotFound { // it has no body to tell more
		return minio.ObjectInfo{}, false, nil
	}
	if err == nil && info.Size < 0 {
		err = errNoSize
	}
	return info, err == nil, err
}

// errNoSize is tried again: it may be that something between here and the server has failed.
var errNoSize = errors.New("the server does not say how large the object is")

// DeleteContainer implements stacksync.StorageProvisioner. In a shared bucket the container is gone at once, for other processes after a
// minute, and then its objects are deleted; a bucket of its own is emptied and then deleted. What else has been put there goes too, but for
// older versions. What comes later, by signed requests that have not expired, takes space until it is called once more.
func (s *Storage) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	err := check.DeleteContainer(ctx, p)
	if err == nil {
		err = s.deleteContainer(ctx, p.Container, s.layout.place(p.Container))
	}
	if err != nil {
		return stacksync.DeleteContainerResult{}, fmt.Errorf("delete container %.63q: %w", p.Container, err)
	}
	return stacksync.DeleteContainerResult{}, nil
}

func (s *Storage) deleteContainer(ctx context.Context, name string, at place) error {
	const tries = 5 // writes that have begun before may put something there even now
	if !s.layout.ownBucket() {
		if err := s.deleteKeys(ctx, at.bucket, []string{at.marker()}); err != nil {
			return s.named(err)
		}
		s.known.forget(name)
		for range tries {
			n, err := s.empty(ctx, at)
			if err != nil || n == 0 {
				return err
			}
		}
		if err := s.garbled(ctx, at); err != nil {
			return err
		}
		return errors.New("chunks are being written to it all the time")
	}
	var err error
	for range tries {
		if _, err = s.empty(ctx, at); err == nil {
			err = s.try(ctx, "delete bucket", func(ctx context.Context) error { return s.client.RemoveBucket(ctx, at.bucket) })
		}
		if is(err, minio.NoSuchBucket) {
			return nil
		}
		if !is(err, minio.BucketNotEmpty) {
			return err
		}
	}
	if garbled := s.garbled(ctx, at); garbled != nil {
		return fmt.Errorf("%w: %w", garbled, err)
	}
	if keeps, keepsErr := s.keepsVersions(ctx, at.bucket); keeps && keepsErr == nil {
		err = fmt.Errorf("%w: %w; delete the versions, and call again", ErrVersioned, err)
	}
	return err
}

// empty deletes what it finds in a place, and tells how many objects and unfinished uploads that were.
func (s *Storage) empty(ctx context.Context, at place) (n int, err error) {
	deletions, groupCtx := errgroup.WithContext(ctx)
	deletions.SetLimit(s.cfg.Parallel)
	after := ""
	for {
		var p page
		if p, err = s.page(groupCtx, at, after, mostPage); err != nil {
			break
		}
		keys := p.garbled // some may be right
		for i := range p.objects {
			keys = append(keys, p.objects[i].Key)
		}
		n += len(keys)
		for keys := range slices.Chunk(keys, mostPage) {
			deletions.Go(func() error { return s.deleteKeys(groupCtx, at.bucket, keys) })
		}
		if after = p.next; after == "" {
			break
		}
	}
	if groupErr := deletions.Wait(); groupErr != nil {
		err = groupErr // which has ended the listing
	}
	if err != nil {
		return n, err
	}
	aborted, err := s.abortUploads(ctx, at)
	return n + aborted, err
}

// garbled returns an error if objects are left whose keys the server does not list as they are: nobody but its operator can delete them.
func (s *Storage) garbled(ctx context.Context, at place) error {
	p, err := s.page(ctx, at, "", mostPage)
	if err == nil && len(p.garbled) > 0 {
		err = fmt.Errorf("%d objects are left whose keys the server does not list as they are", len(p.garbled))
	}
	return err
}

// abortUploads aborts the uploads that were begun in a place and never finished.
func (s *Storage) abortUploads(ctx context.Context, at place) (n int, err error) {
	keyMarker, idMarker := "", ""
	for {
		var page minio.ListMultipartUploadsResult
		err := s.try(ctx, "list uploads", func(ctx context.Context) (err error) {
			page, err = s.client.ListMultipartUploads(ctx, at.bucket, at.prefix, keyMarker, idMarker, "", mostPage)
			return err
		})
		if isNotImplemented(err) { // then there are none, or nobody can tell
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for _, u := range page.Uploads {
			if err := s.abort(ctx, at.bucket, u.Key, u.UploadID); err != nil {
				return n, err
			}
			n++
		}
		if !page.IsTruncated || page.NextKeyMarker == "" || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
			return n, nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}
