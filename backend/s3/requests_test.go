package s3_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

func hashes(of string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", of, i)))
	}
	return list
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// catalogue is a server that knows the keys of objects, which are empty, and does nothing but tell about them. Its objects cost nothing.
type catalogue struct{ sorted []string }

func (c *catalogue) act(prefix string) func(r *http.Request) (*answer, error) {
	return func(r *http.Request) (*answer, error) {
		switch what(r) {
		case "head":
			a := refusal(r, http.StatusOK, "", "")
			if _, found := slices.BinarySearch(c.sorted, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]); !found {
				a.StatusCode = http.StatusNotFound
			}
			a.Header.Set("Content-Length", "0")
			a.Header.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			return a, nil
		case "list":
			start, _ := slices.BinarySearch(c.sorted, strings.TrimPrefix(r.URL.Query().Get("start-after"), prefix)+"\x00")
			rest := c.sorted[start:]
			page := rest[:min(len(rest), 1_000)]
			var b strings.Builder
			fmt.Fprintf(&b, "<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>x</NextContinuationToken>", len(page) < len(rest))
			for _, key := range page {
				fmt.Fprintf(&b, "<Contents><Key>%s%s</Key><Size>0</Size></Contents>", prefix, key)
			}
			a := refusal(r, http.StatusOK, "", "")
			a.Body, a.ContentLength = io.NopCloser(strings.NewReader(b.String()+"</ListBucketResult>")), -1
			return a, nil
		}
		return nil, nil
	}
}

func TestStatRequests(t *testing.T) {
	t.Parallel()
	c := config(t, server(t))
	s, m, _ := throughMiddle(t, c)
	require.NoError(t, write(t.Context(), s, container, "chunk", ""))
	missing, all := hashes("missing", 1_000), hashes("stored", 50_000)
	for _, test := range []struct {
		stored, asked int // of which every second is stored, if there are so many
		list, head    int // at most
	}{
		{stored: 0, asked: 1, list: 0, head: 1},
		{stored: 999, asked: 1, list: 0, head: 1},
		{stored: 0, asked: 1_000, list: 1},
		{stored: 999, asked: 1_000, list: 1},
		{stored: 999, asked: 2, list: 1},
		{stored: 10_000, asked: 1_000, list: 1 + 2*16, head: 16 * 10},
		{stored: 50_000, asked: 500, list: 50, head: 500},
		{stored: 50_000, asked: 100, list: 1, head: 100},
		{stored: 50_000, asked: 10, list: 1, head: 10},
	} {
		stored := slices.Clone(all[:test.stored])
		asked := slices.Concat(stored[:min(len(stored), test.asked/2)], missing[:test.asked-min(len(stored), test.asked/2)])
		rand.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
		want := map[string]int64{}
		for _, name := range stored[:min(len(stored), test.asked/2)] {
			want[name] = 0
		}
		slices.Sort(stored)
		m.set((&catalogue{stored}).act(c.Prefix+container+"/"), nil)
		m.taken()
		require.Equal(t, want, stat(t, s, container, append(asked, asked...)...))
		requests := map[string]int{}
		for _, r := range m.taken() {
			requests[r]++
		}
		t.Logf("%d of %d chunks: %v", test.asked, test.stored, requests)
		require.LessOrEqual(t, requests["list"], test.list, "%+v: %v", test, requests)
		require.LessOrEqual(t, requests["head"], test.head, "%+v: %v", test, requests)
		require.LessOrEqual(t, requests["list"]+requests["head"], test.asked, "%+v: %v", test, requests)
	}
}

// TestParallelRequests: no call has more requests under way than it may.
func TestParallelRequests(t *testing.T) {
	t.Parallel()
	const most = 3
	c := config(t, server(t))
	c.Parallel = most
	s, m, _ := throughMiddle(t, c)
	require.NoError(t, write(t.Context(), s, container, "chunk", "")) // which makes the container known
	var mu sync.Mutex
	now, seen := 0, 0
	full, cancel := context.WithTimeout(t.Context(), 30*time.Second) // it ends as soon as most are under way
	defer cancel()
	all := (&catalogue{sorted(hashes("stored", 9_000))}).act(c.Prefix + container + "/")
	m.set(func(r *http.Request) (*answer, error) {
		mu.Lock()
		now++
		if seen = max(seen, now); seen == most {
			cancel()
		}
		mu.Unlock()
		if what(r) == "head" {
			<-full.Done()
		}
		time.Sleep(20 * time.Millisecond) // for one too many
		mu.Lock()
		now--
		mu.Unlock()
		return all(r)
	}, nil)
	stat(t, s, container, hashes("wide", 9)...)
	require.Equal(t, most, seen, "%v", m.taken())
}

func TestSignMakesNoRequest(t *testing.T) {
	t.Parallel()
	s, err := s3.New(s3.Config{Endpoint: "nowhere.invalid", AccessKey: "a", SecretKey: "s", BucketPrefix: "b-", Transport: forbidden{t}})
	require.NoError(t, err)
	chunks := make([]stacksync.Chunk, 1_000)
	for i, name := range hashes("sign", len(chunks)) {
		chunks[i] = stacksync.Chunk{Name: name, Size: int64(i)}
	}
	for _, method := range []stacksync.Method{stacksync.Get, stacksync.Put} {
		r, err := s.SignChunks(t.Context(), stacksync.SignChunksParams{Container: container, Method: method, Chunks: chunks, Lifetime: time.Hour, SHA256: true})
		require.NoError(t, err)
		require.Len(t, r.Requests, len(chunks))
	}
}

// forbidden is a transport that nobody may use.
type forbidden struct{ t *testing.T }

func (f forbidden) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("a request: %s", what(r))
	return nil, errCut
}

// TestMarkerIsRemembered: not each call asks whether the container exists.
func TestMarkerIsRemembered(t *testing.T) {
	t.Parallel()
	s, m, _ := throughMiddle(t, config(t, server(t)))
	for i := range 5 {
		require.NoError(t, write(t.Context(), s, container, fmt.Sprint(i), ""))
	}
	require.Equal(t, []string{"head", "put", "put", "put", "put", "put"}, m.taken())
	_, err := s.DeleteContainer(t.Context(), stacksync.DeleteContainerParams{Container: container})
	require.NoError(t, err)
	m.taken()
	for range 2 {
		require.ErrorIs(t, write(t.Context(), s, container, "x", ""), stacksync.ErrNotFound)
		require.Equal(t, []string{"head"}, m.taken())
	}
}
