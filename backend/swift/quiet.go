package swift

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// Behind Keystone, Swift ends the answer to a HEAD that it refuses with the end of a body which such an answer does not have. Go's client
// finds that on a connection that should be idle, drops the connection, and writes "Unsolicited response" to the host's standard log,
// which nothing can turn off. So a connection ends for the client where such an answer does.

// quiet is a connection to Swift.
type quiet struct {
	net.Conn

	mu   sync.Mutex
	head bool // the next answer is one to HEAD
	read answerHead
	rest []byte // what came with the answer, and is no part of it
	over bool
}

// answerHead reads the start of an answer up to the end of its header.
type answerHead struct {
	status  []byte // the first bytes: "HTTP/1.1 401"
	matched int    // of the end
}

const (
	headerEnd   = "\r\n\r\n"
	statusStart = len("HTTP/1.1 ")
	statusEnd   = len("HTTP/1.1 401")
)

// feed returns how many of the bytes belong to the header, and whether it has ended.
func (h *answerHead) feed(p []byte) (n int, ended bool) {
	for i, b := range p {
		if len(h.status) < statusEnd {
			h.status = append(h.status, b)
		}
		switch b {
		case headerEnd[h.matched]:
			h.matched++
		case headerEnd[0]:
			h.matched = 1
		default:
			h.matched = 0
		}
		if h.matched == len(headerEnd) {
			return i + 1, true
		}
	}
	return len(p), false
}

// refused reports whether the answer is one that brings more than it should.
func (h *answerHead) refused() bool {
	if len(h.status) < statusEnd {
		return false
	}
	code := string(h.status[statusStart:])
	return code == "401" || code == "403"
}

// Read implements net.Conn.
func (q *quiet) Read(p []byte) (int, error) {
	q.mu.Lock()
	over, rest := q.over, q.rest
	if len(rest) > 0 {
		n := copy(p, rest)
		q.rest = rest[n:]
		q.mu.Unlock()
		return n, nil
	}
	q.mu.Unlock()
	if over {
		return 0, io.EOF
	}
	n, err := q.Conn.Read(p)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.head || n == 0 {
		return n, err
	}
	used, ended := q.read.feed(p[:n])
	if !ended {
		return n, err
	}
	q.head = false
	if q.over = q.read.refused(); !q.over {
		q.rest = append([]byte(nil), p[used:n]...)
	}
	return used, nil
}

// expectHead says that the request which is sent next is a HEAD.
func (q *quiet) expectHead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.head, q.read = true, answerHead{}
}

// dialQuiet makes a transport's connections quiet. Through a proxy, connections with TLS are the transport's own.
func dialQuiet(t *http.Transport, dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &quiet{Conn: c}, nil
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := t.TLSClientConfig.Clone()
		config.ServerName = host
		secure := tls.Client(c, config)
		ctx, cancel := context.WithTimeout(ctx, dialBound)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = c.Close()
			return nil, err
		}
		return &quiet{Conn: secure}, nil
	}
}

// expecting tells the connection of a HEAD what comes.
func expecting(r *http.Request) *http.Request {
	if r.Method != http.MethodHead {
		return r
	}
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			if q, ok := i.Conn.(*quiet); ok {
				q.expectHead()
			}
		},
	}))
}
