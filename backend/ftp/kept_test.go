package ftp_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// TestChunkNeverChanges: one that is stored stays as it is, whatever is written or copied under its name.
func TestChunkNeverChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
	create(t, r.Storage, "other")
	require.NoError(t, write(t.Context(), r.Storage, "other", "chunk", "longer content"))
	file := filepath.Join(r.server.Root, container, object)
	old := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	age := func() {
		t.Helper()
		require.NoError(t, os.Chtimes(file, time.Time{}, old))
	}
	requireKept := func() {
		t.Helper()
		got, err := read(t.Context(), r.Storage, container, "chunk")
		require.NoError(t, err)
		require.Equal(t, "content", got)
		require.Eventually(t, func() bool { return len(r.temps(t)) == 0 }, 10*time.Second, 10*time.Millisecond, "the temporary file is left")
	}
	storedAt := func() time.Time {
		t.Helper()
		list, err := r.ListChunks(t.Context(), stacksync.ListChunksParams{Container: container})
		require.NoError(t, err)
		require.Len(t, list.Chunks, 1)
		return list.Chunks[0].StoredAt
	}
	age()
	for _, content := range []string{"", "short", "content that is longer"} {
		require.ErrorIs(t, write(t.Context(), r.Storage, container, "chunk", content), stacksync.ErrSize)
		requireKept()
	}
	for _, content := range []string{"conten", "content!"} {
		require.ErrorIs(t, writeFrom(t.Context(), r.Storage, container, "chunk", 7, strings.NewReader(content)), stacksync.ErrSize)
		requireKept()
	}
	_, err := r.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: "other", To: container, Names: []string{"chunk"}})
	require.ErrorIs(t, err, stacksync.ErrSize)
	requireKept()
	require.Equal(t, old, storedAt(), "what has failed changes nothing")

	began := time.Now().Add(-time.Second) // StoredAt has no fractions
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "CONTENT"))
	requireKept()
	require.False(t, storedAt().Before(began), "garbage collection spares what is new")
}

// TestChunkThatCameMeanwhile: an upload that began before the chunk was stored does not replace it either.
func TestChunkThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	content, feed := io.Pipe()
	written := make(chan error, 1)
	go func() { written <- writeFrom(t.Context(), r.Storage, container, "chunk", 6, content) }()
	_, err := io.WriteString(feed, "slo")
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
	_, err = io.WriteString(feed, "wer")
	require.NoError(t, err)
	require.NoError(t, feed.Close())
	require.ErrorIs(t, <-written, stacksync.ErrSize)
	got, err := read(t.Context(), r.Storage, container, "chunk")
	require.NoError(t, err)
	require.Equal(t, "content", got)
}

// TestCopyBreaksAnywhere: the connection breaks when the server has done what was asked, and the reply is lost.
func TestCopyBreaksAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	create(t, r.Storage, "to")
	for _, verb := range []string{"SITE CPTO", "SIZE", "RNFR", "RNTO", "MKD", "MLST"} {
		name := "chunk " + verb
		require.NoError(t, write(t.Context(), r.Storage, container, name, "content"))
		var once sync.Once
		r.proxy.set(func(p *proxy) {
			p.reply = func(command, line string) string {
				if strings.HasPrefix(command, verb) {
					once.Do(func() { line = "" })
				}
				return line
			}
		})
		_, err := r.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "to", Names: []string{name}})
		require.NoError(t, err, verb)
		r.proxy.set(func(p *proxy) { p.reply = nil })
		got, err := read(t.Context(), r.Storage, "to", name)
		require.NoError(t, err, verb)
		require.Equal(t, "content", got)
	}
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(r.server.Root, "to", ".tmp", "*"))
		return err == nil && len(left) == 0
	}, 10*time.Second, 10*time.Millisecond, "a temporary file is left")
}
