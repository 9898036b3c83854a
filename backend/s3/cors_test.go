package s3_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// TestOriginsKeepOtherRules: a shared bucket can have CORS rules of the host's own.
func TestOriginsKeepOtherRules(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	c.Origins = origins
	raw := root(t)
	other := cors.Rule{ID: "other", AllowedOrigin: []string{"https://www.example.com"}, AllowedMethod: []string{"GET"}}
	require.NoError(t, raw.SetBucketCors(t.Context(), c.Bucket, cors.NewConfig([]cors.Rule{other})))
	rules := func() map[string][]string {
		found, err := raw.GetBucketCors(t.Context(), c.Bucket)
		require.NoError(t, err)
		all := map[string][]string{}
		for _, r := range found.CORSRules {
			all[r.ID] = r.AllowedOrigin
		}
		return all
	}
	s := open(t, c)
	require.Equal(t, map[string][]string{"other": other.AllowedOrigin, "stacksync": origins}, rules())
	for _, set := range [][]string{{"https://a.example"}, nil, nil} {
		_, err := s.SetOrigins(t.Context(), stacksync.SetOriginsParams{Container: container, Origins: set})
		require.NoError(t, err)
		want := map[string][]string{"other": other.AllowedOrigin}
		if set != nil {
			want["stacksync"] = set
		}
		require.Equal(t, want, rules())
	}
}

// TestClockMargin: a request is good for longer than is said, so that the server's clock may be ahead; but not for longer than S3 allows.
func TestClockMargin(t *testing.T) {
	t.Parallel()
	s, err := s3.New(s3.Config{Endpoint: "http://127.0.0.1:1", Bucket: "bucket", AccessKey: "a", SecretKey: "b", ClockMargin: 10 * time.Minute})
	require.NoError(t, err)
	for lifetime, seconds := range map[time.Duration]string{time.Minute: "660", 7 * 24 * time.Hour: "604800"} {
		before := time.Now()
		r, err := s.SignChunks(t.Context(), stacksync.SignChunksParams{
			Container: container, Method: stacksync.Get, Chunks: []stacksync.Chunk{{Name: "a"}}, Lifetime: lifetime,
		})
		require.NoError(t, err)
		u, err := url.Parse(r.Requests[0].URL)
		require.NoError(t, err)
		require.Equal(t, seconds, u.Query().Get("X-Amz-Expires"))
		require.False(t, r.Expires.After(time.Now().Add(lifetime)))
		require.False(t, r.Expires.Before(before.Add(lifetime-2*time.Second)))
	}
}
