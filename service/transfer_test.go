package service_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

func (w *world) prepareUpload(chunks ...stacksync.Chunk) (stacksync.PrepareUploadResult, error) {
	return w.svc.PrepareUpload(w.Context(), stacksync.PrepareUploadRequest{Actor: w.actor, Workspace: w.ws, Chunks: chunks})
}

func TestPrepareUploadNamesWhatIsMissing(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		committed := w.file(stacksync.ItemID{}, "f", "committed")
		w.must(committed)
		uploaded, missing := w.upload("uploaded")[0], chunkOf("missing")
		res, err := w.prepareUpload(missing, committed.Chunks[0], uploaded, missing)
		require.NoError(t, err)
		require.Equal(t, []stacksync.Transfer{{Chunk: missing}}, res.Missing)
		require.Equal(t, stacksync.ViaHost, res.Via)

		for _, known := range []stacksync.Chunk{committed.Chunks[0], uploaded} {
			known.Size++
			_, err = w.prepareUpload(known)
			require.ErrorIs(t, err, stacksync.ErrSize)
		}
		other := missing
		other.Size++
		_, err = w.prepareUpload(missing, other)
		require.ErrorIs(t, err, stacksync.ErrSize)
		require.ErrorContains(t, err, "Chunks[1].Size")
		_, err = w.prepareUpload(stacksync.Chunk{Name: "\n"})
		require.ErrorContains(t, err, "Chunks[0].Name is not printable ASCII")
		_, err = w.prepareUpload(stacksync.Chunk{Name: "n", Size: -1})
		require.ErrorContains(t, err, "Chunks[0].Size")
	})
}

// Only what could never fit is refused before the upload: a replacement may need less than it seems.
func TestPrepareUploadKnowsTheQuota(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	limit := int64(10)
	_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: w.actor.User, QuotaLimit: &limit})
	require.NoError(t, err)
	f := w.file(stacksync.ItemID{}, "f", "123456789")
	w.must(f)
	_, err = w.prepareUpload(chunkOf("abcdefghij"))
	require.NoError(t, err)
	w.must(next(f, func(p *stacksync.Proposal) { p.Size, p.Chunks = 10, w.upload("abcdefghij") }))

	_, err = w.prepareUpload(chunkOf("abcde"), chunkOf("fghijk"))
	var quota *stacksync.QuotaError
	require.ErrorAs(t, err, &quota)
	require.Equal(t, stacksync.QuotaError{Owner: "ada", Limit: 10, Used: 10, Need: 11}, *quota)
	_, err = w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunkOf("abcdefghijk"), Content: strings.NewReader("abcdefghijk")})
	require.ErrorIs(t, err, stacksync.ErrQuotaExceeded)
}

func TestDownloadGivesWhatWasUploaded(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	chunk := w.upload("content")[0]
	res, err := w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: chunk.Name})
	require.NoError(t, err)
	got, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.NoError(t, res.Content.Close())
	require.Equal(t, "content", string(got))
	require.Equal(t, chunk.Size, res.Size)

	prepared, err := w.svc.PrepareDownload(t.Context(), stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Names: []string{chunk.Name, chunk.Name}})
	require.NoError(t, err)
	require.Equal(t, []stacksync.Transfer{{Chunk: chunk}}, prepared.Chunks)

	_, err = w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: "nowhere"})
	require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
	_, err = w.svc.PrepareDownload(t.Context(), stacksync.PrepareDownloadRequest{Actor: w.actor, Workspace: w.ws, Names: []string{chunk.Name, "nowhere", "nor here"}})
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []string{"nowhere", "nor here"}, missing.Names)
}

// Content that is not what its chunk says is refused, and nothing of it can be seen or committed.
func TestUploadChecksContent(t *testing.T) {
	for _, row := range []struct {
		name    string
		content io.Reader
		want    error
	}{
		{"too short", strings.NewReader("conten"), stacksync.ErrSize},
		{"too long", strings.NewReader("content!"), stacksync.ErrSize},
		{"other content", strings.NewReader("tnetnoc"), stacksync.ErrInvalid},
		{"broken off", io.MultiReader(strings.NewReader("con"), iotest.ErrReader(errCut)), errCut},
		{"nil", nil, stacksync.ErrInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.ChunkHash = sha256.New })
			chunk := chunkOf("content")
			_, err := w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunk, Content: row.content})
			require.ErrorIs(t, err, row.want)
			res, err := w.prepareUpload(chunk)
			require.NoError(t, err)
			require.Equal(t, []stacksync.Transfer{{Chunk: chunk}}, res.Missing)

			_, err = w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunk, Content: iotest.OneByteReader(bytes.NewBufferString("content"))})
			require.NoError(t, err)
		})
	}
}

var errCut = errors.New("cable cut")

func TestServiceWithoutStorage(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = nil })
	p := w.folder(stacksync.ItemID{}, "f")
	p.Kind, p.Size, p.Chunks = stacksync.File, 7, []stacksync.Chunk{{Name: "kept elsewhere", Size: 7}}
	w.must(p)
	_, err := w.prepareUpload(p.Chunks...)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: "kept elsewhere"})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestMissingChunksAreNamedOnce(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	p := w.file(stacksync.ItemID{}, "f", "there")
	for _, name := range []string{"m2", "m1", "m2", "m3", "m4"} {
		p.Chunks = append(p.Chunks, stacksync.Chunk{Name: name, Size: 1})
		p.Size++
	}
	o := w.commit(p)[0]
	var missing *stacksync.ChunksMissingError
	require.ErrorAs(t, o.Err, &missing)
	require.Equal(t, []string{"m2", "m1", "m3", "m4"}, missing.Names)
	require.ErrorContains(t, o.Err, "m2, m1, m3 and 1 more")
}
