// Package memory keeps chunks in the memory of the process: for tests, demonstrations, and hosts
// whose content need not outlive them. It needs no module that the root package does without.
//
//	storage := memory.New(memory.Config{})
//	_, err := storage.CreateContainer(ctx, stacksync.CreateContainerParams{Container: "photos"})
//
// Hand the Storage to the service as its storage; there is nothing to close. The service finds by itself that content can
// be written and read through the host (stacksync.ChunkWriter, stacksync.ChunkReader).
//
// Content is held once: a reader and the copies of a chunk in other containers share its bytes, and a reader that is open
// while its chunk is deleted reads it to the end.
package memory

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// Config configures a Storage. The zero value works.
type Config struct {
	// Now tells when a chunk is stored. Defaults to time.Now. It is called from many goroutines.
	Now func() time.Time
}

// Storage is a stacksync.StorageProvisioner, ChunkWriter and ChunkReader that keeps everything in memory. It lists chunks
// in an order that is another one in each Storage. Make it with New. All methods may be called from many goroutines.
type Storage struct {
	now  func() time.Time
	seed maphash.Seed // spreads names over shards

	mu         sync.RWMutex
	containers map[string]*container
}

var (
	_ stacksync.StorageProvisioner = (*Storage)(nil)
	_ stacksync.ChunkWriter        = (*Storage)(nil)
	_ stacksync.ChunkReader        = (*Storage)(nil)
)

// New returns an empty Storage.
func New(c Config) *Storage {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Storage{now: c.Now, seed: maphash.MakeSeed(), containers: map[string]*container{}}
}

// CreateContainer implements stacksync.StorageProvisioner.
func (s *Storage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	if err := check.CreateContainer(ctx, p); err != nil {
		return stacksync.CreateContainerResult{}, fmt.Errorf("create container: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.containers[p.Container] == nil {
		s.containers[p.Container] = &container{seed: s.seed}
	}
	return stacksync.CreateContainerResult{}, nil
}

// DeleteContainer implements stacksync.StorageProvisioner. It takes one step. A chunk whose write is still running goes
// with the container.
func (s *Storage) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	if err := check.DeleteContainer(ctx, p); err != nil {
		return stacksync.DeleteContainerResult{}, fmt.Errorf("delete container: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.containers, p.Container)
	return stacksync.DeleteContainerResult{}, nil
}

// container returns an empty one that nobody else sees where the named one is missing, and whether it is there.
func (s *Storage) container(name string) (*container, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.containers[name]; c != nil {
		return c, true
	}
	return &container{seed: s.seed}, false
}
