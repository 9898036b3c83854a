package service_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgconn"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/metastore/postgres"
	"github.com/stacksync/stacksync-go/service"
)

// The benchmarks on PostgreSQL wait for the disk (fsync=on), each beside its yardstick: statements written by hand, on the same
// server, through the same driver, with as many connections, in the same run.

const benchSchema = "bench"

func newPostgresBench(b *testing.B, users int, configure ...func(*service.Config)) (*world, []caller, *sql.DB) {
	server := pgtest.Start(b, pgtest.Options{Durable: true})
	store, err := postgres.Open(b.Context(), postgres.Config{DSN: server.DSN(), Schema: benchSchema})
	require.NoError(b, err)
	w := newWorld(b, store, append(configure, func(c *service.Config) { c.Storage = everyChunk{c.Storage} })...)
	callers := make([]caller, users)
	for i := range callers {
		callers[i].actor, callers[i].ws = w.join(stacksync.UserID(fmt.Sprint("user ", i)))
	}
	connector, err := pgconn.NewConnector(server.DSN(), nil, "yardstick")
	require.NoError(b, err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return w, callers, db
}

// handCommit is what a commit of one new file comes down to: it locks the workspace, takes a revision, and saves item and version.
const handCommit = `WITH w AS (UPDATE bench.workspaces SET revision = revision + 1 WHERE id = $1::uuid RETURNING revision)
	INSERT INTO bench.items (workspace_id, item_id, version, revision, status, deleted, parent_id, name, name_key, kind, size, checksum,
		chunks, media_type, modified_at, attrs, user_id, device_id, committed_at)
	SELECT $1::uuid, $2::uuid, 1, revision, 1, false, '00000000-0000-0000-0000-000000000000', $3, $3, 1, 7, $4,
		$5::bytea, '', 0, NULL, 'ada', '00000000-0000-0000-0000-000000000000', 0 FROM w`

func (c caller) byHand(ctx context.Context, db *sql.DB) error {
	f := newFile()
	_, err := db.ExecContext(ctx, handCommit, c.ws.String(), f.Item.String(), f.Name, f.Checksum, make([]byte, 37))
	return err
}

func (c *counter) count(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ended[op])
}

// together runs f from many goroutines, for each n in turn, until it was run so often or for so long, and returns how often a second.
func together(b *testing.B, goroutines, times int, atLeast time.Duration, f func(n int) error) float64 {
	var next atomic.Int64
	var running sync.WaitGroup
	start := time.Now()
	for g := range goroutines {
		running.Go(func() {
			for next.Add(1) <= int64(times) || time.Since(start) < atLeast {
				if err := f(g); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	return float64(max(next.Load()-int64(goroutines), 1)) / time.Since(start).Seconds()
}

// BenchmarkPostgresCommit saves one new file a commit.
//
//	commits/s  what the service saves
//	commits/tx how many commits shared a transaction
//	x-hand     over the single statement written by hand, with as many callers
func BenchmarkPostgresCommit(b *testing.B) {
	for _, bench := range []struct {
		callers  int
		distinct bool
	}{{1, true}, {16, true}, {64, true}, {64, false}} {
		b.Run(fmt.Sprintf("callers=%d/distinct=%v", bench.callers, bench.distinct), func(b *testing.B) {
			seen := &counter{}
			w, callers, db := newPostgresBench(b, bench.callers, func(c *service.Config) { c.Observer = seen })
			at := func(n int) caller {
				if !bench.distinct {
					n = 0
				}
				return callers[n]
			}
			commit := func(n int) error { return at(n).commit(b.Context(), w.svc, 1) }
			hand := func(n int) error { return at(n).byHand(b.Context(), db) }
			together(b, bench.callers, 0, time.Second, commit) // connections, plans
			together(b, bench.callers, 0, time.Second, hand)
			before := seen.count("commit.batch")
			b.ReportAllocs()
			b.ResetTimer()
			rate := together(b, bench.callers, b.N, 0, commit)
			b.StopTimer()
			b.ReportMetric(rate, "commits/s")
			b.ReportMetric(float64(b.N)/float64(seen.count("commit.batch")-before), "commits/tx")
			b.ReportMetric(rate/together(b, bench.callers, 0, 2*time.Second, hand), "x-hand")
		})
	}
}

// BenchmarkPostgresBatch saves 1,000 new files a commit. x-unnest is over a bare INSERT … SELECT FROM unnest of the same rows.
func BenchmarkPostgresBatch(b *testing.B) {
	w, callers, db := newPostgresBench(b, 1)
	commit := func(int) error { return callers[0].commit(b.Context(), w.svc, 1000) }
	insert := func(int) error { return callers[0].unnest(b.Context(), db, 1000) }
	together(b, 1, 3, 0, commit)
	together(b, 1, 3, 0, insert)
	b.ReportAllocs()
	b.ResetTimer()
	rate := together(b, 1, b.N, 0, commit)
	b.StopTimer()
	b.ReportMetric(rate*1000, "files/s")
	b.ReportMetric(rate/together(b, 1, b.N, time.Second, insert), "x-unnest")
}

const handInsert = `WITH c AS (INSERT INTO bench.chunks (workspace_id, name, size) SELECT $1::uuid, name, 7 FROM unnest($5::bytea[]) AS name)
	INSERT INTO bench.items (workspace_id, item_id, version, revision, status, deleted, parent_id, name, name_key, kind, size, checksum,
		chunks, media_type, modified_at, attrs, user_id, device_id, committed_at)
	SELECT $1::uuid, item, 1, 1, 1, false, '00000000-0000-0000-0000-000000000000', name, name, 1, 7, checksum,
		chunks, '', 0, NULL, 'ada', '00000000-0000-0000-0000-000000000000', 0
	FROM unnest($2::uuid[], $3::text[], $4::text[], $6::bytea[]) AS rows (item, name, checksum, chunks)`

func (c caller) unnest(ctx context.Context, db *sql.DB, n int) error {
	var columns [5]strings.Builder
	for i := range n {
		f := newFile()
		separator := ","
		if i == 0 {
			separator = "{"
		}
		for j, v := range []string{f.Item.String(), f.Name, f.Checksum, `"\\x41` + f.Checksum + `"`, `"\\x0101` + f.Checksum + `410007"`} {
			columns[j].WriteString(separator)
			columns[j].WriteString(v)
		}
	}
	args := []any{c.ws.String()}
	for j := range columns {
		args = append(args, columns[j].String()+"}")
	}
	_, err := db.ExecContext(ctx, handInsert, args...)
	return err
}

// BenchmarkPostgresChanges reads the last 10 changes of a workspace of 1,000,000 items. x-bare is over the bare indexed query.
func BenchmarkPostgresChanges(b *testing.B) {
	w, callers, db := newPostgresBench(b, 1)
	c := callers[0]
	for range 1000 {
		require.NoError(b, c.commit(b.Context(), w.svc, 1000))
	}
	w.actor, w.ws = c.actor, c.ws
	before := w.pagesFlat(b, "")
	require.NoError(b, c.commit(b.Context(), w.svc, 10))
	read := func(int) error {
		page, err := w.svc.Changes(b.Context(), stacksync.ChangesRequest{Actor: c.actor, Workspace: c.ws, Cursor: before})
		if err == nil && len(page.Items) != 10 {
			err = fmt.Errorf("%d items", len(page.Items))
		}
		return err
	}
	bare := func(int) error {
		rows, err := db.QueryContext(b.Context(), `SELECT item_id, version, revision, status, deleted, parent_id, name, kind, size, checksum, chunks, media_type,
			modified_at, attrs, user_id, device_id, committed_at FROM bench.items WHERE workspace_id = $1::uuid AND revision > 0 AND revision > $2 ORDER BY revision LIMIT 1000`,
			c.ws.String(), 1_000_000)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		n, dest := 0, make([]any, 17)
		for i := range dest {
			dest[i] = new(any)
		}
		for rows.Next() {
			n++
			if err := rows.Scan(dest...); err != nil {
				return err
			}
		}
		if n != 10 {
			return fmt.Errorf("%d items", n)
		}
		return rows.Err()
	}
	together(b, 1, 0, 3*time.Second, read)
	b.ReportAllocs()
	b.ResetTimer()
	rate := together(b, 1, b.N, 0, read)
	b.StopTimer()
	b.ReportMetric(together(b, 1, b.N, 2*time.Second, bare)/rate, "x-bare")
}
