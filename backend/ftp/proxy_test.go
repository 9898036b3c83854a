package ftp_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands before a server without TLS, and forwards control and data connections.
type proxy struct {
	t        testing.TB
	server   string
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[io.Closer]bool
	open     int // control connections
	most     int // of them at a time
	commands []string
	// cutUp and cutDown let only so many bytes of each upload and download through; then the connection ends, with a reset, or, if
	// quiet, as if that were all. Negative means all.
	cutUp, cutDown int64
	quiet          bool
	// cuts is how many transfers are cut; negative means all.
	cuts int
	// reply may change a reply of the server; an empty one cuts the connection.
	reply func(command, line string) string
	// answer may reply in place of the server, which does not see the command then.
	answer func(command string) string
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, server: server, listener: l, conns: map[io.Closer]bool{}, cutUp: -1, cutDown: -1, cuts: -1}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.control(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cutAll()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) set(f func(p *proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *proxy) keep(c io.Closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

// cutAll closes all connections.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[io.Closer]bool{}
}

func (p *proxy) seen(verb string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.commands {
		if strings.HasPrefix(c, verb) {
			n++
		}
	}
	return n
}

func (p *proxy) control(client net.Conn) {
	p.keep(client)
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	p.keep(server)
	p.set(func(p *proxy) { p.open++; p.most = max(p.most, p.open) })
	defer p.set(func(p *proxy) { p.open-- })
	var command string
	var mu sync.Mutex
	p.wg.Go(func() {
		defer server.Close()
		lines := bufio.NewScanner(client)
		for lines.Scan() {
			mu.Lock()
			command = lines.Text()
			mu.Unlock()
			var answer func(string) string
			p.set(func(p *proxy) {
				p.commands = append(p.commands, lines.Text())
				answer = p.answer
			})
			if answer != nil {
				if line := answer(lines.Text()); line != "" {
					_, _ = fmt.Fprintf(client, "%s\r\n", line)
					continue
				}
			}
			if _, err := fmt.Fprintf(server, "%s\r\n", lines.Text()); err != nil {
				return
			}
		}
	})
	lines := bufio.NewScanner(server)
	for lines.Scan() {
		line := lines.Text()
		var port int
		if _, err := fmt.Sscanf(line, "229 Entering Extended Passive Mode (|||%d|)", &port); err == nil {
			line = fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", p.data(port))
		}
		mu.Lock()
		c := command
		mu.Unlock()
		p.mu.Lock()
		reply := p.reply
		p.mu.Unlock()
		if reply != nil {
			if line = reply(c, line); line == "" {
				return
			}
		}
		if _, err := fmt.Fprintf(client, "%s\r\n", line); err != nil {
			return
		}
	}
}

// data forwards one data connection to a port, and returns where.
func (p *proxy) data(port int) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	p.keep(l)
	p.wg.Go(func() {
		client, err := l.Accept()
		_ = l.Close()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			_ = client.Close()
			return
		}
		p.keep(client)
		p.keep(server)
		p.mu.Lock()
		up, down, quiet := p.cutUp, p.cutDown, p.quiet
		if p.cuts == 0 {
			up, down = -1, -1
		} else if p.cuts > 0 {
			p.cuts--
		}
		p.mu.Unlock()
		p.wg.Go(func() { forward(server, client, up, quiet) })
		forward(client, server, down, quiet)
	})
	return l.Addr().(*net.TCPAddr).Port
}

func forward(to, from net.Conn, most int64, quiet bool) {
	if most < 0 {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
		return
	}
	if _, err := io.CopyN(to, from, most); errors.Is(err, io.EOF) {
		_ = to.(*net.TCPConn).CloseWrite()
		return
	}
	if quiet {
		_ = to.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, from)
		return
	}
	_ = from.(*net.TCPConn).SetLinger(0)
	_ = from.Close()
	_ = to.Close()
}
