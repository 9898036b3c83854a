package stacksync_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// again is a storage that reads half of the content, and then begins anew, as one does that was refused in the middle.
type again struct{ readerWriter }

func (a again) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	seeker, ok := p.Content.(io.Seeker)
	if !ok {
		return stacksync.WriteChunkResult{}, errors.New("the content can't be sent again")
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = io.CopyN(io.Discard, p.Content, p.Size/2)
	}
	if err == nil {
		_, err = seeker.Seek(start, io.SeekStart)
	}
	if err != nil {
		return stacksync.WriteChunkResult{}, err
	}
	return a.readerWriter.WriteChunk(ctx, p)
}

// A hash that is checked on the way does not keep a storage from trying again.
func TestHashedContentCanBeSentAgain(t *testing.T) {
	w := newWorld(t, memory.New(), onStorage(again{storage.New(storage.Config{})}), func(c *stacksync.Config) { c.ChunkHash = sha256.New })
	upload := func(chunk stacksync.Chunk, content io.Reader) error {
		_, err := w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunk, Content: content})
		return err
	}
	from := strings.NewReader("before content")
	_, err := from.Seek(int64(len("before ")), io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, upload(chunkOf("content"), from))
	require.ErrorIs(t, upload(chunkOf("contents"), strings.NewReader("stnetnoc")), stacksync.ErrInvalid)
	require.ErrorContains(t, upload(chunkOf("other"), io.MultiReader(strings.NewReader("other"))), "can't be sent again")
}
