package service_test

import (
	"context"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/service"
)

// What sharing a folder costs, beside what TestShareLargeFolder says of others' waiting.
// BenchmarkShareFolder shares folders of 5,000 items, on SQLite, with a storage that does not count. x/commit is its time in relation to that
// of the commits that made the items, in the same run.
func BenchmarkShareFolder(b *testing.B) {
	const items = 5_000
	var filling, sharing time.Duration
	for b.Loop() {
		b.StopTimer()
		store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "meta.db"), sqlite.Config{})
		require.NoError(b, err)
		h := &hollow{}
		w := newWorld(b, store, h.configure)
		w.join("bob")
		start := time.Now()
		root := w.fill(items, func(string, stacksync.Chunk, string) {})
		filling += time.Since(start)
		h.sharing.Store(true)
		b.StartTimer()
		start = time.Now()
		w.share(root.Item, stacksync.Invitee{User: "bob"})
		sharing += time.Since(start)
	}
	b.ReportMetric(float64(items)*float64(b.N)/sharing.Seconds(), "items/s")
	b.ReportMetric(sharing.Seconds()/filling.Seconds(), "x/commit")
}

// hollow is a storage that keeps nothing: it has every chunk at first, and then those that it is asked to copy.
type hollow struct {
	stacksync.StorageProvisioner
	sharing atomic.Bool
	copied  atomic.Int64
}

func (h *hollow) configure(c *service.Config) { h.StorageProvisioner, c.Storage = c.Storage, h }

func (h *hollow) Unwrap() stacksync.StorageProvisioner { return h.StorageProvisioner }

func (h *hollow) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	if h.sharing.Load() {
		return stacksync.StatChunksResult{}, nil
	}
	return everyChunk{h.StorageProvisioner}.StatChunks(ctx, p)
}

func (h *hollow) CopyChunks(_ context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	h.copied.Add(int64(len(p.Names)))
	return stacksync.CopyChunksResult{}, nil
}

// A move takes no more memory for more items: what it needs at once is a batch of them, and the ids of the folders. (SQLite, since the memory
// store has the items itself.)
func TestShareMemory(t *testing.T) {
	less, more := testsize.Measured(1_500, 10_000), testsize.Measured(6_000, 50_000)
	few, many := memoryOfShare(t, stores["sqlite"](t), less), memoryOfShare(t, stores["sqlite"](t), more)
	t.Logf("%d KiB for %d items, %d KiB for %d", few>>10, less, many>>10, more)
	// One item in 25 is a folder, whose id is kept a few times; the row of an item would take more than half a KiB.
	require.Less(t, many, few+1<<20+int64(more)*32)
}

// memoryOfShare returns how many bytes more than before are in use at the most while a folder with so many items is shared.
func memoryOfShare(t *testing.T, store stacksync.MetadataStore, total int) int64 {
	g := newGauge(store)
	h := &hollow{}
	w := newWorld(t, g, h.configure)
	w.join("bob")
	root := w.fill(total, func(string, stacksync.Chunk, string) {})
	var mu sync.Mutex
	var most int64
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, liveHeap())
	}
	h.sharing.Store(true)
	liveHeap() // what pools keep goes with the second collection
	before := liveHeap()
	g.within, g.read = look, look
	g.measure(w.ws)
	w.share(root.Item, stacksync.Invitee{User: "bob"})
	require.Greater(t, len(g.moves), total/1100)
	require.EqualValues(t, total-total/25, h.copied.Load())
	return most - before
}

// liveHeap is how many bytes can be reached.
func liveHeap() int64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return int64(live[0].Value.Uint64())
}
