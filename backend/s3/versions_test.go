package s3_test

import (
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// TestVersions: a bucket that keeps versions, where a deleted chunk can't be written again, is refused by name: when a container is made, and
// when it bites.
func TestVersions(t *testing.T) {
	t.Parallel()
	server(t)
	gateway, err := versitygw.Start(t.Context(), versitygw.Options{Versions: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, gateway.Close()) })
	raw := client(t, gateway, gateway.AccessKey, gateway.SecretKey)
	for _, lock := range []bool{false, true} {
		c := keys(gateway)
		c.Bucket = fresh()
		require.NoError(t, raw.MakeBucket(t.Context(), c.Bucket, minio.MakeBucketOptions{ObjectLocking: lock}))
		if !lock {
			before := open(t, c)
			require.NoError(t, write(t.Context(), before, container, "chunk", "content"))
			require.NoError(t, raw.EnableVersioning(t.Context(), c.Bucket))
			_, err := before.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"chunk"}})
			require.NoError(t, err)
			for _, size := range []int{7, 40 << 20} { // whole, and in parts
				err = write(t.Context(), before, container, "chunk", strings.Repeat("c", size))
				require.ErrorIs(t, err, s3.ErrVersioned)
				require.ErrorContains(t, err, c.Bucket)
			}
		}
		s, err := s3.New(c)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "another"})
		require.ErrorIs(t, err, s3.ErrVersioned)
		require.ErrorContains(t, err, c.Bucket)

		c.Unconditional = true
		s = open(t, c)
		for range 2 {
			require.NoError(t, write(t.Context(), s, container, "again", "content"))
			_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"again"}})
			require.NoError(t, err)
		}
	}

	// A bucket of its own that somebody has made keep versions can't be deleted by deleting what it shows.
	c := ownBuckets(gateway)
	s := open(t, c)
	bucket := c.BucketPrefix + container
	require.NoError(t, raw.EnableVersioning(t.Context(), bucket))
	require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
	_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.ErrorIs(t, err, s3.ErrVersioned)
	_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: container})
	require.ErrorIs(t, err, s3.ErrVersioned)
}
