package backendtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	params "github.com/stacksync/stacksync-go/backend/internal/check"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
	"github.com/stacksync/stacksync-go/backend/memory"
)

// objects is an HTTP server with signed requests: GET and PUT of /container/object. What a mutant may change is in the fields that are
// functions.
type objects struct {
	storage *memory.Storage
	url     string
	key     []byte

	covers  func(ticket) ticket                                   // what the signature is made of
	expired func(expires, now time.Time) bool                     // whether a request comes too late
	refuse  func(w http.ResponseWriter, r *http.Request, why int) // how it is told
	store   func(r *http.Request, w stacksync.WriteChunkParams) error
	serve   func(w http.ResponseWriter, r *http.Request)

	mu sync.Mutex // held while one looks whether a chunk is stored, and stores it

	ruling  sync.Mutex
	origins map[string][]string // by container
	leave   func(container, origin string) (origins, methods, headers string)
}

// ticket is what a request is signed for.
type ticket struct {
	method, path, expires, size, sha256 string
}

// The header that says what Content-Length must be, and the parameters.
const (
	sizeHeader                               = "X-Fake-Size"
	expiresParam, sha256Param, signatureText = "expires", "sha256", "signature"
)

func newObjects(t T, storage *memory.Storage) *objects {
	o := &objects{storage: storage, key: []byte("a key"), covers: func(k ticket) ticket { return k }}
	o.expired = func(expires, now time.Time) bool { return !now.Before(expires) }
	o.refuse = func(w http.ResponseWriter, _ *http.Request, why int) { w.WriteHeader(why) }
	o.store = o.storeOnce
	o.serve, o.leave, o.origins = o.serveSigned, o.leaveFor, map[string][]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.serve(w, r) }))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func (o *objects) signature(k ticket) string {
	mac := hmac.New(sha256.New, o.key)
	mac.Write(fmt.Appendf(nil, "%q", o.covers(k)))
	return hex.EncodeToString(mac.Sum(nil))
}

// sign is a call that a stacksync.ChunkSigner can be made of.
func (o *objects) sign(ctx context.Context, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
	if err := params.SignChunks(ctx, p); err != nil {
		return stacksync.SignChunksResult{}, err
	}
	r := stacksync.SignChunksResult{Expires: time.Now().Add(p.Lifetime)}
	for _, c := range p.Chunks {
		k := ticket{method: string(p.Method), path: "/" + p.Container + "/" + objectname.Of(c.Name), expires: strconv.FormatInt(r.Expires.UnixMilli(), 10)}
		request := stacksync.SignedRequest{Method: p.Method}
		if p.Method == stacksync.Put {
			k.size = strconv.FormatInt(c.Size, 10)
			request.Header = map[string]string{sizeHeader: k.size}
			if p.SHA256 {
				k.sha256 = c.Name
			}
		}
		q := url.Values{expiresParam: {k.expires}, signatureText: {o.signature(k)}}
		if k.sha256 != "" {
			q.Set(sha256Param, k.sha256)
		}
		request.URL = o.url + k.path + "?" + q.Encode()
		r.Requests = append(r.Requests, request)
	}
	return r, nil
}

func (o *objects) serveSigned(w http.ResponseWriter, r *http.Request) {
	at, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if origin := r.Header.Get("Origin"); origin != "" {
		origins, methods, headers := o.leave(at, origin)
		for name, value := range map[string]string{"Origin": origins, "Methods": methods, "Headers": headers} {
			if value != "" {
				w.Header().Set("Access-Control-Allow-"+name, value)
			}
		}
		if r.Method == http.MethodOptions {
			return
		}
	}
	q := r.URL.Query()
	k := ticket{method: r.Method, path: r.URL.Path, expires: q.Get(expiresParam), size: r.Header.Get(sizeHeader), sha256: q.Get(sha256Param)}
	if !hmac.Equal([]byte(o.signature(k)), []byte(q.Get(signatureText))) {
		o.refuse(w, r, http.StatusForbidden)
		return
	}
	expires, err := strconv.ParseInt(k.expires, 10, 64)
	if err != nil || o.expired(time.UnixMilli(expires), time.Now()) {
		o.refuse(w, r, http.StatusUnauthorized)
		return
	}
	container, object, _ := strings.Cut(strings.TrimPrefix(k.path, "/"), "/")
	name, ok := objectname.Chunk(object)
	switch {
	case !ok:
		o.refuse(w, r, http.StatusBadRequest)
	case r.Method == http.MethodGet:
		o.get(w, r, container, name)
	case r.Method == http.MethodPut:
		o.put(w, r, k, container, name)
	default:
		o.refuse(w, r, http.StatusMethodNotAllowed)
	}
}

func (o *objects) get(w http.ResponseWriter, r *http.Request, container, name string) {
	chunk, err := o.storage.ReadChunk(r.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
	if err != nil {
		o.refuse(w, r, http.StatusNotFound)
		return
	}
	defer chunk.Content.Close()
	w.Header().Set("Content-Length", strconv.FormatInt(chunk.Size, 10))
	_, _ = io.Copy(w, chunk.Content) // a client that goes away has no use for an error
}

var (
	errStored  = errors.New("stored already")
	errContent = errors.New("other content than was signed")
)

func (o *objects) put(w http.ResponseWriter, r *http.Request, k ticket, container, name string) {
	if k.size != strconv.FormatInt(r.ContentLength, 10) {
		o.refuse(w, r, http.StatusBadRequest)
		return
	}
	content := io.Reader(r.Body)
	if k.sha256 != "" {
		content = &hashing{from: r.Body, want: k.sha256}
	}
	err := o.store(r, stacksync.WriteChunkParams{Container: container, Chunk: stacksync.Chunk{Name: name, Size: r.ContentLength}, Content: content})
	switch {
	case errors.Is(err, errStored):
		o.refuse(w, r, http.StatusPreconditionFailed)
	case errors.Is(err, stacksync.ErrNotFound):
		o.refuse(w, r, http.StatusNotFound)
	case errors.Is(err, errAway):
		o.refuse(w, r, http.StatusServiceUnavailable)
	case err != nil:
		o.refuse(w, r, http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

func (o *objects) storeOnce(r *http.Request, w stacksync.WriteChunkParams) error {
	content, err := io.ReadAll(w.Content)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	stored, err := o.storage.StatChunks(r.Context(), stacksync.StatChunksParams{Container: w.Container, Names: []string{w.Name}})
	if err == nil && len(stored.Chunks) > 0 {
		return errStored
	}
	w.Content = strings.NewReader(string(content))
	_, err = o.storage.WriteChunk(r.Context(), w)
	return err
}

// hashing fails at the end of content that has another SHA-256.
type hashing struct {
	from io.Reader
	read []byte
	want string
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.read = append(h.read, p[:n]...)
	if errors.Is(err, io.EOF) && fmt.Sprintf("%x", sha256.Sum256(h.read)) != h.want {
		err = errContent
	}
	return n, err
}
