package backendtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// signedPutAgain: a client whose answer was lost sends the request again.
func signedPutAgain(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.signName(stacksync.Put, c, "chunk")
	for range 3 {
		f.upload(r, contentOf("chunk"))
		f.requireChunks(c, "chunk")
	}
	f.upload(f.signName(stacksync.Put, c, "chunk"), contentOf("chunk"))
	f.requireChunks(c, "chunk")
}

func signedPutSameAtOnce(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.signName(stacksync.Put, c, "chunk")
	content := contentOf("chunk")
	require.NoError(f, inParallel(16, func(int) error {
		a, err := f.trySend(r, strings.NewReader(content), int64(len(content)))
		if err == nil && !a.stored() {
			err = fmt.Errorf("put: %v", a)
		}
		return err
	}))
	f.requireChunks(c, "chunk")
}

// signedPutKeeps: whoever has a request for a chunk that is stored can't replace its content.
func signedPutKeeps(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.signNames(stacksync.Put, c, "put", "written")
	f.upload(r[0], contentOf("put"))
	f.put(c, "written")
	for i, name := range []string{"put", "written"} {
		a := f.send(r[i], strings.ToUpper(contentOf(name)))
		f.Logf("put with other content: %v", a)
	}
	f.requireChunks(c, "put", "written")
}

func signedPutSize(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	const size = 1_000
	r := f.sign(stacksync.Put, c, stacksync.Chunk{Name: "chunk", Size: size}, stacksync.Chunk{Name: "empty"})
	for _, has := range []int{0, 1, size - 1, size + 1, 1 << 20} {
		f.sendRefused(r[0], strings.Repeat("x", has), fmt.Sprintf("%d bytes for %d", has, size))
		f.requireNothing(c, "chunk")
	}
	f.sendRefused(r[1], "x", "a byte for none")
	f.requireNothing(c, "empty")
	a, err := f.trySend(r[0], strings.NewReader(strings.Repeat("x", size+1)), -1)
	require.True(f, err != nil || a.refused(), "no Content-Length: %v", a)
	f.requireNothing(c, "chunk")
	f.upload(r[0], strings.Repeat("x", size))
	require.Equal(f, map[string]int64{"chunk": size}, f.stat(c, "chunk", "empty"))
}

func signedPutContent(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	content := contentOf("hashed")
	chunk := stacksync.Chunk{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content))}
	r := f.signBy(f.signer, stacksync.SignChunksParams{
		Container: c, Method: stacksync.Put, Chunks: []stacksync.Chunk{chunk}, Lifetime: time.Minute, SHA256: true,
	}).Requests[0]
	f.sendRefused(r, strings.ToUpper(content), "other content")
	f.requireNothing(c, chunk.Name)
	f.upload(r, content)
	require.Equal(f, map[string]int64{chunk.Name: chunk.Size}, f.stat(c, chunk.Name))
	got, err := f.read(c, chunk.Name)
	require.NoError(f, err)
	require.Equal(f, content, got)
}

// signedPutCut: a client goes away in the middle of a put.
func signedPutCut(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	gone := errors.New("the client is gone")
	for _, size := range []int64{1_000, 2 << 20} {
		r := f.sign(stacksync.Put, c, stacksync.Chunk{Name: "cut", Size: size})[0]
		for _, sent := range []int64{0, size / 2, size - 1} {
			_, err := f.trySend(r, io.MultiReader(generated(sent), step(func() error { return gone })), size)
			require.ErrorIs(f, err, gone)
			f.requireNothing(c, "cut")
		}
		whole, err := io.ReadAll(generated(size))
		require.NoError(f, err)
		f.upload(r, string(whole))
		got, err := f.read(c, "cut")
		require.NoError(f, err)
		require.Equal(f, digest(string(whole)), digest(got), "what is put after the cut")
		f.delete(c, "cut")
	}
}

// signedPutMissingContainer: what is put into a container that is not there, whatever the storage answers, is not seen.
func signedPutMissingContainer(t T, s Suite) {
	f := newSigning(t, s)
	c := f.name()
	a := f.send(f.signName(stacksync.Put, c, "chunk"), contentOf("chunk"))
	f.Logf("put into a missing container: %v", a)
	f.requireNothing(c, "chunk")
	require.Equal(f, http.StatusNotFound, f.send(f.signName(stacksync.Get, c, "missing"), "").status)
}

// signedPutLate: what comes by a request that outlives its container goes when the container is deleted once more.
func signedPutLate(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.signNames(stacksync.Put, c, "early", "late")
	f.upload(r[0], contentOf("early"))
	drop := func() {
		_, err := f.DeleteContainer(f.Context(), stacksync.DeleteContainerParams{Container: c})
		require.NoError(f, err)
	}
	drop()
	a := f.send(r[1], contentOf("late"))
	f.Logf("put into a container that was deleted: %v", a)
	drop()
	get := f.signNames(stacksync.Get, c, "early", "late")
	for range 2 {
		f.requireNothing(c, "late")
		for i := range get {
			require.Equal(f, http.StatusNotFound, f.send(get[i], "").status)
		}
		f.create(c)
	}
}
