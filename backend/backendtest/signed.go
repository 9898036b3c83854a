package backendtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// signedChecks are run with Suite.Signs.
var signedChecks = []check{
	{Name: "SignedPut", Run: signedPut},
	{Name: "SignedGet", Run: signedGet},
	{Name: "SignedSizes", Run: signedSizes},
	{Name: "SignedNames", Run: signedNames},
	{Name: "SignedMany", Run: signedMany},
	{Name: "SignedJSON", Run: signedJSON},
	{Name: "SignedReopen", Run: signedReopen},
	{Name: "SignedBadParams", Run: signedBadParams},
	{Name: "SignedCancelled", Run: signedCancelled},

	{Name: "SignedPutAgain", Run: signedPutAgain},
	{Name: "SignedPutSameAtOnce", Run: signedPutSameAtOnce},
	{Name: "SignedPutKeeps", Run: signedPutKeeps},
	{Name: "SignedPutSize", Run: signedPutSize},
	{Name: "SignedPutContent", Run: signedPutContent},
	{Name: "SignedPutCut", Run: signedPutCut},
	{Name: "SignedPutMissingContainer", Run: signedPutMissingContainer},
	{Name: "SignedPutLate", Run: signedPutLate},

	{Name: "SignedMethods", Run: signedMethods},
	{Name: "SignedGetAltered", Run: signedGetAltered},
	{Name: "SignedPutAltered", Run: signedPutAltered},
	{Name: "SignedPutCopiesNothing", Run: signedPutCopiesNothing},
	{Name: "SignedExpiry", Run: signedExpiry},
}

func signedPut(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.signName(stacksync.Put, c, "chunk")
	f.requireNothing(c, "chunk")
	f.upload(r, contentOf("chunk"))
	f.requireChunks(c, "chunk")
}

func signedGet(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	r := f.sign(stacksync.Get, c, stacksync.Chunk{Name: "chunk"}, stacksync.Chunk{Name: "missing", Size: 7})
	require.Equal(f, http.StatusNotFound, f.send(r[0], "").status, "before it is stored")
	f.put(c, "chunk")
	f.requireDownload(r[0], contentOf("chunk"))
	require.Equal(f, http.StatusNotFound, f.send(r[1], "").status)
	f.requireDownload(r[0], contentOf("chunk"))
	require.Empty(f, f.sign(stacksync.Get, c), "no chunks, no requests")
}

func signedSizes(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	for _, size := range []int64{0, 1, 2, 5 << 20} {
		content, err := io.ReadAll(generated(size))
		require.NoError(f, err)
		chunk := stacksync.Chunk{Name: fmt.Sprintf("size-%d", size), Size: size}
		f.upload(f.sign(stacksync.Put, c, chunk)[0], string(content))
		require.Equal(f, map[string]int64{chunk.Name: size}, f.stat(c, chunk.Name))
		got, err := f.read(c, chunk.Name)
		require.NoError(f, err)
		require.Equal(f, digest(string(content)), digest(got), "what the service reads")
		a := f.send(f.sign(stacksync.Get, c, chunk)[0], "")
		require.Equal(f, http.StatusOK, a.status)
		require.Equal(f, digest(string(content)), digest(a.body), "what the client reads")
	}
}

// oddNamesOfClients are few, since each costs requests of its own, and have every printable character.
func oddNamesOfClients() []string {
	var all strings.Builder
	for b := byte(0x20); b <= 0x7e; b++ {
		all.WriteByte(b)
	}
	return []string{
		all.String(), ".", "..", "../x", "/", "//", "a", "A", "a/", "a/b", "a//b", "a/../b", " ", "a ", " a", "%", "%2e%2e", "a%2Fb", "%zz", "a+b", "a b",
		"?", "a?b=c", "#", "a#b", "a&b=c", "a;b", `\`, "a:b", "http://x/y", "~", "*", "'", `"`, "<&>", "index.html", "_", "-", strings.Repeat("Z", 255), strings.Repeat("a", 255),
	}
}

func signedNames(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	n := oddNamesOfClients()
	puts, gets := f.signNames(stacksync.Put, c, n...), f.signNames(stacksync.Get, c, n...)
	for i, name := range n {
		f.upload(puts[i], contentOf(name))
	}
	f.requireChunks(c, n...)
	for i, name := range n {
		f.requireDownload(gets[i], contentOf(name))
	}
}

func signedMany(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	n := names("signed", 1_000)
	for _, method := range []stacksync.Method{stacksync.Put, stacksync.Get} {
		requests := f.signNames(method, c, n...)
		urls := map[string]bool{}
		for _, r := range requests {
			urls[r.URL] = true
		}
		require.Len(f, urls, len(n), "each chunk has a request of its own")
		for _, i := range []int{0, 1, 499, 999} {
			if method == stacksync.Put {
				f.upload(requests[i], contentOf(n[i]))
			} else {
				f.requireDownload(requests[i], contentOf(n[i]))
			}
		}
		f.requireChunks(c, n[0], n[1], n[499], n[999])
	}
}

func signedJSON(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	travel := func(r stacksync.SignedRequest) (arrived stacksync.SignedRequest) {
		text, err := json.Marshal(r)
		require.NoError(f, err)
		require.NoError(f, json.Unmarshal(text, &arrived))
		require.Equal(f, r, arrived)
		return arrived
	}
	f.upload(travel(f.signName(stacksync.Put, c, "a b&c")), contentOf("a b&c"))
	f.requireDownload(travel(f.signName(stacksync.Get, c, "a b&c")), contentOf("a b&c"))
}

// signedReopen: which process has signed a request does not matter, nor whether it has seen the container before.
func signedReopen(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	require.NotNil(f, f.reopen, "Instance.Reopen is nil")
	second := capability[stacksync.ChunkSigner](f, f.reopen())
	first := f.signName(stacksync.Put, c, "first")
	p := stacksync.SignChunksParams{Container: c, Method: stacksync.Put, Chunks: chunksOf([]string{"second"}), Lifetime: time.Minute}
	f.upload(f.signBy(second, p).Requests[0], contentOf("second"))
	f.upload(first, contentOf("first"))
	f.requireChunks(c, "first", "second")
	p.Method, p.Chunks = stacksync.Get, chunksOf([]string{"first"})
	f.requireDownload(f.signBy(second, p).Requests[0], contentOf("first"))
	f.requireDownload(f.signName(stacksync.Get, c, "second"), contentOf("second"))
}

func signedBadParams(t T, s Suite) {
	f := newSigning(t, s)
	c := f.container()
	hash := names("signed", 1)[0]
	good := func() stacksync.SignChunksParams {
		return stacksync.SignChunksParams{
			Container: c, Method: stacksync.Put, Lifetime: time.Second, SHA256: true,
			Chunks: []stacksync.Chunk{{Name: hash, Size: 1}, {Name: strings.Repeat("0", 64), Size: math.MaxInt32}},
		}
	}
	f.signBy(f.signer, good())
	refused := func(field string, change func(p *stacksync.SignChunksParams)) {
		f.Helper()
		p := good()
		change(&p)
		_, err := f.signer.SignChunks(f.Context(), p)
		f.requireField(err, field)
	}
	for _, bad := range []string{"", "A", "a/b", "../" + c, "-", strings.Repeat("a", 64), c + "\n"} {
		refused("Container", func(p *stacksync.SignChunksParams) { p.Container = bad })
	}
	for _, bad := range []stacksync.Method{"", "get", "POST", "DELETE", "PUT ", "GET\n"} {
		refused("Method", func(p *stacksync.SignChunksParams) { p.Method = bad })
	}
	for _, bad := range []time.Duration{0, -time.Second, time.Second - 1, 7*24*time.Hour + 1, math.MinInt64, math.MaxInt64} {
		refused("Lifetime", func(p *stacksync.SignChunksParams) { p.Lifetime = bad })
	}
	for _, bad := range unprintable {
		refused("Chunks[1].Name", func(p *stacksync.SignChunksParams) { p.SHA256, p.Chunks[1].Name = false, bad })
	}
	for _, bad := range []string{"chunk", strings.ToUpper(hash), hash[1:], hash + "0", "g" + hash[1:]} {
		refused("Chunks[1].Name", func(p *stacksync.SignChunksParams) { p.Chunks[1].Name = bad })
	}
	for _, bad := range []int64{-1, math.MinInt64} {
		refused("Chunks[1].Size", func(p *stacksync.SignChunksParams) { p.Chunks[1].Size = bad })
	}
}

func signedCancelled(t T, s Suite) {
	f := newSigning(t, s)
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	p := stacksync.SignChunksParams{Container: f.container(), Method: stacksync.Get, Chunks: chunksOf([]string{"chunk"}), Lifetime: time.Minute}
	_, err := f.signer.SignChunks(ctx, p)
	require.ErrorIs(f, err, context.Canceled)
}

// signedExpiry: a request works until it expires, and then answers what tells a client to ask for another one.
func signedExpiry(t T, s Suite) {
	const grain = time.Second // at which servers look at the clock
	f := newSigning(t, s)
	c := f.container()
	f.put(c, "stored")
	sign := func(method stacksync.Method, name string) stacksync.SignChunksResult {
		return f.signBy(f.signer, stacksync.SignChunksParams{Container: c, Method: method, Chunks: chunksOf([]string{name}), Lifetime: time.Second})
	}
	inTime := func(try func() (sent stacksync.SignChunksResult, good bool)) stacksync.SignChunksResult {
		for range 20 { // on a busy machine a second can pass before the answer comes
			if r, good := try(); good {
				return r
			} else if time.Now().Before(r.Expires) {
				require.Fail(f, "refused before it expires")
			}
		}
		require.Fail(f, "no request was sent within its lifetime")
		return stacksync.SignChunksResult{}
	}
	get := inTime(func() (stacksync.SignChunksResult, bool) {
		r := sign(stacksync.Get, "stored")
		a := f.send(r.Requests[0], "")
		return r, a.status == http.StatusOK && a.body == contentOf("stored")
	})
	put := inTime(func() (stacksync.SignChunksResult, bool) {
		r := sign(stacksync.Put, "put")
		return r, f.send(r.Requests[0], contentOf("put")).stored()
	})
	unused := sign(stacksync.Put, "unused")
	last := slices.MaxFunc([]time.Time{get.Expires, put.Expires, unused.Expires}, time.Time.Compare)
	wait(f, time.Until(last)+grain)
	expired := []int{http.StatusUnauthorized, http.StatusForbidden}
	require.Contains(f, expired, f.send(get.Requests[0], "").status)
	require.Contains(f, expired, f.send(put.Requests[0], contentOf("put")).status)
	require.Contains(f, expired, f.send(unused.Requests[0], contentOf("unused")).status)
	f.requireChunks(c, "stored", "put")
}

// wait waits, unless the check is cancelled.
func wait(t T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		require.NoError(t, t.Context().Err())
	}
}
