package pgconn

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"sync"

	"github.com/uptrace/bun/driver/pgdriver"
)

// The driver looks at the deadline of a context, but not at its end, and leaves a connection open that fails while it
// starts up. What is here ends it in both cases.

// attemptKey is where a context carries the attempt to connect.
type attemptKey struct{}

// attempt is one attempt to connect, and the sockets that were opened in it.
type attempt struct {
	mu      sync.Mutex
	failed  bool
	sockets []net.Conn
}

// add closes the socket at once if the attempt is over.
func (a *attempt) add(socket net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed {
		_ = socket.Close()
		return
	}
	a.sockets = append(a.sockets, socket)
}

func (a *attempt) fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
	for _, socket := range a.sockets {
		_ = socket.Close()
	}
}

// guardedDialer lets Connect know of the sockets.
func guardedDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		socket, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
			a.add(socket)
		}
		return socket, nil
	}
}

// Connect runs once, which makes one connection. Where that is made by a Connector it fails as soon as ctx ends; with another
// dialer it does so at ctx's deadline.
func Connect(ctx context.Context, once func(context.Context) error) error {
	a := &attempt{}
	unguard := context.AfterFunc(ctx, a.fail)
	err := once(context.WithValue(ctx, attemptKey{}, a))
	if !unguard() {
		return fmt.Errorf("connect: %w", ctx.Err())
	}
	if err != nil {
		a.fail()
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// Connector makes connections. It gives up when ctx ends, and leaves no socket behind.
type Connector struct {
	*pgdriver.Connector
	encryption *tls.Config // nil: none
}

// readAsWritten makes the two settings without which the server reads texts otherwise than the driver has written them. A database or
// a role may have other ones; the driver would refuse those at connecting, without a word about which one it was.
const readAsWritten = "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'"

// Connect implements driver.Connector.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	var conn driver.Conn
	err := Connect(ctx, func(ctx context.Context) error {
		made, err := c.Connector.Connect(ctx)
		if err != nil {
			return err
		}
		pg, ok := made.(*pgdriver.Conn)
		if !ok {
			return fmt.Errorf("the driver has made a %T, not a Conn", made)
		}
		if _, err := pg.ExecContext(ctx, readAsWritten, nil); err != nil {
			return fmt.Errorf("make the settings of a connection: %w", err)
		}
		conn = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Guard closes the connection when ctx ends before stop is called, so that what waits for the server there fails at once.
// stop reports false when it was too late.
func Guard(ctx context.Context, conn *sql.Conn) (stop func() bool, err error) {
	if ctx.Done() == nil {
		return func() bool { return true }, nil
	}
	err = conn.Raw(func(c any) error {
		closer, ok := c.(driver.Conn)
		if !ok {
			return fmt.Errorf("a connection is a %T", c)
		}
		stop = context.AfterFunc(ctx, func() { _ = closer.Close() })
		return nil
	})
	return stop, err
}
