package backendtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

const (
	blockedWrites = 16 // more than a back-end has connections, say
	usualPatience = time.Minute
)

// blockedContent: content that blocks keeps a call no longer than its ctx lasts, and what it has kept is free again, though the content
// blocks on.
func blockedContent(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	ctx, cancel := context.WithCancel(f.Context())
	reached, release := make(chan struct{}, blockedWrites), make(chan struct{})
	var writes sync.WaitGroup
	defer writes.Wait()
	defer close(release)
	defer cancel()
	block := func() error {
		reached <- struct{}{}
		<-release
		return errors.New("the content has blocked")
	}
	written := make(chan error, blockedWrites)
	for i := range blockedWrites {
		writes.Go(func() {
			_, err := f.WriteChunk(ctx, stacksync.WriteChunkParams{
				Container: c, Chunk: stacksync.Chunk{Name: fmt.Sprint("blocked", i), Size: 200_000},
				Content: io.MultiReader(generated(100_000), step(block)),
			})
			written <- err
		})
	}
	patience := time.After(cmp.Or(s.patience, usualPatience))
	select {
	case <-reached: // others may wait until a write ends
	case <-patience:
		require.FailNow(f, "the content is not read")
	}
	cancel()
	for range blockedWrites {
		select {
		case err := <-written:
			require.ErrorIs(f, err, context.Canceled)
		case <-patience:
			require.FailNow(f, "a write goes on, though its context has ended")
		}
	}
	f.requireNothing(c, "blocked0")
	n := names("others", blockedWrites)
	require.NoError(f, atOnce(len(n), len(n), func(i int) error { return f.write(c, n[i], contentOf(n[i])) }))
	f.requireChunks(c, n...)
}
