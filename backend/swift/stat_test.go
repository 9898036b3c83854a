package swift_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// cluster answers HEAD and listings for n objects, whose names are numbers of 8 digits, of 5 bytes each.
func cluster(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			var i int
			if _, err := fmt.Sscanf(r.URL.Path, "/v1/AUTH_p1/c/%d", &i); err != nil || i >= n {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Length", "5")
			return
		}
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		page := []map[string]any{}
		for i := range n {
			name := fmt.Sprintf("%08d", i)
			if name > q.Get("marker") && (q.Get("end_marker") == "" || name < q.Get("end_marker")) && len(page) < limit {
				page = append(page, map[string]any{"name": name, "bytes": 5, "last_modified": "2026-11-23T08:11:52.209000"})
			}
		}
		_ = json.NewEncoder(w).Encode(page)
	}
}

func TestRequestsOfStatChunks(t *testing.T) {
	t.Parallel()
	const n = 50_000
	f := newFake(t, cluster(n))
	exact := openFake(t, f, nil)
	listing := openFake(t, f, func(c *swift.Config) { c.Listings = true })
	f.mu.Lock()
	f.strict = false // two have logged in
	f.mu.Unlock()
	for name, c := range map[string]struct {
		s            *swift.Storage
		first, every int
		asked        int
		most         int // requests
		mayLag       bool
	}{
		"exact":                          {s: exact, first: 0, every: 1, asked: 1000, most: 1000},
		"may lag":                        {s: exact, first: 0, every: 1, asked: 1000, most: 1, mayLag: true},
		"close together":                 {s: listing, first: 20_000, every: 1, asked: 1000, most: 1},
		"one in twenty":                  {s: listing, first: 0, every: 20, asked: 1000, most: 2},
		"one in fifty: too far apart":    {s: listing, first: 0, every: 50, asked: 1000, most: 4 + 200},
		"sparse":                         {s: listing, first: 0, every: 120, asked: 400, most: 1 + 400},
		"few":                            {s: listing, first: 0, every: 1, asked: 100, most: 100},
		"all missing":                    {s: listing, first: n, every: 1, asked: 1000, most: 1},
		"half of them beyond the others": {s: listing, first: n - 500, every: 1, asked: 1000, most: 1},
	} {
		var names []string
		want := 0
		for i := range c.asked {
			at := c.first + i*c.every
			names = append(names, fmt.Sprintf("%08d", at))
			if at < n {
				want++
			}
		}
		_, before := f.count()
		r, err := c.s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: append(names, names...), MayLag: c.mayLag})
		require.NoError(t, err, name)
		_, after := f.count()
		require.Len(t, r.Chunks, want, name)
		require.LessOrEqual(t, after-before, c.most, name)
		for _, chunk := range r.Chunks {
			require.EqualValues(t, 5, chunk.Size)
		}
	}
}
