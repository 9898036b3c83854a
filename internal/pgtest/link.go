package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Codes in the place of the protocol's version, in a connection's first message.
const (
	cancelRequest = 80877102
	tlsRequest    = 80877103
	gssRequest    = 80877104
)

// link is one client's connection through a proxy.
type link struct {
	proxy  *Proxy
	client net.Conn
	gone   chan struct{} // closed when the link is cut

	mu     sync.Mutex
	server net.Conn // nil before it is connected
	isCut  bool

	deaf atomic.Bool  // the client gets nothing any more
	last atomic.Int64 // the trip after whose answer the link is cut; 0 for none
}

func newLink(p *Proxy, client net.Conn) *link {
	return &link{proxy: p, client: client, gone: make(chan struct{})}
}

// cut closes both connections.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		return
	}
	l.isCut = true
	close(l.gone)
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// connect connects to the server, unless the link was cut.
func (l *link) connect() (*net.TCPConn, error) {
	server, err := net.DialTimeout("tcp", l.proxy.server, patience)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		_ = server.Close()
		return nil, errCut
	}
	l.server = server
	return server.(*net.TCPConn), nil
}

// serve forwards until the server ends the connection, which it does when the client has, or until the link is cut.
func (l *link) serve() {
	fromClient := bufio.NewReader(l.client)
	hello, err := l.hello(fromClient)
	if err != nil {
		return
	}
	server, err := l.connect()
	if err != nil {
		return
	}
	if _, err := server.Write(hello); err != nil {
		return
	}
	l.proxy.done.Go(func() {
		if err := l.requests(fromClient, server); err != nil {
			l.cut()
			return
		}
		// The server executes what it has got, and then sees that the client is gone.
		_ = server.CloseWrite()
	})
	_ = l.answers(bufio.NewReader(server))
}

// hello reads the message that opens a connection; it refuses encryption, and lets the client ask again without.
func (l *link) hello(r *bufio.Reader) ([]byte, error) {
	for {
		size, err := r.Peek(4)
		if err != nil {
			return nil, err
		}
		const most = 10000 // the server's own limit
		n := binary.BigEndian.Uint32(size)
		if n < 8 || n > most {
			return nil, fmt.Errorf("a first message of %d bytes", n)
		}
		hello := make([]byte, n)
		if _, err := io.ReadFull(r, hello); err != nil {
			return nil, err
		}
		if err := l.proxy.wait(l); err != nil {
			return nil, err
		}
		switch binary.BigEndian.Uint32(hello[4:]) {
		case tlsRequest, gssRequest:
			if _, err := l.client.Write([]byte{'N'}); err != nil {
				return nil, err
			}
		default: // a cancelRequest too: the server acts on it and closes the connection
			return hello, nil
		}
	}
}

// requests forwards the client's messages until the client ends or is cut off; then the server's answers are drained.
func (l *link) requests(r *bufio.Reader, server io.Writer) error {
	w := bufio.NewWriter(server)
	trips := int64(0) // the server answers each with a 'Z'
	for {
		m, err := readMessage(r)
		if err != nil {
			return errors.Join(l.proxy.wait(l), w.Flush())
		}
		do := Pass
		if m.Type != 'p' { // a password
			do = l.proxy.action(m)
		}
		if err := l.proxy.wait(l); err != nil {
			return err
		}
		switch do {
		case CutBefore:
			return errCut
		case CutDuring, CutAfter:
			l.deaf.Store(true)
		case CutAfterReply:
			l.last.Store(trips + 1) // what is no trip of its own is answered with the next one
		}
		if m.Type == 'Q' || m.Type == 'S' || m.Type == 'F' {
			trips++
			l.proxy.trips.Add(1)
		}
		if err := writeMessage(w, m); err != nil {
			return err
		}
		if r.Buffered() == 0 || do != Pass {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		switch do {
		case CutDuring:
			return l.client.Close()
		case CutAfter:
			return nil
		}
	}
}

// answers forwards the server's messages until the server ends or the link is cut. A client that is gone stops nothing:
// if the server's connection were closed before all is read, what the server has not read yet would be lost.
func (l *link) answers(r *bufio.Reader) error {
	w := bufio.NewWriter(l.client)
	trips := int64(-1) // the first 'Z' answers no trip, but the connecting
	for {
		m, err := readMessage(r)
		if err != nil {
			return errors.Join(l.proxy.wait(l), w.Flush())
		}
		if l.deaf.Load() {
			continue
		}
		if err := l.proxy.wait(l); err != nil {
			return err
		}
		if m.Type == 'Z' {
			trips++
		}
		last := m.Type == 'Z' && trips > 0 && trips == l.last.Load()
		err = writeMessage(w, m)
		if err == nil && (last || r.Buffered() == 0) {
			err = w.Flush()
		}
		if err != nil {
			l.deaf.Store(true)
		}
		if last {
			return err
		}
	}
}

func readMessage(r *bufio.Reader) (Message, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Message{}, err
	}
	const most = 1 << 30 // the server's own limit
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > most {
		return Message{}, fmt.Errorf("a message %q of %d bytes", head[0], n)
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(r, body)
	return Message{Type: head[0], Body: body}, err
}

func writeMessage(w io.Writer, m Message) error {
	var head [5]byte
	head[0] = m.Type
	binary.BigEndian.PutUint32(head[1:], uint32(len(m.Body)+4))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(m.Body)
	return err
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
