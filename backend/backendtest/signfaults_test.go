package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

type (
	signCall  = call[stacksync.SignChunksParams, stacksync.SignChunksResult]
	storeFunc = func(r *http.Request, w stacksync.WriteChunkParams) error
)

// signMutants sign badly, or take what is not signed.
var signMutants = map[string]cloudMutant{
	"a missing chunk is empty": {caught: []string{"SignedGet"}, change: answers(http.StatusNotFound, http.StatusOK)},
	"signed names are cleaned": {caught: []string{"SignedNames"}, change: func(c *cloud) {
		before(&c.sign, func(p *stacksync.SignChunksParams) {
			p.Chunks = slices.Clone(p.Chunks)
			for i := range p.Chunks {
				p.Chunks[i].Name = strings.ReplaceAll(p.Chunks[i].Name, "%", "+")
			}
		})
	}},
	"requests come in another order": {caught: []string{"SignedMany"}, change: func(c *cloud) {
		after(&c.sign, func(_ stacksync.SignChunksParams, r *stacksync.SignChunksResult) { slices.Reverse(r.Requests) })
	}},
	"a URL is not a text": {caught: []string{"SignedJSON"}, change: func(c *cloud) {
		after(&c.sign, func(_ stacksync.SignChunksParams, r *stacksync.SignChunksResult) {
			for i := range r.Requests {
				r.Requests[i].URL += "&x=\xff"
			}
		})
	}},
	"each instance has a key of its own": {caught: []string{"SignedReopen"}, change: func(c *cloud) {
		second := &cloud{broken: c.broken, objects: c.objects, vault: c.vault, sign: c.sign}
		after(&second.sign, func(_ stacksync.SignChunksParams, r *stacksync.SignChunksResult) {
			for i := range r.Requests {
				r.Requests[i].URL += "00"
			}
		})
		c.reopen = func() stacksync.StorageProvisioner { return second }
	}},
	"a lifetime is made to fit": {caught: []string{"SignedBadParams"}, change: func(c *cloud) {
		before(&c.sign, func(p *stacksync.SignChunksParams) { p.Lifetime = min(max(p.Lifetime, time.Second), 7*24*time.Hour) })
	}},
	"signing does not look at the context": {caught: []string{"SignedCancelled"}, change: func(c *cloud) {
		around(&c.sign, func(ctx context.Context, next signCall, p stacksync.SignChunksParams) (stacksync.SignChunksResult, error) {
			return next(context.WithoutCancel(ctx), p)
		})
	}},

	"the method is not signed": signs([]string{"SignedMethods"}, func(k *ticket) { k.method = "" }),
	"the path is not signed":   signs([]string{"SignedGetAltered", "SignedPutAltered"}, func(k *ticket) { k.path = "" }),
	"the container is not signed": signs([]string{"SignedGetAltered", "SignedPutAltered"}, func(k *ticket) {
		k.path = path.Base(k.path)
	}),
	"the expiry is not signed": signs([]string{"SignedGetAltered", "SignedPutAltered"}, func(k *ticket) { k.expires = "" }),
	"requests don't expire": {caught: []string{"SignedExpiry"}, change: func(c *cloud) {
		c.objects.expired = func(time.Time, time.Time) bool { return false }
	}},
	"requests expire at once": {caught: []string{"SignedExpiry"}, change: func(c *cloud) {
		c.objects.expired = func(expires, now time.Time) bool { return now.Add(time.Second).After(expires) }
	}},
	"an expired request is a bad one": {caught: []string{"SignedExpiry"}, change: answers(http.StatusUnauthorized, http.StatusBadRequest)},
	"requests last too long": {caught: []string{"SignedPut", "SignedExpiry"}, change: func(c *cloud) {
		after(&c.sign, func(_ stacksync.SignChunksParams, r *stacksync.SignChunksResult) {
			r.Expires = r.Expires.Add(time.Hour)
		})
	}},
	"a header that is not signed copies": {caught: []string{"SignedPutCopiesNothing"}, change: func(c *cloud) {
		next := c.objects.store
		c.objects.store = func(r *http.Request, w stacksync.WriteChunkParams) error {
			container, object, ok := strings.Cut(r.Header.Get("X-Copy-From"), "/")
			name, isChunk := objectname.Chunk(object)
			if !ok || !isChunk {
				return next(r, w)
			}
			chunk, err := c.Storage.ReadChunk(r.Context(), stacksync.ReadChunkParams{Container: container, Name: name})
			if err != nil {
				return err
			}
			w.Size, w.Content = chunk.Size, chunk.Content
			return next(r, w)
		}
	}},
}

// putMutants take puts badly.
var putMutants = map[string]cloudMutant{
	"puts go nowhere": stores([]string{"SignedPut"}, func(*cloud, storeFunc, *http.Request, stacksync.WriteChunkParams) error { return nil }),
	"empty chunks can't be put": stores([]string{"SignedSizes"}, func(_ *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error {
		if w.Size == 0 {
			return errFault
		}
		return next(r, w)
	}),
	"a stored chunk is a conflict": {
		caught: []string{"SignedPutAgain", "SignedPutSameAtOnce"}, change: answers(http.StatusPreconditionFailed, http.StatusConflict),
	},
	"only one can put a chunk": {caught: []string{"SignedPutSameAtOnce"}, change: func(c *cloud) {
		var busy sync.Mutex
		next := c.objects.store
		c.objects.store = func(r *http.Request, w stacksync.WriteChunkParams) error {
			if !busy.TryLock() {
				return errFault
			}
			defer busy.Unlock()
			time.Sleep(50 * time.Millisecond) // the others come
			return next(r, w)
		}
	}},
	"a put replaces": stores([]string{"SignedPutKeeps"}, func(c *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error {
		if _, err := c.Storage.DeleteChunks(r.Context(), stacksync.DeleteChunksParams{Container: w.Container, Names: []string{w.Name}}); err != nil {
			return err
		}
		return next(r, w)
	}),
	"the size is not signed": {caught: []string{"SignedPutSize"}, change: func(c *cloud) {
		c.objects.covers = func(k ticket) ticket { k.size = ""; return k }
		c.objects.serve = func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set(sizeHeader, strconv.FormatInt(r.ContentLength, 10))
			c.objects.serveSigned(w, r)
		}
	}},
	"the content is not hashed": stores([]string{"SignedPutContent"}, func(_ *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error {
		w.Content = r.Body
		return next(r, w)
	}),
	"what came of a cut put is kept": stores([]string{"SignedPutCut"}, func(_ *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error {
		content, err := io.ReadAll(w.Content)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		w.Size, w.Content = int64(len(content)), bytes.NewReader(content)
		return next(r.WithContext(context.WithoutCancel(r.Context())), w) // the client is gone
	}),
	"a put makes the container": stores([]string{"SignedPutMissingContainer"}, makesContainer),
	"a container is deleted once": {caught: []string{"SignedPutLate"}, change: func(c *cloud) {
		stores(nil, makesContainer).change(c)
		var dropped sync.Map
		around(&c.drop, func(ctx context.Context, next dropCall, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
			if _, again := dropped.LoadOrStore(p.Container, true); again {
				return stacksync.DeleteContainerResult{}, nil
			}
			return next(ctx, p)
		})
	}},
}

func makesContainer(c *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error {
	if _, err := c.Storage.CreateContainer(r.Context(), stacksync.CreateContainerParams{Container: w.Container}); err != nil {
		return err
	}
	return next(r, w)
}

// signs returns a mutant whose signatures don't cover everything.
func signs(caught []string, forget func(*ticket)) cloudMutant {
	return cloudMutant{caught: caught, change: func(c *cloud) {
		c.objects.covers = func(k ticket) ticket { forget(&k); return k }
	}}
}

// answers returns a change of one status to another.
func answers(from, to int) func(c *cloud) {
	return func(c *cloud) {
		c.objects.refuse = func(w http.ResponseWriter, _ *http.Request, why int) {
			if why == from {
				why = to
			}
			w.WriteHeader(why)
		}
	}
}

// stores returns a mutant that does something else with what is put.
func stores(caught []string, store func(c *cloud, next storeFunc, r *http.Request, w stacksync.WriteChunkParams) error) cloudMutant {
	return cloudMutant{caught: caught, change: func(c *cloud) {
		next := c.objects.store
		c.objects.store = func(r *http.Request, w stacksync.WriteChunkParams) error { return store(c, next, r, w) }
	}}
}
