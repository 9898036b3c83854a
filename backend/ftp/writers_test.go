package ftp_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

// stalled is content that brings some bytes, and nothing more until it is released.
type stalled struct {
	io.Reader
	released chan struct{}
	seeks    int
}

func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == nil {
		return n, nil
	}
	<-s.released
	return 0, errors.New("it comes too late")
}

func (s *stalled) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		s.seeks++
	}
	return 0, nil
}

// TestStalledUploadIsCut: content that brings nothing for too long gives its connection back to those who wait for it.
func TestStalledUploadIsCut(t *testing.T) {
	t.Parallel()
	const most, silence = 3, 5 * time.Second // the server answers sooner, also on a slow machine
	r := newRig(t, func(c *ftp.Config) { c.Silence, c.MaxConns = silence, most })
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
	before := r.proxy.seen("STOR")
	released, failed := make(chan struct{}), make(chan error, most)
	defer close(released)
	uploads := make([]*stalled, most)
	for i := range uploads {
		uploads[i] = &stalled{Reader: strings.NewReader(strings.Repeat("x", 100_000)), released: released}
		go func() {
			failed <- writeFrom(t.Context(), r.Storage, container, fmt.Sprint("stalled", i), 200_000, uploads[i])
		}()
	}
	require.Eventually(t, func() bool { return r.proxy.seen("STOR") == before+most }, time.Minute, time.Millisecond, "all connections are taken")
	stat, err := r.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: []string{"chunk", "stalled0"}})
	require.NoError(t, err)
	require.Len(t, stat.Chunks, 1)
	for range uploads {
		require.ErrorContains(t, <-failed, "the content was cut: it brought nothing for "+silence.String())
	}
	for _, u := range uploads {
		require.Zero(t, u.seeks, "it is not sent again")
	}
	require.Eventually(t, func() bool { return len(r.temps(t)) == 0 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, []string{"chunk"}, stored(t, r.Storage, container))
	require.LessOrEqual(t, r.proxy.most, most)
}
