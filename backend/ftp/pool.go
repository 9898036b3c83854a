package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"sync"
	"syscall"
	"time"

	"github.com/jlaffaye/ftp"
	"golang.org/x/sync/semaphore"

	"github.com/stacksync/stacksync-go"
)

// server is how to reach it.
type server struct {
	addr, user string
	// password is a func, since fmt shows whatever text is in a field that is not exported.
	password func() stacksync.Secret
	tls      *tls.Config
	dialer   net.Dialer
	silence  time.Duration
	clock    clock
}

// mayPass tells whether a server that did not let us in may do so in a moment: it starts, or has too many clients.
func mayPass(err error) bool {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code == ftp.StatusNotAvailable || reply.Code == ftp.StatusNotLoggedIn && says(reply.Msg, "maximum number", "too many")
	}
	return errors.Is(err, syscall.ECONNREFUSED) || isEnd(err)
}

// open connects and logs in.
func (s *server) open(ctx context.Context) (_ *conn, err error) {
	c := &conn{server: s, ctx: ctx, links: map[*link]struct{}{}}
	stop := context.AfterFunc(ctx, c.cut)
	defer func() {
		late := !stop()
		if err != nil || late {
			c.cut()
		}
		if late {
			err = ctx.Err()
		} else if err != nil {
			err = fmt.Errorf("connect to %s: %w", s.addr, err)
		}
	}()
	options := []ftp.DialOption{ftp.DialWithDialFunc(c.dial)}
	if s.tls != nil {
		c.tls = s.tls.Clone()
		// Servers want data connections to resume the session of their own control connection. With a cache of the host's they would resume
		// any other one, and be refused.
		c.tls.ClientSessionCache, c.tls.SessionTicketsDisabled = tls.NewLRUClientSessionCache(1), false
		options = append(options, ftp.DialWithTLS(c.tls))
	}
	if c.ftp, err = ftp.Dial(s.addr, options...); err != nil {
		return nil, err
	}
	if err := c.ftp.Login(s.user, string(s.password())); err != nil {
		return nil, fmt.Errorf("log in as %s: %w", s.user, withoutSecret(err, s.password()))
	}
	return c, nil
}

// pool has the connections of a Storage: those in use, which permits bound, and the idle ones.
type pool struct {
	server  server
	permits *semaphore.Weighted
	keep    time.Duration
	tries   int // to open one

	mu     sync.Mutex
	idle   []*conn // the longest idle first
	timer  *time.Timer
	closed bool
}

// usualTries are enough for about a second and a half.
const usualTries = 6

// get returns an idle connection, or a new one. The caller has a permit. Before a server that is full or starts, it tries again for a while,
// and takes what has become idle meanwhile.
func (p *pool) get(ctx context.Context, fresh bool) (c *conn, isFresh bool, err error) {
	for try := 0; ; try++ {
		if !fresh || try > 0 {
			if c = p.takeIdle(); c != nil {
				break
			}
		}
		c, err = p.server.open(ctx)
		if err == nil {
			isFresh = true
			break
		}
		if try == p.tries-1 || !mayPass(err) {
			return nil, true, err
		}
		pause := 50 * time.Millisecond << try
		select {
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // no secret
		case <-ctx.Done():
			return nil, true, ctx.Err()
		}
	}
	c.ctx, c.spent = ctx, false
	c.stop = context.AfterFunc(ctx, c.cut)
	return c, isFresh, nil
}

// takeIdle returns the connection that was used last, nil if there is none.
func (p *pool) takeIdle() (c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	return c
}

// put takes back a connection that goes on.
func (p *pool) put(c *conn) {
	if !c.stop() || c.isCut() {
		c.cut()
		return
	}
	c.ctx, c.idle = nil, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.cut()
		return
	}
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.keep, p.evict)
	}
}

// drop ends a connection that can't be used again.
func (p *pool) drop(c *conn) {
	c.stop()
	c.cut()
}

// dropIdle is for when a connection turned out to be dead: most likely the server was restarted, and all are.
func (p *pool) dropIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.cut()
	}
	p.idle = nil
}

// evict ends the connections that have been idle for too long.
func (p *pool) evict() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	if p.closed {
		return
	}
	now := time.Now()
	for len(p.idle) > 0 && now.Sub(p.idle[0].idle) >= p.keep {
		p.quit(p.idle[0])
		p.idle = p.idle[1:]
	}
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(p.keep-now.Sub(p.idle[0].idle), p.evict)
	}
}

// quit takes leave of the server, so that it does not log a client that was lost. It does not wait for an answer.
func (p *pool) quit(c *conn) {
	_, _ = c.control.Write([]byte("QUIT\r\n"))
	c.cut()
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, c := range p.idle {
		p.quit(c)
	}
	p.idle = nil
}
