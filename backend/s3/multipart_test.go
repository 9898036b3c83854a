package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

const large = s3.MostWhole + s3.PartSize/2

// pattern is content that differs from place to place.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)
	}
	return b
}

// unfinished returns the uploads that were begun in a bucket and neither completed nor aborted.
func unfinished(t *testing.T, bucket string) (keys []string) {
	t.Helper()
	for u := range root(t).ListIncompleteUploads(t.Context(), bucket, "", true) {
		require.NoError(t, u.Err)
		keys = append(keys, u.Key)
	}
	return keys
}

// TestLargeChunk: parts are sent again when they are refused, also where the content can't be read twice.
func TestLargeChunk(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s, m, n := throughMiddle(t, c)
	content := pattern(large)
	var refused atomic.Int32
	m.set(func(r *http.Request) (*answer, error) {
		if kind := what(r); slices.Contains([]string{"begin", "part", "complete"}, kind) && refused.Add(1)%2 == 1 {
			return readThenSlowDown(r)
		}
		return nil, nil
	}, nil)
	require.NoError(t, writeFrom(t.Context(), s, "large", large, struct{ io.Reader }{bytes.NewReader(content)}))
	require.NotEmpty(t, n.taken())
	m.set(nil, nil)
	requireStored(t, s, "large", string(content))
	require.Empty(t, unfinished(t, c.Bucket))

	// One that is stored is read to its end, but not sent.
	m.taken()
	require.NoError(t, writeFrom(t.Context(), s, "large", large, bytes.NewReader(content)))
	require.ErrorIs(t, writeFrom(t.Context(), s, "large", large, bytes.NewReader(content[1:])), stacksync.ErrSize)
	require.ErrorIs(t, writeFrom(t.Context(), s, "large", large-1, bytes.NewReader(content[1:])), stacksync.ErrSize)
	require.Equal(t, []string{"head", "head", "head"}, m.taken())
	requireStored(t, s, "large", string(content))
}

// TestCutUpload: nothing is left of an upload that fails.
func TestCutUpload(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	c.Tries = 2
	s, m, _ := throughMiddle(t, c)
	content := pattern(large)
	broken := errors.New("broken")
	for what, from := range map[string]io.Reader{
		"in the first part": io.MultiReader(bytes.NewReader(content[:1000]), failing{broken}),
		"in the last part":  io.MultiReader(bytes.NewReader(content[:large-1]), failing{broken}),
		"at the end":        io.MultiReader(bytes.NewReader(content), failing{broken}),
	} {
		require.ErrorIs(t, writeFrom(t.Context(), s, "cut", large, from), broken, what)
		require.Empty(t, unfinished(t, c.Bucket), what)
	}
	require.ErrorIs(t, writeFrom(t.Context(), s, "cut", large, bytes.NewReader(content[1:])), stacksync.ErrSize)
	require.ErrorIs(t, writeFrom(t.Context(), s, "cut", large-1, bytes.NewReader(content)), stacksync.ErrSize)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.set(func(r *http.Request) (*answer, error) {
		if what(r) == "part" {
			cancel()
			return nil, ctx.Err()
		}
		return nil, nil
	}, nil)
	require.ErrorIs(t, writeFrom(ctx, s, "cut", large, bytes.NewReader(content)), context.Canceled)

	for _, kind := range []string{"part", "complete"} {
		m.set(func(r *http.Request) (*answer, error) {
			if what(r) == kind {
				return readThenSlowDown(r)
			}
			return nil, nil
		}, nil)
		require.ErrorContains(t, writeFrom(t.Context(), s, "cut", large, bytes.NewReader(content)), "SlowDown")
	}
	m.set(nil, nil)
	require.Empty(t, unfinished(t, c.Bucket))
	require.Empty(t, stat(t, s, container, "cut"))
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestUploadRaces: whoever is second finds the chunk of the first one.
func TestUploadRaces(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s, m, _ := throughMiddle(t, c)
	content := pattern(large)
	key, other := c.Prefix+container+"/race", root(t)
	for _, test := range []struct {
		first []byte
		want  error
	}{{content, nil}, {content[1:], stacksync.ErrSize}} {
		m.set(func(r *http.Request) (*answer, error) {
			if what(r) == "complete" {
				_, err := other.PutObject(t.Context(), c.Bucket, key, bytes.NewReader(test.first), int64(len(test.first)), minio.PutObjectOptions{})
				return nil, err
			}
			return nil, nil
		}, nil)
		err := writeFrom(t.Context(), s, "race", large, bytes.NewReader(content))
		require.ErrorIs(t, err, test.want)
		requireStored(t, s, "race", string(test.first))
		require.Empty(t, unfinished(t, c.Bucket))
		_, err = s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"race"}})
		require.NoError(t, err)
	}
	m.set(nil, loseAnswers(1, "complete"))
	require.NoError(t, writeFrom(t.Context(), s, "lost", large, bytes.NewReader(content)))
	requireStored(t, s, "lost", string(content))
}

// TestKilledUpload: what a killed process leaves goes with its container.
func TestKilledUpload(t *testing.T) {
	t.Parallel()
	for _, c := range []s3.Config{config(t, server(t)), ownBuckets(server(t))} {
		s := open(t, c)
		bucket, prefix := c.Bucket, c.Prefix+container+"/"
		if bucket == "" {
			bucket, prefix = c.BucketPrefix+container, ""
		}
		core := minio.Core{Client: root(t)}
		_, err := core.NewMultipartUpload(t.Context(), bucket, prefix+"left", minio.PutObjectOptions{})
		require.NoError(t, err)
		require.NotEmpty(t, unfinished(t, bucket))
		_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
		require.NoError(t, err)
		if c.Bucket != "" {
			require.Empty(t, unfinished(t, bucket))
		}
	}
}

// TestCopyInParts: what is too large for one request is copied by several.
func TestCopyInParts(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s, m, _ := throughMiddle(t, c)
	const part = 5 << 20 // the least that S3 takes
	s3.SetCopyLimits(s, part, part)
	content := string(pattern(2*part + 1000))
	require.NoError(t, write(t.Context(), s, container, "large", content))
	_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "to"})
	require.NoError(t, err)
	m.taken()
	_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "to", Names: []string{"large"}})
	require.NoError(t, err)
	require.Len(t, slices.DeleteFunc(m.taken(), func(r string) bool { return r != "part" }), 3)
	requireStoredIn(t, s, "to", "large", content)

	m.set(func(r *http.Request) (*answer, error) {
		if what(r) == "part" && r.URL.Query().Get("partNumber") == "2" {
			return refusal(r, http.StatusForbidden, "AccessDenied", ""), nil
		}
		return nil, nil
	}, nil)
	_, err = s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "fails"})
	require.NoError(t, err)
	_, err = s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "fails", Names: []string{"large"}})
	require.ErrorContains(t, err, "AccessDenied")
	require.Empty(t, unfinished(t, c.Bucket))
	require.Empty(t, stat(t, s, "fails", "large"))
}

// TestMemoryIsBounded: how large a chunk is does not show in the memory it takes to write and read it.
func TestMemoryIsBounded(t *testing.T) {
	const size, most = 192 << 20, 80 << 20 // three parts of 16 MiB, and what else runs
	s := open(t, config(t, server(t)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, writeFrom(t.Context(), s, "large", size, io.LimitReader(zeros{}, size)))
	r, err := s.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "large"})
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r.Content)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.NoError(t, r.Content.Close())
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
