package s3

import (
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

const (
	knownFor  = 50 * time.Second // less than the minute that the contract allows
	mostKnown = 10_000
)

// containers remembers which containers exist, so that not each write asks for the marker.
type containers struct {
	mu     sync.Mutex
	byName map[string]*container
	// dropped has those that had to make room, as long as somebody holds them.
	dropped   map[string]weak.Pointer[container]
	deletions int
}

// container is one that was seen to exist. Those who write to it hold it meanwhile.
type container struct {
	until time.Time
	gone  atomic.Bool // deleted by this Storage since
}

// get returns a container that is known to exist, else nil and the state that add wants.
func (k *containers) get(name string, now time.Time) (c *container, deletions int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.byName[name]; c != nil && now.Before(c.until) {
		return c, k.deletions
	}
	return nil, k.deletions
}

// add remembers a container that was seen between get and now. It returns nil if any was deleted meanwhile: look again.
func (k *containers) add(name string, now time.Time, deletions int) *container {
	k.mu.Lock()
	defer k.mu.Unlock()
	if deletions != k.deletions {
		return nil
	}
	c := k.byName[name]
	if c == nil { // else it is held by writers, who must hear of a deletion
		if len(k.byName) >= mostKnown {
			k.prune(now)
		}
		if c = k.dropped[name].Value(); c == nil {
			c = &container{}
		}
		delete(k.dropped, name)
		if k.byName == nil {
			k.byName = map[string]*container{}
		}
		k.byName[name] = c
	}
	c.until = now.Add(knownFor)
	return c
}

// prune makes room: of what has expired, else of half.
func (k *containers) prune(now time.Time) {
	if k.dropped == nil {
		k.dropped = map[string]weak.Pointer[container]{}
	}
	for name, held := range k.dropped {
		if held.Value() == nil {
			delete(k.dropped, name)
		}
	}
	drop := func(name string, c *container) {
		k.dropped[name] = weak.Make(c)
		delete(k.byName, name)
	}
	for name, c := range k.byName {
		if now.After(c.until) {
			drop(name, c)
		}
	}
	for name, c := range k.byName {
		if len(k.byName) <= mostKnown/2 {
			break
		}
		drop(name, c)
	}
}

// forget tells those who write to a container that it is gone.
func (k *containers) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deletions++
	for _, c := range []*container{k.byName[name], k.dropped[name].Value()} {
		if c != nil {
			c.gone.Store(true)
		}
	}
	delete(k.byName, name)
	delete(k.dropped, name)
}
