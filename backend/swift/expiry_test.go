package swift_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// expiring is a Swift with objects that are going to delete themselves. Like Swift, a POST takes from an object what it does not name.
type expiring struct {
	mu      sync.Mutex
	objects map[string]*object // by container/name
	gone    bool               // they delete themselves before they are touched
	methods []string
}

type object struct{ size, deleteAt string }

func (e *expiring) answer(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.methods = append(e.methods, r.Method)
	path := strings.TrimPrefix(r.URL.Path, "/v1/AUTH_p1/")
	o := e.objects[path]
	switch {
	case r.Method == http.MethodPut && r.Header.Get("X-Copy-From") != "":
		from := e.objects[strings.TrimPrefix(r.Header.Get("X-Copy-From"), "/")]
		if from == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		e.objects[path] = &object{size: from.size}
		if r.Header.Get("X-Fresh-Metadata") != "true" {
			e.objects[path].deleteAt = from.deleteAt
		}
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut:
		_, _ = io.Copy(io.Discard, r.Body)
		if o != nil {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		e.objects[path] = &object{size: r.Header.Get("Content-Length")}
		w.WriteHeader(http.StatusCreated)
	case !strings.Contains(path, "/") && r.Method == http.MethodHead: // a container
		w.WriteHeader(http.StatusNoContent)
	case o == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
		w.Header().Set("Content-Length", o.size)
		if o.deleteAt != "" {
			w.Header().Set("X-Delete-At", o.deleteAt)
		}
	case r.Method == http.MethodPost && e.gone && o.deleteAt != "":
		delete(e.objects, path)
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		o.deleteAt = r.Header.Get("X-Delete-At")
		w.WriteHeader(http.StatusAccepted)
	}
}

func (e *expiring) taken() (methods []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	methods, e.methods = e.methods, nil
	return methods
}

func (e *expiring) at(path string) object {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o := e.objects[path]; o != nil {
		return *o
	}
	return object{}
}

func (e *expiring) put(path, size, deleteAt string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.objects[path] = &object{size, deleteAt}
}

const later = "2000000000"

// TestObjectsThatDeleteThemselves: what counts as stored stays.
func TestObjectsThatDeleteThemselves(t *testing.T) {
	t.Parallel()
	e := &expiring{objects: map[string]*object{}}
	s := openFake(t, newFake(t, e.answer), nil)
	stat := func() []stacksync.Chunk {
		r, err := s.StatChunks(t.Context(), stacksync.StatChunksParams{Container: "c", Names: []string{"a"}})
		require.NoError(t, err)
		return r.Chunks
	}
	e.put("c/a", "5", later)
	require.Equal(t, []stacksync.Chunk{{Name: "a", Size: 5}}, stat())
	require.Equal(t, []string{http.MethodHead, http.MethodPost}, e.taken())
	require.Equal(t, object{size: "5"}, e.at("c/a"))
	require.Len(t, stat(), 1)
	require.Equal(t, []string{http.MethodHead}, e.taken(), "it costs nothing else")

	e.put("c/a", "5", later)
	require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5))
	require.Equal(t, object{size: "5"}, e.at("c/a"))

	e.put("c/a", "5", later)
	require.NoError(t, copyTo(t, s))
	require.Empty(t, e.at("d/a").deleteAt)
	e.put("d/a", "5", later)
	require.NoError(t, copyTo(t, s), "it is there")
	require.Empty(t, e.at("d/a").deleteAt)

	e.gone = true
	e.put("c/a", "5", later)
	require.Empty(t, stat())
	require.NoError(t, write(t.Context(), s, "c", "a", strings.NewReader("hello"), 5))
	require.Equal(t, object{size: "5"}, e.at("c/a"))
}

func copyTo(t *testing.T, s stacksync.StorageProvisioner) error {
	t.Helper()
	_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "c", To: "d", Names: []string{"a"}})
	return err
}

// TestCopyOntoOther: a chunk of another size is not asked to be replaced.
func TestCopyOntoOther(t *testing.T) {
	t.Parallel()
	e := &expiring{objects: map[string]*object{}}
	s := openFake(t, newFake(t, e.answer), nil)
	e.put("c/a", "5", "")
	e.put("d/a", "4", "")
	require.ErrorIs(t, copyTo(t, s), stacksync.ErrSize)
	require.Equal(t, object{size: "4"}, e.at("d/a"))
	require.NotContains(t, e.taken(), http.MethodPut)
}
