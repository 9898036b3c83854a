package memory_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// filled is a store with one workspace of n files, at revisions 1 to n, in folders of 100.
type filled struct {
	*memory.Store
	workspace stacksync.WorkspaceID
	n         int
}

func fill(b *testing.B, n int) *filled {
	b.Helper()
	s := &filled{Store: memory.New(memory.Config{}), workspace: stacksync.WorkspaceID{UUID: [16]byte{1}}}
	b.Cleanup(func() { _ = s.Close() })
	for s.n < n {
		s.put(b, s.next(min(1000, n-s.n)))
	}
	return s
}

func (s *filled) id(n int) (id stacksync.ItemID) {
	binary.BigEndian.PutUint64(id.UUID[8:], uint64(n))
	return id
}

// next makes a batch of new files.
func (s *filled) next(size int) []stacksync.ItemRow {
	rows := make([]stacksync.ItemRow, size)
	for i := range rows {
		s.n++
		name := fmt.Sprintf("file %d", s.n)
		rows[i] = stacksync.ItemRow{Workspace: s.workspace, NameKey: name, Item: stacksync.Item{
			ID: s.id(s.n), Version: 1, Revision: int64(s.n), Status: stacksync.StatusNew, Kind: stacksync.File,
			Parent: s.id(1<<40 + s.n/100), Name: name, Size: 1, Chunks: []stacksync.Chunk{{Name: name, Size: 1}},
		}}
	}
	return rows
}

func (s *filled) put(b *testing.B, rows []stacksync.ItemRow) {
	b.Helper()
	if err := s.Update(b.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Put(ctx, stacksync.PutParams{Items: rows})
		return err
	}); err != nil {
		b.Fatal(err)
	}
}

var sizes = []int{1_000, 1_000_000}

// BenchmarkPut commits batches of new versions of files that are spread over the workspace.
func BenchmarkPut(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("into=%d", n), func(b *testing.B) {
			s := fill(b, n)
			for _, batch := range []int{1, 1000} {
				b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
					rows := s.next(batch)
					spread, version := 0, int64(1)
					revision := int64(s.n)
					b.ReportAllocs()
					for b.Loop() {
						version++
						for i := range rows {
							spread = (spread + 7919) % n
							revision++
							rows[i].ID, rows[i].Version, rows[i].Revision = s.id(spread+1), version, revision
						}
						s.put(b, rows)
					}
					b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "items/s")
				})
			}
		})
	}
}

// BenchmarkChanges reads a page of ten changes near the end of the log.
func BenchmarkChanges(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("of=%d", n), func(b *testing.B) {
			s := fill(b, n)
			p := stacksync.ChangesParams{Workspace: s.workspace, After: int64(n - 10), PageBound: stacksync.PageBound{Limit: 1000}}
			b.ReportAllocs()
			for b.Loop() {
				got, err := s.Changes(b.Context(), p)
				if err == nil && len(got.Items) != 10 {
					err = fmt.Errorf("got %d items", len(got.Items))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkClaim claims ten of the workspaces that are due, among many that owe a hint.
func BenchmarkClaim(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("of=%d", n), func(b *testing.B) {
			store := memory.New(memory.Config{})
			b.Cleanup(func() { _ = store.Close() })
			now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
			p := stacksync.PutParams{Workspaces: make([]stacksync.Workspace, n)}
			for i := range p.Workspaces {
				w := &p.Workspaces[i]
				binary.BigEndian.PutUint64(w.ID.UUID[8:], uint64(i))
				w.Revision, w.HintDue = 1, now
			}
			update := func(fn func(ctx context.Context, tx stacksync.Tx) error) {
				if err := store.Update(b.Context(), fn); err != nil {
					b.Fatal(err)
				}
			}
			update(func(ctx context.Context, tx stacksync.Tx) error {
				_, err := tx.Put(ctx, p)
				return err
			})
			b.ReportAllocs()
			for b.Loop() {
				update(func(ctx context.Context, tx stacksync.Tx) error {
					got, err := tx.ClaimHints(ctx, stacksync.ClaimHintsParams{Now: now, Until: now, Limit: 10})
					if err == nil && len(got.Workspaces) != 10 {
						err = fmt.Errorf("claimed %d workspaces", len(got.Workspaces))
					}
					return err
				})
			}
		})
	}
}
