package memory

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// shardCount makes a page of a listing cheap (only the shards it covers are sorted) and lets writers pass each other.
const shardCount = 64

// container is a set of chunks, ordered by shard, then name. The lock of a shard is held only for looking up, never while
// content is read or written.
type container struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

type shard struct {
	mu     sync.RWMutex
	chunks map[string]chunk
}

// chunk is the content of a chunk. Nobody writes to its blocks.
type chunk struct {
	blocks   [][]byte
	size     int64
	storedAt time.Time
}

func (c *container) shardOf(name string) int {
	return int(maphash.String(c.seed, name) % shardCount)
}

func (c *container) get(name string) (chunk, bool) {
	s := &c.shards[c.shardOf(name)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	ch, ok := s.chunks[name]
	return ch, ok
}

// put stores a chunk. Where there is one of that name already, its content stays, and it counts as stored now; one of another size is a
// stacksync.ErrSize.
func (c *container) put(name string, ch chunk) error {
	s := &c.shards[c.shardOf(name)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.chunks[name]; ok {
		if old.size != ch.size {
			return fmt.Errorf("%w: the stored chunk has %d bytes, not %d", stacksync.ErrSize, old.size, ch.size)
		}
		ch.blocks = old.blocks
	}
	if s.chunks == nil {
		s.chunks = map[string]chunk{}
	}
	s.chunks[name] = ch
	return nil
}

func (c *container) remove(name string) {
	s := &c.shards[c.shardOf(name)]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.chunks, name)
}

// page returns the first limit chunks after the one named after, which need not be there any more, and whether there are
// more.
func (c *container) page(after string, limit int) (chunks []stacksync.StoredChunk, more bool) {
	i := 0
	if after != "" {
		i = c.shardOf(after)
	}
	for ; i < shardCount && len(chunks) <= limit; i++ {
		chunks = append(chunks, c.shards[i].list(after)...)
		after = ""
	}
	if len(chunks) <= limit {
		return chunks, false
	}
	return slices.Clone(chunks[:limit]), true
}

// list returns the chunks named after, by name.
func (s *shard) list(after string) []stacksync.StoredChunk {
	s.mu.RLock()
	var list []stacksync.StoredChunk
	for name, ch := range s.chunks {
		if name > after {
			list = append(list, stacksync.StoredChunk{Chunk: stacksync.Chunk{Name: name, Size: ch.size}, StoredAt: ch.storedAt})
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b stacksync.StoredChunk) int { return strings.Compare(a.Name, b.Name) })
	return list
}
