package dir_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

// BenchmarkWriteChunk tells how much longer it takes to write a chunk than the least that leaves a whole file behind:
// write, sync, rename ("ratio"). Most of the difference is the sync of the folder, which the least leaves out.
func BenchmarkWriteChunk(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s, path := benchOpen(b), b.TempDir()
			content := make([]byte, size)
			var ours, bare time.Duration
			i := 0
			for b.Loop() {
				i++
				name := fmt.Sprintf("%064x", i)
				start := time.Now()
				benchBare(b, filepath.Join(path, name), content)
				middle := time.Now()
				_, err := s.WriteChunk(b.Context(), stacksync.WriteChunkParams{
					Container: container, Chunk: stacksync.Chunk{Name: name, Size: int64(size)}, Content: bytes.NewReader(content),
				})
				require.NoError(b, err)
				bare += middle.Sub(start)
				ours += time.Since(middle)
			}
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(i), "ns/chunk")
		})
	}
}

func benchOpen(b *testing.B) *dir.Storage {
	b.Helper()
	s, err := dir.Open(b.Context(), filepath.Join(b.TempDir(), "chunks"), dir.Config{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	_, err = s.CreateContainer(context.Background(), stacksync.CreateContainerParams{Container: container})
	require.NoError(b, err)
	return s
}

func benchBare(b *testing.B, name string, content []byte) {
	b.Helper()
	f, err := os.Create(name + ".tmp")
	require.NoError(b, err)
	_, err = f.Write(content)
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
	require.NoError(b, os.Rename(name+".tmp", name))
}

// BenchmarkWriteChunkParallel shows that writers share syncs: the journal of the file system takes those of all that wait.
func BenchmarkWriteChunkParallel(b *testing.B) {
	s := benchOpen(b)
	content := string(make([]byte, 4<<10))
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := write(b.Context(), s, container, fmt.Sprintf("%064x", n.Add(1)), content); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkStatChunks asks for 1,000 chunks of a container of 10,000.
func BenchmarkStatChunks(b *testing.B) {
	s := benchOpen(b)
	var names []string
	for i := range 10_000 {
		name := fmt.Sprintf("%064x", i)
		require.NoError(b, write(b.Context(), s, container, name, ""))
		if i%10 == 0 {
			names = append(names, name)
		}
	}
	for b.Loop() {
		r, err := s.StatChunks(b.Context(), stacksync.StatChunksParams{Container: container, Names: names})
		require.NoError(b, err)
		require.Len(b, r.Chunks, 1_000)
	}
}
