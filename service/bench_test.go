package service_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/service"
)

// The benchmarks run on SQLite with synchronous=FULL, each beside its yardstick: the same rows inserted by hand through the same
// driver, in the same run, as prepared statements. Machines and disks differ; the ratios are what to look at.

// yardstick is a database with the schema of the store, written to by hand.
type yardstick struct {
	*sql.DB
	ws   stacksync.WorkspaceID
	rows int
}

const (
	rawItem = `INSERT INTO items (workspace_id, item_id, version, revision, status, deleted, parent_id, name, name_key, kind, size,
		checksum, chunks, media_type, modified_at, attrs, user_id, device_id, committed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	rawChunk     = `INSERT INTO chunks (workspace_id, name, size) VALUES (?,?,?)`
	rawWorkspace = `UPDATE workspaces SET revision = ? WHERE id = ?`
	rawUser      = `UPDATE users SET quota_used = ? WHERE id = ?`
)

func newYardstick(b *testing.B) *yardstick {
	path := filepath.Join(b.TempDir(), "raw.db")
	store, err := sqlite.Open(b.Context(), path, sqlite.Config{})
	require.NoError(b, err)
	w := newWorld(b, store)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	require.NoError(b, err)
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return &yardstick{DB: db, ws: w.ws}
}

// insert saves n new files in one transaction.
func (y *yardstick) insert(ctx context.Context, n int) error {
	tx, err := y.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	item, err := tx.PrepareContext(ctx, rawItem)
	if err != nil {
		return err
	}
	chunk, err := tx.PrepareContext(ctx, rawChunk)
	if err != nil {
		return err
	}
	for range n {
		y.rows++
		id, name, hash := stacksync.NewItemID(), fmt.Sprintf("file %d", y.rows), chunkOf(fmt.Sprint(y.rows)).Name
		_, err := item.ExecContext(ctx, y.ws.UUID[:], id.UUID[:], 1, y.rows, 1, 0, make([]byte, 16), name, name, 1, 7, hash, make([]byte, 36), "", 0, nil, "ada", make([]byte, 16), 0)
		if err != nil {
			return err
		}
		// The store packs a hexadecimal name to half its length.
		if _, err := chunk.ExecContext(ctx, y.ws.UUID[:], []byte(hash)[:32], 7); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, rawWorkspace, y.rows, y.ws.UUID[:]); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, rawUser, y.rows*7, "ada"); err != nil {
		return err
	}
	return tx.Commit()
}

// perSecond is how many files a second are saved with so many a transaction, over at least that many files and half a second.
func (y *yardstick) perSecond(b *testing.B, perTx, atLeast int) float64 {
	start, n := time.Now(), 0
	for ; n < atLeast || time.Since(start) < 500*time.Millisecond; n += perTx {
		require.NoError(b, y.insert(b.Context(), perTx))
	}
	return float64(n) / time.Since(start).Seconds()
}

// everyChunk is a storage that has every chunk, so that the storage does not count.
type everyChunk struct{ stacksync.StorageProvisioner }

func (s everyChunk) Unwrap() stacksync.StorageProvisioner { return s.StorageProvisioner }

func (s everyChunk) StatChunks(_ context.Context, p stacksync.StatChunksParams) (res stacksync.StatChunksResult, err error) {
	for _, name := range p.Names {
		res.Chunks = append(res.Chunks, stacksync.Chunk{Name: name, Size: 7})
	}
	return res, nil
}

func newBenchWorld(b *testing.B, mode string, configure ...func(*service.Config)) *world {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), mode+".db"), sqlite.Config{})
	require.NoError(b, err)
	return newWorld(b, store, append(configure, func(c *service.Config) { c.Storage = everyChunk{c.Storage} })...)
}

var benchFiles atomic.Int64

func newFile() stacksync.Proposal {
	n := benchFiles.Add(1)
	hash := chunkOf(fmt.Sprint(n)).Name
	return stacksync.Proposal{Item: stacksync.NewItemID(), Version: 1, Name: fmt.Sprintf("file %d", n), Kind: stacksync.File,
		Size: 7, Checksum: hash, Chunks: []stacksync.Chunk{{Name: hash, Size: 7}}}
}

// caller is a user who commits to a workspace.
type caller struct {
	actor stacksync.Actor
	ws    stacksync.WorkspaceID
}

func (w *world) commitFiles(ctx context.Context, n int) error {
	return caller{w.actor, w.ws}.commit(ctx, w.svc, n)
}

// commit saves n new files in one commit.
func (c caller) commit(ctx context.Context, svc *service.Service, n int) error {
	proposals := make([]stacksync.Proposal, n)
	for i := range proposals {
		proposals[i] = newFile()
	}
	res, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: c.actor, Workspace: c.ws, Proposals: proposals})
	if err != nil {
		return err
	}
	for _, o := range res.Outcomes {
		if o.Err != nil {
			return o.Err
		}
	}
	return nil
}

// BenchmarkCommit saves new files: one a commit from 1 and from 64 callers on one workspace, and 1,000 a commit.
//
//	files/s    what the service saves
//	commits/tx how many commits shared a transaction
//	x-fsync    over the yardstick of one file a transaction, which is what a commit costs that waits for the disk alone
//	x-batch    over the yardstick of 1,000 files a transaction
func BenchmarkCommit(b *testing.B) {
	for _, bench := range []struct{ callers, files int }{{1, 1}, {64, 1}, {1, 1000}} {
		b.Run(fmt.Sprintf("callers=%d/files=%d", bench.callers, bench.files), func(b *testing.B) {
			seen := &counter{}
			w := newBenchWorld(b, "commit", func(c *service.Config) { c.Observer = seen })
			y := newYardstick(b)
			b.ReportAllocs()
			work := make(chan struct{})
			var callers sync.WaitGroup
			for range bench.callers {
				callers.Go(func() {
					for range work {
						if err := w.commitFiles(b.Context(), bench.files); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ResetTimer()
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			callers.Wait()
			b.StopTimer()
			rate := float64(b.N*bench.files) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "files/s")
			b.ReportMetric(float64(b.N)/float64(len(seen.ended["commit.batch"])), "commits/tx")
			// First the batches, so that both tables are as large: a row costs more in a larger one.
			b.ReportMetric(rate/y.perSecond(b, 1000, b.N*bench.files), "x-batch")
			b.ReportMetric(rate/y.perSecond(b, 1, 0), "x-fsync")
		})
	}
}

// BenchmarkChanges reads the last 10 changes of workspaces of 1,000 and of 1,000,000 items. The second is to be no slower: x-small is
// their ratio.
func BenchmarkChanges(b *testing.B) {
	small := 0.0
	for _, items := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			w := newBenchWorld(b, "changes")
			for range items / 1000 {
				require.NoError(b, w.commitFiles(b.Context(), 1000))
			}
			before := w.pagesFlat(b, "")
			require.NoError(b, w.commitFiles(b.Context(), 10))
			b.ReportAllocs()
			for b.Loop() {
				page, err := w.svc.Changes(b.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: before})
				if err != nil || len(page.Items) != 10 {
					b.Fatalf("%d items, %v", len(page.Items), err)
				}
			}
			each := float64(b.Elapsed()) / float64(b.N)
			if small == 0 {
				small = each
			}
			b.ReportMetric(each/small, "x-small")
		})
	}
}

// pagesFlat pages to the end and reports by how much the heap grew at most meanwhile, in MB.
func (w *world) pagesFlat(b *testing.B, cursor stacksync.Cursor) stacksync.Cursor {
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	start, most, items := mem.HeapAlloc, uint64(0), 0
	began := time.Now()
	for {
		page, err := w.svc.Changes(b.Context(), stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws, Cursor: cursor})
		require.NoError(b, err)
		items += len(page.Items)
		if cursor = page.Cursor; !page.More {
			break
		}
		if items%100_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&mem)
			most = max(most, mem.HeapAlloc)
		}
	}
	b.Logf("paged %d items at %.0f items/s; the live heap grew by %.1f MB at most", items, float64(items)/time.Since(began).Seconds(), float64(int64(most)-int64(start))/1e6)
	return cursor
}
