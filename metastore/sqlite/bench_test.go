package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// growing makes items as clients do: the ids grow, as those of UUIDv7 do.
func growing(workspace, from, n int) []stacksync.ItemRow {
	rows := files(workspace, from, n)
	for i := range rows {
		binary.BigEndian.PutUint64(rows[i].ID.UUID[:], uint64(rows[i].Revision))
	}
	return rows
}

func chunksOf(rows []stacksync.ItemRow) []stacksync.ChunkRow {
	chunks := make([]stacksync.ChunkRow, len(rows))
	for i, row := range rows {
		chunks[i] = stacksync.ChunkRow{Workspace: row.Workspace, Chunk: row.Chunks[0]}
	}
	return chunks
}

// rawTable inserts one row at a time with a prepared statement, as a program without this package would.
type rawTable struct {
	db     *sql.DB
	insert map[string]*sql.Stmt
}

func newRawTable(b *testing.B) *rawTable {
	path := filepath.Join(b.TempDir(), "raw.db")
	require.NoError(b, open(b, path, Config{}).Close())
	d, err := newDatabase(path, Config{})
	require.NoError(b, err)
	db, err := sql.Open("sqlite", d.dsn(writer))
	require.NoError(b, err)
	db.SetMaxOpenConns(1)
	r := &rawTable{db: db, insert: map[string]*sql.Stmt{}}
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	for table, columns := range map[string]int{"items": 20, "chunks": 3} {
		s, err := db.Prepare("INSERT INTO " + table + " VALUES (" + strings.Repeat("?, ", columns-1) + "?)")
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		r.insert[table] = s
	}
	return r
}

func (r *rawTable) save(ctx context.Context, b *testing.B, items []stacksync.ItemRow, chunks []stacksync.ChunkRow) {
	tx, err := r.db.BeginTx(ctx, nil)
	require.NoError(b, err)
	insert := tx.StmtContext(ctx, r.insert["items"])
	packed := make([]byte, 38) // as long as what the store makes of one chunk
	for _, i := range items {
		_, err := insert.ExecContext(ctx, i.Workspace.UUID[:], i.ID.UUID[:], i.Version, i.Revision, int64(i.Status), i.Deleted, i.Parent.UUID[:],
			i.Name, i.NameKey, int64(i.Kind), i.Size, i.Checksum, packed, i.MediaType, i.ModifiedAt.UnixMicro(), nil, string(i.User),
			i.Device.UUID[:], i.CommittedAt.UnixMicro(), nil)
		require.NoError(b, err)
	}
	insert = tx.StmtContext(ctx, r.insert["chunks"])
	for _, c := range chunks {
		_, err := insert.ExecContext(ctx, c.Workspace.UUID[:], []byte(c.Name), c.Size)
		require.NoError(b, err)
	}
	require.NoError(b, tx.Commit())
}

// beside measures run against the raw inserts of the same rows, turn by turn, and reports how many times as fast it is.
func beside(b *testing.B, batch int, run func(ctx context.Context, store *Store, items []stacksync.ItemRow, chunks []stacksync.ChunkRow) error, withChunks bool) {
	store, raw := open(b, tempPath(b), Config{}), newRawTable(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var ours, theirs time.Duration
	next := 1
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		items := growing(1, next, batch)
		var chunks []stacksync.ChunkRow
		if withChunks {
			chunks = chunksOf(items)
		}
		next += batch
		start := time.Now()
		raw.save(ctx, b, items, chunks)
		theirs += time.Since(start)
		b.StartTimer()
		start = time.Now()
		require.NoError(b, run(ctx, store, items, chunks))
		ours += time.Since(start)
	}
	b.ReportMetric(float64(theirs)/float64(ours), "×raw")
	b.ReportMetric(float64(batch)*float64(b.N)/ours.Seconds(), "items/s")
}

// BenchmarkPut saves new items, against raw inserts of the same rows through the same driver.
func BenchmarkPut(b *testing.B) {
	for _, batch := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			beside(b, batch, func(ctx context.Context, store *Store, items []stacksync.ItemRow, _ []stacksync.ChunkRow) error {
				return put(ctx, store, stacksync.PutParams{Items: items})
			}, false)
		})
	}
}

// BenchmarkCommit does what a commit of new items asks of the store: it loads what there may be, and saves. The raw
// inserts do the last part only.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			beside(b, batch, commit, true)
		})
	}
}

func commit(ctx context.Context, store *Store, items []stacksync.ItemRow, chunks []stacksync.ChunkRow) error {
	w := items[0].Workspace
	load := stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w, User: items[0].User, Device: items[0].Device}}}
	for i, row := range items {
		load.Items = append(load.Items, stacksync.ItemKey{Workspace: w, Item: row.ID})
		load.Names = append(load.Names, stacksync.NameKey{Workspace: w, Parent: row.Parent, Key: row.NameKey})
		load.Chunks = append(load.Chunks, stacksync.ChunkKey{Workspace: w, Name: chunks[i].Name})
	}
	return store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		if _, err := tx.Lock(ctx, stacksync.LockParams{Workspaces: []stacksync.WorkspaceID{w}}); err != nil {
			return err
		}
		if _, err := tx.Load(ctx, load); err != nil {
			return err
		}
		_, err := tx.Put(ctx, stacksync.PutParams{
			Users:      []stacksync.User{{ID: items[0].User, QuotaUsed: 1}},
			Workspaces: []stacksync.Workspace{{ID: w, Owner: items[0].User, Revision: items[len(items)-1].Revision}},
			Items:      items, Chunks: chunks,
		})
		return err
	})
}

// BenchmarkLoad reads 1,000 items that are there, and looks for 1,000 that are not.
func BenchmarkLoad(b *testing.B) {
	store := open(b, tempPath(b), Config{})
	const items = 100_000
	fill(b, store, items)
	for name, known := range map[string]bool{"known": true, "unknown": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			round := 0
			for b.Loop() {
				round++
				var load stacksync.LoadParams
				for i := range 1000 {
					key := stacksync.ItemKey{Workspace: workspaceID(1), Item: growingID(1 + (i*7919+round)%items)}
					if !known {
						key.Item.UUID[8] ^= 0xff
					}
					load.Items = append(load.Items, key)
				}
				require.NoError(b, store.View(b.Context(), func(ctx context.Context, r stacksync.Reader) error {
					res, err := r.Load(ctx, load)
					require.Len(b, res.Items, map[bool]int{true: 1000}[known])
					return err
				}))
			}
		})
	}
}

func growingID(n int) stacksync.ItemID {
	u := id("item", n)
	binary.BigEndian.PutUint64(u[:], uint64(n))
	return stacksync.ItemID{UUID: u}
}

// fill saves n items in workspace 1, fast.
func fill(b *testing.B, store *Store, n int) {
	b.Helper()
	const batch = 10_000
	for from := 1; from <= n; from += batch {
		require.NoError(b, put(b.Context(), store, stacksync.PutParams{Items: growing(1, from, min(batch, n-from+1))}))
	}
}

// BenchmarkChanges reads the last changes of a small and of a large workspace, turn by turn, and reports how many times as long the large
// one takes.
func BenchmarkChanges(b *testing.B) {
	const small, large = 1_000, 1_000_000
	stores := map[int]*Store{}
	for _, n := range []int{small, large} {
		store, write, _ := openPools(b, tempPath(b), Config{})
		execute(b, write, "PRAGMA synchronous = OFF")
		fill(b, store, n)
		stores[n] = store
	}
	for _, page := range []int{0, 10, 1000} {
		b.Run(fmt.Sprint(page), func(b *testing.B) {
			changes := func(n int) time.Duration {
				start := time.Now()
				require.NoError(b, stores[n].View(b.Context(), func(ctx context.Context, r stacksync.Reader) error {
					res, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: workspaceID(1), After: int64(n - page), PageBound: stacksync.PageBound{Limit: 1000}})
					require.Len(b, res.Items, page)
					return err
				}))
				return time.Since(start)
			}
			var inSmall, inLarge time.Duration
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				inSmall += changes(small)
				b.StartTimer()
				inLarge += changes(large)
			}
			b.ReportMetric(float64(inLarge)/float64(inSmall), "×small")
		})
	}
}
