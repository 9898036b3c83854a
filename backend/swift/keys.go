package swift

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The headers of a container that have its keys for temporary URLs, and since when the first one is there, in seconds of Unix time.
const (
	keyHeader   = "X-Container-Meta-Temp-Url-Key"
	key2Header  = "X-Container-Meta-Temp-Url-Key-2"
	sinceHeader = "X-Container-Meta-Stacksync-Key-Since"
)

// header sets both keys of a container. Nil leaves them as they are.
func (k containerKeys) header(container string) map[string]string {
	if k == nil {
		return nil
	}
	first, second := k(container)
	return map[string]string{
		keyHeader:  first,
		key2Header: second, // empty removes it
	}
}

// signing is what a process knows of the keys of a container.
type signing struct {
	// secondUntil is until when the second key signs: proxies that remember the container from before don't know the first yet.
	secondUntil time.Time
}

// setKeys gives a container its keys and its origins, once in the life of this Storage: it may have been made before there were any, or with
// others. It returns what requests are to be signed with.
func (g *signer) setKeys(ctx context.Context, container string) (signing, error) {
	const most = 100_000 // containers that are remembered
	g.mu.Lock()
	known, ready := g.ready[container]
	g.mu.Unlock()
	if ready {
		return known, nil
	}
	var now signing
	present, there, err := g.s.headContainer(ctx, container)
	if err == nil && there {
		now, err = g.s.change(ctx, container, present)
	}
	if err == nil && !there || isStatus(err, http.StatusNotFound) { // it gets them when it is made
		return signing{}, nil
	}
	if err != nil {
		return signing{}, fmt.Errorf("set the keys of container %q: %w", container, err)
	}
	g.mu.Lock()
	if len(g.ready) >= most {
		clear(g.ready)
	}
	g.ready[container] = now
	g.mu.Unlock()
	return now, nil
}

// change sets what is not as it should be at a container whose header is present.
func (s *Storage) change(ctx context.Context, container string, present http.Header) (now signing, err error) {
	wanted := s.settings(container)
	differs := false
	for name, value := range wanted {
		differs = differs || present.Get(name) != value
	}
	if s.keys != nil {
		var came bool
		if now, came = s.former(container, present); came {
			wanted[sinceHeader], differs = strconv.FormatInt(time.Now().Unix(), 10), true
		}
	}
	if !differs {
		return now, nil
	}
	_, err = s.do(ctx, request{
		method: http.MethodPost, container: container, header: wanted, ok: []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent},
	})
	return now, err
}

// former tells which of its keys signs for a container whose header is present, and whether the first one comes only now.
func (s *Storage) former(container string, present http.Header) (now signing, came bool) {
	first, second := s.keys(container)
	has := func(key string) bool {
		return key != "" && (present.Get(keyHeader) == key || present.Get(key2Header) == key)
	}
	if came = !has(first); came {
		if has(second) { // else no key is known that proxies would take
			now.secondUntil = time.Now().Add(s.signing.Remembered)
		}
		return now, true
	}
	// By whichever process it came: their clocks are taken to be alike.
	if since, err := strconv.ParseInt(present.Get(sinceHeader), 10, 64); err == nil && has(second) {
		now.secondUntil = time.Unix(since, 0).Add(s.signing.Remembered)
	}
	return now, false
}

// keyOf returns the key that signs for a container.
func (g *signer) keyOf(container string, known signing) string {
	first, second := g.s.keys(container)
	if second != "" && time.Now().Before(known.secondUntil) {
		return second
	}
	return first
}
