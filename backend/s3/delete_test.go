package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// changed is a server some of whose answers are other ones.
type changed struct {
	to     http.RoundTripper
	answer func(r *http.Request) *answer // nil for the server's own
}

func (c changed) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if a := c.answer(r); a != nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return (*http.Response)(a), nil
	}
	return res, nil
}

func openChanged(t *testing.T, c s3.Config, change func(r *http.Request) *answer) *s3.Storage {
	t.Helper()
	c.Transport = changed{&http.Transport{DisableKeepAlives: true}, change}
	return open(t, c)
}

// TestDeletedAlready: a server that says of objects that they were not there has deleted them.
func TestDeletedAlready(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"with a body": "NoSuchKey", "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openChanged(t, config(t, server(t)), func(r *http.Request) *answer {
				switch what(r) {
				case "delete":
					a := refusal(r, http.StatusNotFound, "NoSuchKey", "")
					if code == "" {
						a.Body, a.ContentLength = http.NoBody, 0
					}
					return a
				case "delete many":
					a := refusal(r, http.StatusOK, "", "")
					body := "<DeleteResult><Error><Key>k</Key><Code>NoSuchKey</Code></Error><Error><Key>l</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
					a.Body, a.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
					return a
				}
				return nil
			})
			for _, names := range [][]string{{"one"}, {"one", "two", "three"}} {
				for _, name := range names {
					require.NoError(t, write(t.Context(), s, container, name, "content"))
				}
				for range 2 {
					_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: names})
					require.NoError(t, err)
				}
				stat, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: names})
				require.NoError(t, err)
				require.Empty(t, stat.Chunks)
			}
			require.NoError(t, write(t.Context(), s, container, "one", "content"))
			for range 2 {
				_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
				require.NoError(t, err)
			}
			require.ErrorIs(t, write(t.Context(), s, container, "one", "content"), stacksync.ErrNotFound)
		})
	}
}

// TestDeleteRefused: what a server refuses for another reason is not deleted.
func TestDeleteRefused(t *testing.T) {
	t.Parallel()
	s := openChanged(t, config(t, server(t)), func(r *http.Request) *answer {
		if what(r) == "delete" {
			return refusal(r, http.StatusForbidden, "AccessDenied", "")
		}
		return nil
	})
	_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"chunk"}})
	require.ErrorContains(t, err, "AccessDenied")
	_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.ErrorContains(t, err, "AccessDenied")
}

// TestServerWithoutUploads: a server that can't list unfinished uploads lets containers be deleted all the same.
func TestServerWithoutUploads(t *testing.T) {
	t.Parallel()
	for name, configOf := range map[string]func(t T) s3.Config{
		"one bucket": func(t T) s3.Config { return config(t, server(t)) }, "own buckets": func(t T) s3.Config { return ownBuckets(server(t)) },
	} {
		for _, code := range []string{"NotImplemented", ""} {
			t.Run(name+code, func(t *testing.T) {
				t.Parallel()
				s := openChanged(t, configOf(t), func(r *http.Request) *answer {
					if what(r) != "list uploads" {
						return nil
					}
					a := refusal(r, http.StatusNotImplemented, code, "")
					if code == "" {
						a.Body, a.ContentLength = http.NoBody, 0
					}
					return a
				})
				_, err := s.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: "without-uploads"})
				require.NoError(t, err)
				require.NoError(t, write(t.Context(), s, "without-uploads", "chunk", "content"))
				_, err = s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: "without-uploads"})
				require.NoError(t, err)
				stat, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "without-uploads", Names: []string{"chunk"}})
				require.NoError(t, err)
				require.Empty(t, stat.Chunks)
			})
		}
	}
}
