package service_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// readerWriter is a storage through which the host can transfer content.
type readerWriter interface {
	stacksync.StorageProvisioner
	stacksync.ChunkReader
	stacksync.ChunkWriter
}

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
	w := newWorld(t, memory.New(memory.Config{}), onStorage(again{storage.New(storage.Config{})}), func(c *service.Config) { c.ChunkHash = sha256.New })
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

// damaging is a storage whose disk gives other content than was stored.
type damaging struct {
	readerWriter
	give   func() io.Reader
	size   int64
	closed int
}

func (d *damaging) ReadChunk(context.Context, stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	return stacksync.ReadChunkResult{Size: d.size, Content: struct {
		io.Reader
		io.Closer
	}{d.give(), closer(func() { d.closed++ })}}, nil
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}

func TestDownloadChecksContent(t *testing.T) {
	const content = "content"
	text := func(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }
	for _, row := range []struct {
		name string
		give func() io.Reader
		size int64
		want error
	}{
		{"sound", text(content), 7, nil},
		{"sound, in bytes", func() io.Reader { return iotest.OneByteReader(strings.NewReader(content)) }, 7, nil},
		{"sound, the end comes with the last bytes", func() io.Reader { return iotest.DataErrReader(strings.NewReader(content)) }, 7, nil},
		{"damaged", text("CONTENT"), 7, stacksync.ErrDamaged},
		{"damaged, in bytes", func() io.Reader { return iotest.OneByteReader(strings.NewReader("contenT")) }, 7, stacksync.ErrDamaged},
		{"damaged, the end comes with the last bytes", func() io.Reader { return iotest.DataErrReader(strings.NewReader("Content")) }, 7, stacksync.ErrDamaged},
		{"empty", text(""), 0, stacksync.ErrDamaged},
		{"of another size", text("contents"), 8, stacksync.ErrDamaged},
		{"longer than its size", text("contents"), 7, stacksync.ErrDamaged},
		{"shorter than its size", text("conten"), 7, io.ErrUnexpectedEOF},
		{"broken off", func() io.Reader { return io.MultiReader(strings.NewReader("con"), iotest.ErrReader(errCut)) }, 7, errCut},
		{"broken off at the end", func() io.Reader { return io.MultiReader(strings.NewReader(content), iotest.ErrReader(errCut)) }, 7, errCut},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &damaging{readerWriter: storage.New(storage.Config{}), give: row.give, size: row.size}
			w := newWorld(t, memory.New(memory.Config{}), onStorage(s), func(c *service.Config) { c.ChunkHash = sha256.New })
			download := func() stacksync.DownloadChunkResult {
				res, err := w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: chunkOf(content).Name})
				require.NoError(t, err)
				require.Equal(t, row.size, res.Size)
				return res
			}
			res := download()
			got, err := io.ReadAll(res.Content)
			require.ErrorIs(t, err, row.want)
			if row.want == nil {
				require.Equal(t, content, string(got))
			} else {
				require.Less(t, len(got), max(int(row.size), 1), "the last bytes are held back")
			}
			if err == nil {
				err = io.EOF
			}
			_, again := res.Content.Read(make([]byte, 1))
			require.Equal(t, err, again, "it stays so")
			require.NoError(t, res.Content.Close())
			require.Equal(t, 1, s.closed)

			res = download()
			_, err = io.ReadFull(res.Content, make([]byte, row.size))
			if row.want == nil || row.size == 0 {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, row.want, "who knows the size reads no further")
			}
			require.NoError(t, res.Content.Close())
		})
	}
}

// Where names mean nothing content is what the storage gives.
func TestDownloadWithoutHash(t *testing.T) {
	s := &damaging{readerWriter: storage.New(storage.Config{}), give: func() io.Reader { return strings.NewReader("CONTENT") }, size: 7}
	w := newWorld(t, memory.New(memory.Config{}), onStorage(s))
	res, err := w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: w.ws, Name: chunkOf("content").Name})
	require.NoError(t, err)
	got, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.Equal(t, "CONTENT", string(got))
	require.NoError(t, res.Content.Close())
}

// The host reads content without a device, also where clients have other ways only; what is damaged ends with ErrDamaged.
func TestHostOpensChunks(t *testing.T) {
	s := &damaging{readerWriter: storage.New(storage.Config{}), give: func() io.Reader { return strings.NewReader("content") }, size: 7}
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage, c.ChunkHash = s, sha256.New })
	name := chunkOf("content").Name
	res, err := w.svc.OpenChunk(t.Context(), stacksync.OpenChunkRequest{Workspace: w.ws, Name: name})
	require.NoError(t, err)
	content, err := io.ReadAll(res.Content)
	require.NoError(t, err)
	require.NoError(t, res.Content.Close())
	require.Equal(t, "content", string(content))
	require.EqualValues(t, 7, res.Size)

	s.give = func() io.Reader { return strings.NewReader("CONTENT") }
	res, err = w.svc.OpenChunk(t.Context(), stacksync.OpenChunkRequest{Workspace: w.ws, Name: name})
	require.NoError(t, err)
	_, err = io.ReadAll(res.Content)
	require.ErrorIs(t, err, stacksync.ErrDamaged)
	require.NoError(t, res.Content.Close())

	_, err = w.svc.OpenChunk(t.Context(), stacksync.OpenChunkRequest{Workspace: stacksync.WorkspaceID{UUID: uuid.New()}, Name: name})
	require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)
	_, err = w.svc.OpenChunk(t.Context(), stacksync.OpenChunkRequest{Workspace: w.ws})
	require.ErrorIs(t, err, stacksync.ErrInvalid)
	none := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = nil })
	_, err = none.svc.OpenChunk(t.Context(), stacksync.OpenChunkRequest{Workspace: none.ws, Name: name})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// heldBody is content that waits in its middle.
type heldBody struct {
	io.Reader
	begun, may chan struct{}
}

func (h *heldBody) Read(p []byte) (int, error) {
	select {
	case <-h.begun:
	default:
		close(h.begun)
		<-h.may
	}
	return h.Reader.Read(p)
}

// An editor begins an upload, is taken out, and ends it after others have uploaded and committed the chunk: what is stored stays, and
// the upload is refused, also where nobody else has the chunk.
func TestLateUploadIsRefused(t *testing.T) {
	for _, size := range []int{5, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			chunks, err := dir.Open(t.Context(), filepath.Join(t.TempDir(), "chunks"), dir.Config{NoSync: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, chunks.Close()) })
			w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) { c.Storage = chunks })
			eve, _ := w.join("eve")
			w.join("bob")
			d := w.folder(stacksync.ItemID{}, "d")
			w.must(d)
			o := w.at(w.actor, w.share(d.Item, stacksync.Invitee{User: "eve"}, stacksync.Invitee{User: "bob"}).Workspace.ID)
			upload := func(chunk stacksync.Chunk, content io.Reader) (*heldBody, chan error) {
				h, ended := &heldBody{content, make(chan struct{}), make(chan struct{})}, make(chan error, 1)
				go func() {
					_, err := w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: eve, Workspace: o.ws, Chunk: chunk, Content: h})
					ended <- err
				}()
				<-h.begun
				return h, ended
			}
			late, lateEnded := upload(stacksync.Chunk{Name: chunkOf("hello").Name, Size: int64(size)}, strings.NewReader("evil!!!"[:size]))
			alone, aloneEnded := upload(chunkOf("alone"), strings.NewReader("alone"))
			_, err = w.svc.Unshare(t.Context(), stacksync.UnshareRequest{Actor: w.actor, Workspace: o.ws, Users: []stacksync.UserID{"eve"}})
			require.NoError(t, err)
			f := o.must(o.file(stacksync.ItemID{}, "f", "hello"))[0]
			close(late.may)
			close(alone.may)
			require.ErrorIs(t, <-lateEnded, stacksync.ErrWorkspaceNotFound)
			require.ErrorIs(t, <-aloneEnded, stacksync.ErrWorkspaceNotFound)

			res, err := w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: o.ws, Name: f.Chunks[0].Name})
			require.NoError(t, err)
			b, err := io.ReadAll(res.Content)
			require.NoError(t, err)
			require.NoError(t, res.Content.Close())
			require.Equal(t, "hello", string(b))
			_, err = w.svc.DownloadChunk(t.Context(), stacksync.DownloadChunkRequest{Actor: w.actor, Workspace: o.ws, Name: chunkOf("alone").Name})
			require.ErrorIs(t, err, stacksync.ErrChunkNotFound)
		})
	}
}
