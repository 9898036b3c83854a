package pgtest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Message is what a client sends once it is connected: https://www.postgresql.org/docs/current/protocol-message-formats.html
type Message struct {
	Type byte   // 'Q', a query; 'P', 'B', 'D', 'E', 'S', the extended protocol's parse, bind, describe, execute and sync; 'X', the end
	Body []byte // without type and length
}

// SQL returns the text of a query or a statement to prepare; of other messages nothing.
func (m Message) SQL() string {
	switch m.Type {
	case 'Q':
		return text(m.Body)
	case 'P':
		if name := len(text(m.Body)) + 1; name < len(m.Body) {
			return text(m.Body[name:])
		}
	}
	return ""
}

// Action is what a [Proxy] does about a message.
type Action int

// The actions. In all but Pass the connection ends, and the client may connect again.
const (
	// Pass forwards the message.
	Pass Action = iota
	// CutBefore cuts the connection; the server does not get the message.
	CutBefore
	// CutDuring forwards the message and cuts the client off at once, while the server works: a client that asks
	// again can be faster than the server.
	CutDuring
	// CutAfter forwards the message and lets the server finish. Then it cuts the client off, who gets no byte of the answer.
	CutAfter
	// CutAfterReply forwards the message, and the answer up to the server's being ready for the next query. Then it cuts
	// the connection.
	CutAfterReply
)

// Proxy stands between clients and a server, and cuts their connections where a test says so. Clients connect without
// TLS; asked for it, the proxy refuses. It ends with its test. Its methods may be called concurrently, and by the
// function that OnMessage is given.
type Proxy struct {
	server   string // host:port
	dsn      string
	listener net.Listener
	done     sync.WaitGroup
	trips    atomic.Int64

	mu     sync.Mutex
	decide func(Message) Action
	open   map[*link]struct{} // nil once the proxy is closed
	refuse bool
	flow   chan struct{} // closed while messages are forwarded
}

// NewProxy starts a proxy before the server, which must take connections without TLS, on a TCP port.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	if s.ca != nil || s.dsn.Port() == "" || s.dsn.Query().Get("host") != "" {
		t.Fatal("pgtest: a proxy needs a server without TLS, with host:port in its DSN")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgtest: listen for the proxy's clients: %v", err)
	}
	dsn := *s.dsn
	dsn.Host, dsn.RawQuery = listener.Addr().String(), "sslmode=disable"
	p := &Proxy{server: s.dsn.Host, dsn: dsn.String(), listener: listener, open: map[*link]struct{}{}, flow: make(chan struct{})}
	close(p.flow)
	p.done.Go(func() {
		if err := p.accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("pgtest: wait for the proxy's clients: %v", err)
		}
	})
	t.Cleanup(p.close)
	return p
}

// DSN is the server's, but leads through the proxy, with sslmode=disable.
func (p *Proxy) DSN() string { return p.dsn }

// OnMessage sets the function that decides about each message, in the order of each connection, from now on; nil passes
// all, as at first. It is called by many connections at once, and has to return: the proxy waits for it at the test's
// end. It is not asked about messages that belong to connecting.
func (p *Proxy) OnMessage(decide func(Message) Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

func (p *Proxy) action(m Message) Action {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil {
		return Pass
	}
	return decide(m)
}

// CutAll cuts every connection, to client and server. Clients may connect again.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		l.cut()
	}
}

// Refuse makes the proxy hang up on each new client at once, or accept again. Open connections stay.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Trips tells how many round trips clients have made so far: the queries ('Q'), function calls ('F') and syncs ('S')
// that were forwarded. Connecting counts for none.
func (p *Proxy) Trips() int64 { return p.trips.Load() }

// Hold stops forwarding, in both directions and on all connections, and cuts none, as if a cable were unplugged. New
// clients can connect, but get no answer. What is being forwarded when Hold is called may still arrive.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
		p.flow = make(chan struct{})
	default: // held already
	}
}

// Release forwards what was held, and goes on.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow: // not held
	default:
		close(p.flow)
	}
}

func (p *Proxy) accept() error {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return err
		}
		if l := p.admit(client); l != nil {
			p.done.Go(func() {
				defer p.forget(l)
				l.serve()
			})
		} else {
			_ = client.Close()
		}
	}
}

// admit makes the client's link known, so that it can be cut; nil where the client is refused.
func (p *Proxy) admit(client net.Conn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.open == nil {
		return nil
	}
	l := newLink(p, client)
	p.open[l] = struct{}{}
	return l
}

func (p *Proxy) forget(l *link) {
	l.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
}

// wait blocks while the proxy holds. It fails if the link is cut meanwhile.
func (p *Proxy) wait(l *link) error {
	p.mu.Lock()
	flow := p.flow
	p.mu.Unlock()
	select {
	case <-flow:
		return nil
	case <-l.gone:
		return errCut
	}
}

var errCut = errors.New("the connection was cut")

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for l := range p.open {
		l.cut()
	}
	p.open = nil
	p.mu.Unlock()
	p.done.Wait()
}
