package s3_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

func keysIn(t *testing.T, bucket string) (list []string) {
	t.Helper()
	for o := range root(t).ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(t, o.Err)
		list = append(list, o.Key)
	}
	return list
}

// TestLayout pins where things are: who has stored something must find it again.
func TestLayout(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s := open(t, c)
	for _, name := range []string{"plain-name_1", "a/b", strings.Repeat("x", 255)} {
		require.NoError(t, write(t.Context(), s, container, name, ""))
	}
	require.ElementsMatch(t, []string{
		"some/prefix-c/.container", "some/prefix-c/plain-name_1", "some/prefix-c/_c4nm4",
		"some/prefix-c/_" + strings.Repeat("f1s7gu3o", 25) + "-/" + strings.Repeat("f1s7gu3o", 25) + "-/f1s7gu3o",
	}, keysIn(t, c.Bucket))

	own := ownBuckets(server(t))
	s = open(t, own)
	require.NoError(t, write(t.Context(), s, container, "chunk", ""))
	require.Equal(t, []string{"chunk"}, keysIn(t, own.BucketPrefix+container))
	long := "c" + strings.Repeat("0", 62)
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: long})
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), s, long, "chunk", ""))
	require.Equal(t, []string{"chunk"}, keysIn(t, s3.BucketName(own.BucketPrefix, long)))
}

func TestBucketName(t *testing.T) {
	t.Parallel()
	const prefix = "acme-"
	require.Equal(t, "acme-ws-abc", s3.BucketName(prefix, "ws-abc"))
	require.Equal(t, "acme-cccccccccccccccccccccccccccccccc", s3.BucketName(prefix, strings.Repeat("c", 32)))
	good := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	seen := map[string]string{}
	for length := 1; length <= 63; length++ {
		for _, end := range []string{"", "-an", "--x-s3"} {
			if len(end) >= length {
				continue
			}
			name := strings.Repeat("c", length-len(end)) + end
			bucket := s3.BucketName(prefix, name)
			require.Regexp(t, good, bucket)
			require.Empty(t, seen[bucket], name)
			seen[bucket] = name
			require.NotRegexp(t, "-an$|--x-s3$", bucket)
		}
	}
	// One that looks as if it were another's.
	long := strings.Repeat("c", 63)
	require.NotEqual(t, s3.BucketName(prefix, long), s3.BucketName(prefix, strings.TrimPrefix(s3.BucketName(prefix, long), prefix)))
}

func TestBefore(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"c/0", "c/a", "c/_0", "c/ab-", "c/abc"} {
		before := s3.Before(key)
		require.Less(t, before, key)
		for _, c := range "0123456789abcdefghijklmnopqrstuvwxyz-_/" {
			for _, between := range []string{key[:len(key)-1] + string(c), key[:len(key)-1] + string(c) + "z"} {
				require.False(t, before < between && between < key, "%q lies between %q and %q", between, before, key)
			}
		}
	}
}

// TestForeignObjects: what others put into the bucket is not listed, and goes with its container, but not with another one.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s := open(t, c)
	foreign := []string{"README", "a~", "zz/chunk", ".hidden", "_odd", "tab\t", "two\nlines"}
	for _, name := range foreign {
		for _, at := range []string{c.Prefix + container + "/", c.Prefix + container + "-2/", ""} {
			_, err := root(t).PutObject(t.Context(), c.Bucket, at+name, strings.NewReader(""), 0, minio.PutObjectOptions{})
			require.NoError(t, err)
		}
	}
	require.NoError(t, write(t.Context(), s, container, "chunk", ""))
	for _, limit := range []int{0, 1} {
		var names []string
		for p := (stacksync.ListChunksParams{Container: container, Limit: limit}); ; {
			r, err := s.ListChunks(t.Context(), p)
			require.NoError(t, err)
			for _, c := range r.Chunks {
				names = append(names, c.Name)
			}
			if p.After = r.Next; p.After == "" {
				break
			}
		}
		require.Equal(t, []string{"chunk"}, names)
	}
	_, err := s.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container, After: strings.Repeat("x", 2_000)})
	require.ErrorContains(t, err, "After")
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	require.Len(t, keysIn(t, c.Bucket), 2*len(foreign))
}

// TestKeysThatAreNotListed: XML has no spelling for some characters, and a server that does not escape keys (encoding-type=url) puts U+FFFD
// in their place. Then nobody knows the key, also not what comes after it; chunks are listed all the same.
func TestKeysThatAreNotListed(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s := open(t, c)
	names := []string{"a", "aa", "ab", "b", "zz"}
	for _, name := range names {
		require.NoError(t, write(t.Context(), s, container, name, ""))
	}
	for _, key := range []string{"a\x01b", "a\x02", "zzz\x1f"} {
		_, err := root(t).PutObject(t.Context(), c.Bucket, c.Prefix+container+"/"+key, strings.NewReader(""), 0, minio.PutObjectOptions{})
		require.NoError(t, err)
	}
	for _, limit := range []int{0, 1, 2} {
		var listed []string
		for p := (stacksync.ListChunksParams{Container: container, Limit: limit}); ; {
			r, err := s.ListChunks(t.Context(), p)
			require.NoError(t, err)
			for _, c := range r.Chunks {
				listed = append(listed, c.Name)
			}
			if p.After = r.Next; p.After == "" {
				break
			}
		}
		require.Equal(t, names, listed, "limit %d", limit)
	}
	_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.ErrorContains(t, err, "does not list")
	require.Len(t, keysIn(t, c.Bucket), 3, "all else is deleted")
}

// TestMissingBucket: a shared bucket that is not there is a mistake, and not an empty container.
func TestMissingBucket(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	c.Bucket = fresh()
	ctx, one := t.Context(), []string{"chunk"}
	for name, call := range map[string]func(s *s3.Storage) error{
		"create": func(s *s3.Storage) error {
			_, err := s.CreateContainer(ctx, stacksync.CreateContainerParams{Container: container})
			return err
		},
		"delete": func(s *s3.Storage) error {
			_, err := s.DeleteContainer(ctx, stacksync.DeleteContainerParams{Container: container})
			return err
		},
		"stat": func(s *s3.Storage) error {
			_, err := s.StatChunks(ctx, stacksync.StatChunksParams{Container: container, Names: one})
			return err
		},
		"list": func(s *s3.Storage) error {
			_, err := s.ListChunks(ctx, stacksync.ListChunksParams{Container: container})
			return err
		},
		"copy": func(s *s3.Storage) error {
			_, err := s.CopyChunks(ctx, stacksync.CopyChunksParams{From: container, To: "d", Names: one})
			return err
		},
		"delete chunks": func(s *s3.Storage) error {
			_, err := s.DeleteChunks(ctx, stacksync.DeleteChunksParams{Container: container, Names: one})
			return err
		},
		"read":  func(s *s3.Storage) error { _, err := read(ctx, s, container, "chunk"); return err },
		"write": func(s *s3.Storage) error { return write(ctx, s, container, "chunk", "content") },
	} {
		s, err := s3.New(c)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		err = call(s)
		require.ErrorIs(t, err, s3.ErrNoBucket, name)
		require.ErrorContains(t, err, c.Bucket, name)
		require.NotErrorIs(t, err, stacksync.ErrNotFound, name)
	}
}

// TestDeleteWhileWriting: writers find the container there or gone, and leave nothing behind.
func TestDeleteWhileWriting(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s := open(t, c)
	const writers = 4
	var wg, started sync.WaitGroup
	started.Add(writers)
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				if i == 3 {
					started.Done()
				}
				if err := write(context.Background(), s, container, strings.Repeat("x", w+1)+strings.Repeat("y", i%100), "content"); err != nil {
					if i < 3 {
						started.Done()
					}
					requireNotFound(t, err)
					return
				}
			}
		})
	}
	started.Wait()
	_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	wg.Wait()
	require.Empty(t, keysIn(t, c.Bucket))
}

func requireNotFound(t *testing.T, err error) {
	t.Helper()
	if !strings.Contains(err.Error(), stacksync.ErrNotFound.Error()) {
		t.Errorf("%v", err)
	}
}
