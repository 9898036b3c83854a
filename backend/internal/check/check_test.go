package check_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// What is a good name is checked for each back-end by backendtest; here is what that can't see.

func TestOrderOfErrors(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	good := stacksync.WriteChunkParams{Container: "c", Chunk: stacksync.Chunk{Name: "n"}, Content: strings.NewReader("")}
	require.NoError(t, check.WriteChunk(t.Context(), good))
	require.ErrorIs(t, check.WriteChunk(ended, good), context.Canceled)
	bad := good
	bad.Name = ""
	require.ErrorIs(t, check.WriteChunk(ended, bad), stacksync.ErrInvalid, "it is bad whenever it is sent")
	bad = good
	bad.Content = nil
	require.ErrorContains(t, check.WriteChunk(t.Context(), bad), "Content is nil")
}

func TestPageSize(t *testing.T) {
	for limit, want := range map[int]int{0: 1_000, 1: 1, 1_001: 1_001, 10_000: 10_000, 10_001: 10_000, math.MaxInt: 10_000} {
		require.Equal(t, want, check.PageSize(limit))
	}
	err := check.ListChunks(t.Context(), stacksync.ListChunksParams{Container: "c", Limit: -1})
	require.ErrorContains(t, err, "Limit is negative")
	require.ErrorIs(t, err, stacksync.ErrInvalid)
}

func FuzzNames(f *testing.F) {
	f.Add("a-b", "name")
	f.Add("-", "\x7f")
	f.Fuzz(func(t *testing.T, container, name string) {
		err := check.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: []string{name}})
		if err != nil {
			require.ErrorIs(t, err, stacksync.ErrInvalid)
			return
		}
		require.Regexp(t, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, container)
		require.Regexp(t, `^[\x20-\x7e]{1,255}$`, name)
	})
}
