package backendtest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// copyAll copies the chunks to another container, and has the server stopped in the middle. A storage that is done before the outage
// is given another container, and less time.
func (f *stranded) copyAll(chunks []stacksync.Chunk) {
	f.Helper()
	for _, before := range []int{outageBefore, outageBefore / 10, 0} {
		to := "t-" + strings.ToLower(rand.Text())
		f.dropAtTheEnd(to)
		_, err := f.storage.CreateContainer(f.ctx, stacksync.CreateContainerParams{Container: to})
		require.NoError(f, err)
		f.copyTo(to, before, chunks)
		f.requireStored(to, chunks)
		f.requireStored(f.container, chunks)
		f.Logf("%d chunks of the source wait for garbage collection", len(chunks))
		if f.failed.Load()+f.left.Load() > 0 {
			break
		}
	}
	f.requireFelt("copying")
}

// copyTo copies until the call has succeeded. The server stops when the container has some chunks.
func (f *stranded) copyTo(to string, before int, chunks []stacksync.Chunk) {
	f.Helper()
	var running atomic.Int64
	running.Store(1)
	copied := make(chan error, 1)
	go func() {
		defer running.Store(0)
		copied <- f.persist("copy chunks", func(ctx context.Context) error {
			_, err := f.storage.CopyChunks(ctx, stacksync.CopyChunksParams{From: f.container, To: to, Names: namesOfChunks(chunks)})
			return err
		})
	}()
	for f.ctx.Err() == nil {
		r, err := f.storage.ListChunks(f.ctx, stacksync.ListChunksParams{Container: to})
		require.NoError(f, err)
		if len(r.Chunks) >= before {
			break
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-f.ctx.Done():
		}
	}
	crashed := f.crash(chunks, running.Load)
	require.NoError(f, <-copied)
	require.NoError(f, crashed)
}
