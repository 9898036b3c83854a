package s3_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

// TestOverTLS: there content is sent in another way than without, with a checksum after it, by which the server refuses what is cut off.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	c := config(t, serverTLS(t))
	s := open(t, c)
	broken := errors.New("broken")
	for _, size := range []int{0, 1, 1_000, 1 << 20, large} {
		content := pattern(size + 1)
		for _, has := range []int{0, size / 2, size - 1} {
			if has < 0 || has >= size {
				continue
			}
			require.ErrorIs(t, writeFrom(t.Context(), s, "chunk", int64(size), bytes.NewReader(content[:has])), stacksync.ErrSize, "%d of %d bytes", has, size)
			err := writeFrom(t.Context(), s, "chunk", int64(size), io.MultiReader(bytes.NewReader(content[:has]), failing{broken}))
			require.ErrorIs(t, err, broken, "%d of %d bytes", has, size)
		}
		require.ErrorIs(t, writeFrom(t.Context(), s, "chunk", int64(size), bytes.NewReader(content)), stacksync.ErrSize)
		require.Empty(t, stat(t, s, container, "chunk"), "size %d", size)
		for range 2 {
			require.NoError(t, writeFrom(t.Context(), s, "chunk", int64(size), bytes.NewReader(content[:size])))
			requireStored(t, s, "chunk", string(content[:size]))
		}
		_, err := s.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: container, Names: []string{"chunk"}})
		require.NoError(t, err)
		_, err = s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"chunk", "another"}})
		require.NoError(t, err)
	}
	c.NoChecksums = true
	s = open(t, c)
	require.NoError(t, write(t.Context(), s, container, "plain", "content"))
	requireStored(t, s, "plain", "content")

	// Who does not trust the server finds that out at once.
	c.RootCAs = nil
	s, err := s3.New(c)
	require.NoError(t, err)
	var n naps
	s3.SetSleep(s, n.sleep)
	require.ErrorContains(t, write(t.Context(), s, container, "x", ""), "certificate")
	require.Empty(t, n.taken(), "tried again")
}
