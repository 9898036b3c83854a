package ftp_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/backend/ftp"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/storagetest"
)

// TestSessionCacheOfTheHost: a host's cache, which all connections would share, is left alone.
func TestSessionCacheOfTheHost(t *testing.T) {
	t.Parallel()
	c := configOf(start(t, proftpd.Options{SessionReuse: true}))
	c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	c.TLS.SessionTicketsDisabled = true
	s := open(t, c)
	create(t, s, container)
	names := ofOneShard(32)
	done := make(chan error, len(names))
	for _, name := range names {
		go func() { done <- write(t.Context(), s, container, name, strings.Repeat("content", 10_000)) }()
	}
	for range names {
		require.NoError(t, <-done)
	}
	require.ElementsMatch(t, names, stored(t, s, container))
}

// TestDeleteWhereDotFilesAreForbidden: without accounts there is no .ftpaccess, and a server that forbids to touch it is none the worse.
func TestDeleteWhereDotFilesAreForbidden(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.NoError(t, write(t.Context(), r.Storage, container, "chunk", "content"))
	r.proxy.set(func(p *proxy) {
		p.answer = func(command string) string {
			if strings.HasPrefix(command, "DELE") && strings.HasSuffix(command, ".ftpaccess") {
				return "550 Permission denied"
			}
			return ""
		}
	})
	require.NoError(t, deleteContainer(t.Context(), r.Storage, container))
	require.NoDirExists(t, filepath.Join(r.server.Root, container))

	c := withAccounts(r.server)
	c.Addr, c.TLS, c.Plain = r.proxy.addr(), nil, true
	s := open(t, c)
	create(t, s, container)
	require.Error(t, deleteContainer(t.Context(), s, container), "with accounts the folder would stay open to them")
}

// TestImplicitFTPS: a server that waits for TLS without a word is told from one that is slow.
func TestImplicitFTPS(t *testing.T) {
	t.Parallel()
	server := storagetest.FTP(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(filepath.Dir(server.CAFile), "server.pem"), filepath.Join(filepath.Dir(server.CAFile), "server.key"))
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	serve(t, l, func(c net.Conn) { _, _ = c.Write([]byte("220 hello\r\n")) })
	for _, plain := range []bool{false, true} {
		c := configOf(server)
		c.Addr = l.Addr().String()
		if plain {
			c.TLS, c.Plain = nil, true
		}
		_, err = ftp.Open(t.Context(), c)
		require.ErrorIs(t, err, ftp.ErrImplicit)
	}
	slow, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serve(t, slow, func(c net.Conn) {
		time.Sleep(3 * time.Second)
		_, _ = c.Write([]byte("220 hello\r\n"))
		_, _ = c.Read(make([]byte, 100))
		_, _ = c.Write([]byte("502 no TLS\r\n"))
	})
	c := configOf(server)
	c.Addr = slow.Addr().String()
	_, err = ftp.Open(t.Context(), c)
	require.ErrorContains(t, err, "no TLS")
	require.NotErrorIs(t, err, ftp.ErrImplicit)
}

// serve serves each connection by f, and closes it then.
func serve(t *testing.T, l net.Listener, f func(net.Conn)) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
}
