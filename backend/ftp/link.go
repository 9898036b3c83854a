package ftp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"
)

// conn is a connection to the server, with the data connection that it has at the moment. One goroutine uses it at a time.
type conn struct {
	ftp     *ftp.ServerConn
	server  *server
	control net.Conn          // below which ftp sees the replies, without TLS
	replies *textproto.Reader // of control; between two commands there is nothing in the buffer of either reader
	tls     *tls.Config       // nil for none

	ctx  context.Context // of the call that uses it
	stop func() bool     // ends what cuts it when ctx ends

	// noEPSV says that the server knows only PASV.
	noEPSV bool
	// spent says that the call can't be made again on another connection.
	spent bool
	// idle is since when nobody uses it.
	idle time.Time

	mu    sync.Mutex
	links map[*link]struct{} // nil once it is cut
}

// link is a TCP connection on which the other side may not be silent, nor refuse to take bytes, for too long.
type link struct {
	net.Conn
	c      *conn
	peeked []byte // which were read already
}

func (l *link) Read(p []byte) (int, error) {
	if len(l.peeked) > 0 {
		n := copy(p, l.peeked)
		l.peeked = l.peeked[n:]
		return n, nil
	}
	if err := l.SetReadDeadline(time.Now().Add(l.c.server.silence)); err != nil {
		return 0, err
	}
	return l.Conn.Read(p)
}

func (l *link) Write(p []byte) (int, error) {
	if err := l.SetWriteDeadline(time.Now().Add(l.c.server.silence)); err != nil {
		return 0, err
	}
	return l.Conn.Write(p)
}

func (l *link) Close() error {
	l.c.mu.Lock()
	delete(l.c.links, l)
	l.c.mu.Unlock()
	return l.Conn.Close()
}

// cut closes all that is open, without a word to the server.
func (c *conn) cut() {
	c.mu.Lock()
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for l := range links {
		_ = l.Conn.Close()
	}
}

func (c *conn) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links == nil
}

func (c *conn) connect(address string) (*link, error) {
	raw, err := c.server.dialer.DialContext(c.ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: raw, c: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links == nil {
		return nil, errors.Join(net.ErrClosed, raw.Close())
	}
	c.links[l] = struct{}{}
	return l, nil
}

// dial makes the control connection when it is called first, and then the data connections.
func (c *conn) dial(_, address string) (net.Conn, error) {
	if c.control == nil {
		return c.dialControl(address)
	}
	// Whatever address the server names, data go where the control connection goes.
	host, _, err := net.SplitHostPort(c.control.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l, err := c.connect(net.JoinHostPort(host, port))
	if err != nil || c.tls == nil {
		return l, err
	}
	return &secureData{Conn: tls.Client(l, c.tls), tcp: l.Conn}, nil // ProFTPD begins the handshake after the command that follows
}

// secureData is a data connection with TLS.
//
// The server writes to it on an upload, too: with TLS 1.3, tickets to resume the session come after the handshake. If they were not read
// when it is closed, the kernel would reset the connection, and the server might lose the end of the content. So the end of an upload is
// told first, and what has come is read until the server closes in its turn.
type secureData struct {
	*tls.Conn
	tcp  net.Conn
	read bool // the server sends
}

func (d *secureData) Read(p []byte) (int, error) {
	d.read = true
	return d.Conn.Read(p)
}

func (d *secureData) Close() error {
	if !d.read && d.CloseWrite() == nil { // which fails before the handshake
		if half, ok := d.tcp.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, d.Conn) // whether all has come, the reply will say
	}
	return d.Conn.Close()
}

// dialControl goes as far as TLS. The greeting, which came before, is handed to the reader once more.
func (c *conn) dialControl(address string) (net.Conn, error) {
	l, err := c.connect(address)
	if err != nil {
		return nil, err
	}
	if err := c.awaitGreeting(l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if c.tls == nil {
		c.setControl(l)
		return l, nil
	}
	secure, err := c.secure(l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c.setControl(secure)
	return &greeted{Conn: secure, greeting: strings.NewReader("220 TLS\r\n")}, nil
}

func (c *conn) setControl(control net.Conn) {
	c.control, c.replies = control, textproto.NewReader(bufio.NewReader(control))
}

// secure is RFC 4217: AUTH TLS, and a handshake that verifies the certificate.
func (c *conn) secure(l *link) (net.Conn, error) {
	buffer := bufio.NewReader(l)
	replies := textproto.NewReader(buffer)
	if _, _, err := replies.ReadResponse(ftp.StatusReady); err != nil {
		return nil, err
	}
	if _, err := l.Write([]byte("AUTH TLS\r\n")); err != nil {
		return nil, err
	}
	if _, _, err := replies.ReadResponse(ftp.StatusAuthOK); err != nil {
		return nil, fmt.Errorf("ask for TLS: %w", err)
	}
	if buffer.Buffered() > 0 { // by somebody in between, to be taken for an answer that was encrypted
		return nil, errors.New("ask for TLS: the server talks on without it")
	}
	secure := tls.Client(l, c.tls)
	if err := secure.HandshakeContext(c.ctx); err != nil {
		return nil, fmt.Errorf("set up TLS: %w", err)
	}
	return secure, nil
}

// greeted is a connection whose greeting is read again.
type greeted struct {
	net.Conn
	greeting *strings.Reader
}

func (g *greeted) Read(p []byte) (int, error) {
	if g.greeting.Len() > 0 {
		return g.greeting.Read(p)
	}
	return g.Conn.Read(p)
}

// command sends a command that the library has no method for.
func (c *conn) command(expect int, line string) (string, error) {
	if strings.ContainsAny(line, "\r\n") {
		return "", ftp.ErrInvalidCommand
	}
	if _, err := c.control.Write([]byte(line + "\r\n")); err != nil {
		return "", err
	}
	_, message, err := c.replies.ReadResponse(expect)
	return message, err
}
