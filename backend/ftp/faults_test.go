package ftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
)

// rig is a Storage that reaches its own server through a proxy.
type rig struct {
	*ftp.Storage
	server *proftpd.Server
	proxy  *proxy
}

const container = "c"

func newRig(t *testing.T, change func(*ftp.Config)) rig {
	t.Helper()
	server := start(t, proftpd.Options{TLSOptional: true})
	p := newProxy(t, server.Addr)
	c := configOf(server)
	c.Addr, c.TLS, c.Plain = p.addr(), nil, true
	if change != nil {
		change(&c)
	}
	s := open(t, c)
	create(t, s, container)
	return rig{s, server, p}
}

// temps returns the files of unfinished uploads.
func (r rig) temps(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.server.Root, container, ".tmp", "*"))
	require.NoError(t, err)
	return files
}

func (r rig) requireNothing(t *testing.T) {
	t.Helper()
	require.Empty(t, stored(t, r.Storage, container))
	require.Eventually(t, func() bool { return len(r.temps(t)) == 0 }, 10*time.Second, 10*time.Millisecond, "the temporary file is left")
}

func TestStaleConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i := range 3 {
		name := fmt.Sprint("chunk", i)
		r.proxy.cutAll()
		require.NoError(t, writeFrom(t.Context(), r.Storage, container, name, 7, io.MultiReader(strings.NewReader("content"))), "what can't seek")
		r.proxy.cutAll()
		got, err := read(t.Context(), r.Storage, container, name)
		require.NoError(t, err)
		require.Equal(t, "content", got)
		r.proxy.cutAll()
		require.Len(t, stored(t, r.Storage, container), i+1)
	}
}

func TestUploadIsCut(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprint("quiet ", quiet), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			content := strings.Repeat("content ", 1<<17)
			r.proxy.set(func(p *proxy) { p.cutUp, p.quiet = 100_000, quiet })
			err := writeFrom(t.Context(), r.Storage, container, "chunk", int64(len(content)), io.MultiReader(strings.NewReader(content)))
			require.ErrorContains(t, err, "the upload was cut")
			r.requireNothing(t)

			require.Error(t, write(t.Context(), r.Storage, container, "chunk", content), "twice is once too often")
			r.requireNothing(t)

			r.proxy.set(func(p *proxy) { p.cuts = 1 })
			require.NoError(t, write(t.Context(), r.Storage, container, "chunk", content), "it is sent again")
			got, err := read(t.Context(), r.Storage, container, "chunk")
			require.NoError(t, err)
			require.Equal(t, content, got)
		})
	}
}

func TestDownloadIsCut(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprint("quiet ", quiet), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			content := strings.Repeat("content ", 1<<17)
			require.NoError(t, write(t.Context(), r.Storage, container, "chunk", content))
			r.proxy.set(func(p *proxy) { p.cutDown, p.quiet, p.cuts = 100_000, quiet, 1 })
			got, err := read(t.Context(), r.Storage, container, "chunk")
			require.ErrorContains(t, err, "the content was cut")
			require.True(t, strings.HasPrefix(content, got))
			got, err = read(t.Context(), r.Storage, container, "chunk")
			require.NoError(t, err)
			require.Equal(t, content, got)
		})
	}
}

// The connection breaks at any command of a write. With content that can be read again the write succeeds, whatever the server had done.
func TestWriteBreaksAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.NoError(t, write(t.Context(), r.Storage, container, "first", "x"))
	for i, verb := range []string{"EPSV", "STOR", "SIZE", "RNFR", "RNTO", "MKD", "MLST"} {
		var once sync.Once
		r.proxy.set(func(p *proxy) {
			p.reply = func(command, line string) string {
				if strings.HasPrefix(command, verb) {
					once.Do(func() { line = "" })
				}
				return line
			}
		})
		name := fmt.Sprint("chunk ", i)
		require.NoError(t, write(t.Context(), r.Storage, container, name, "content"), verb)
		r.proxy.set(func(p *proxy) { p.reply = nil })
		got, err := read(t.Context(), r.Storage, container, name)
		require.NoError(t, err, verb)
		require.Equal(t, "content", got)
	}
	require.Eventually(t, func() bool { return len(r.temps(t)) == 0 }, 10*time.Second, 10*time.Millisecond)
}

// A server that is silent does not keep a caller longer than its ctx, nor longer than Silence.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	silenced := func(silence time.Duration) rig {
		r := newRig(t, func(c *ftp.Config) { c.Silence = silence })
		require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
		quiet := make(chan struct{})
		r.proxy.set(func(p *proxy) {
			p.reply = func(_, line string) string {
				<-quiet
				return line
			}
		})
		t.Cleanup(func() { close(quiet) })
		return r
	}
	r := silenced(24 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, write(ctx, r.Storage, container, "another", "content"), context.DeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := read(ctx, r.Storage, container, "chunk")
	require.ErrorIs(t, err, context.Canceled)

	_, err = read(t.Context(), silenced(5*time.Second).Storage, container, "chunk")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestMostConnections(t *testing.T) {
	t.Parallel()
	const most = 3
	r := newRig(t, func(c *ftp.Config) { c.MaxConns = most })
	create(t, r.Storage, "other")
	var names []string
	var wg sync.WaitGroup
	for i := range 40 {
		name := fmt.Sprint("chunk", i)
		names = append(names, name)
		wg.Go(func() {
			err := write(t.Context(), r.Storage, container, name, "content")
			if err == nil {
				_, err = read(t.Context(), r.Storage, container, name)
			}
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	_, err := r.StatChunks(t.Context(), stacksync.StatChunksParams{Container: container, Names: names})
	require.NoError(t, err)
	_, err = r.CopyChunks(t.Context(), stacksync.CopyChunksParams{From: container, To: "other", Names: names})
	require.NoError(t, err)
	require.Equal(t, most, r.proxy.most)
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *ftp.Config) { c.IdleTimeout = 50 * time.Millisecond })
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
	require.Eventually(t, func() bool {
		r.proxy.mu.Lock()
		defer r.proxy.mu.Unlock()
		return r.proxy.open == 0
	}, 10*time.Second, 10*time.Millisecond)
	require.Positive(t, r.proxy.seen("QUIT"))
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
}

func TestClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", strings.Repeat("x", 1<<24)))
	content, err := r.ReadChunk(t.Context(), stacksync.ReadChunkParams{Container: container, Name: "chunk"})
	require.NoError(t, err)
	closing := io.MultiReader(strings.NewReader("x"), closer(r.Close))
	require.ErrorIs(t, writeFrom(t.Context(), r.Storage, container, "never", 10, closing), stacksync.ErrClosed)
	_, err = io.ReadAll(content.Content)
	require.ErrorIs(t, err, stacksync.ErrClosed)
	require.NoError(t, content.Content.Close())
	require.ErrorIs(t, write(t.Context(), r.Storage, container, "later", ""), stacksync.ErrClosed)
	require.NoError(t, r.Close())
}

// closer is content in the middle of which the storage is closed.
type closer func() error

func (c closer) Read([]byte) (int, error) { return 0, errors.Join(c(), io.ErrUnexpectedEOF) }

func TestRestartedServer(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	s := open(t, configOf(server))
	create(t, s, container)
	require.NoError(t, write(t.Context(), s, container, "chunk", "content"))
	require.NoError(t, server.Stop())
	_, err := read(t.Context(), s, container, "chunk") // it gives up
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotErrorIs(t, err, stacksync.ErrNotFound)
	ftp.SetTries(s, 12)
	again := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() { again <- server.Restart(context.Background()) })
	got, err := read(t.Context(), s, container, "chunk") // waits for it
	require.NoError(t, err)
	require.Equal(t, "content", got)
	require.NoError(t, <-again)
}

// TestFullServer: others have all places for a moment.
func TestFullServer(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{MaxClients: 2})
	s := open(t, configOf(server))
	ftp.SetTries(s, 12)
	create(t, s, container)
	other := open(t, configOf(server))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { assert.NoError(t, write(t.Context(), s, container, fmt.Sprint(i), "x"), i) })
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = other.Close() })
	wg.Wait()
	require.Len(t, stored(t, s, container), 4)
}

// TestRenameIsAtomic: while a chunk is deleted and written again and again, each reader gets it whole, or not at all. Seen so with ProFTPD,
// whose RNTO is rename(2).
func TestRenameIsAtomic(t *testing.T) {
	t.Parallel()
	server := start(t, proftpd.Options{})
	s := open(t, configOf(server))
	create(t, s, container)
	content := bytes.Repeat([]byte("content "), 1<<13)
	put := func() error { return write(t.Context(), s, container, "chunk", string(content)) }
	require.NoError(t, put())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 100 {
				_, err := s.DeleteChunks(t.Context(), stacksync.DeleteChunksParams{Container: container, Names: []string{"chunk"}})
				assert.NoError(t, err)
				assert.NoError(t, put())
			}
		})
		wg.Go(func() {
			for range 200 {
				got, err := read(t.Context(), s, container, "chunk")
				if errors.Is(err, stacksync.ErrChunkNotFound) {
					continue
				}
				if err == nil && got != string(content) {
					err = fmt.Errorf("%d bytes that are not the chunk", len(got))
				}
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	wg.Wait()
}
