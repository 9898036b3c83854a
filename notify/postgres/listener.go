package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go/internal/pgconn"

	"github.com/stacksync/stacksync-go"
)

// connectTimeout bounds an attempt to connect, and then that to hear oneself. Tests have a longer one.
var connectTimeout = 5 * time.Second

const (
	// A probe that was not heard is repeated, since LISTEN may have come into force after it. In the beginning this happens
	// within milliseconds.
	probeAgainFirst, probeAgainMost = 5 * time.Millisecond, time.Second
	// Attempts to connect are apart by about this much, so that many processes don't meet at a server that has just started.
	retryFirst, retryMost = 100 * time.Millisecond, 5 * time.Second
)

var (
	errTimeout  = errors.New("the server did not answer in time")
	errNotHeard = errors.New("a notification to ourselves did not come back: is there a connection pooler in between?")
)

// listener keeps one connection listening.
type listener struct {
	db      *bun.DB                         // says how to connect
	pool    *sql.DB                         // sends probes
	prepare func(ctx context.Context) error // is called before each attempt to connect
	channel string
	origin  string
	ping    time.Duration
	log     *slog.Logger

	heard   func([]stacksync.Notification) // hints of others
	resumed func()                         // the connection was lost, and listens again

	begin     time.Time
	lastHeard atomic.Int64 // nanoseconds after begin
	expected  atomic.Pointer[sentProbe]
	strange   sync.Once // tells of strange payloads
}

// sentProbe is a notification of ours to ourselves.
type sentProbe struct {
	token string
	back  chan struct{} // closed when it was received
}

// run listens until ctx ends. It tells first when it listens for the first time, or why it can't: then it gives up.
func (l *listener) run(ctx context.Context, first chan<- error) {
	listened, wait := false, retryFirst
	for {
		lost := l.session(ctx, func() {
			if listened {
				l.resumed()
				l.log.Info("postgres notifier: listening again", "channel", l.channel)
			} else {
				listened = true
				first <- nil
			}
			wait = retryFirst
		})
		switch {
		case !listened:
			first <- lost
			return
		case ctx.Err() != nil:
			return
		case wait == retryFirst:
			l.log.Warn("postgres notifier: connection lost, hints of other processes are missed", "channel", l.channel, "error", lost)
		default:
			l.log.Debug("postgres notifier: not connected", "channel", l.channel, "error", lost)
		}
		select {
		case <-time.After(wait/2 + mathrand.N(wait)):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, retryMost)
	}
}

// session connects and listens until the connection is lost or ctx ends, and returns why. It calls live once LISTEN is
// in force.
func (l *listener) session(ctx context.Context, live func()) error {
	connecting, connected := context.WithTimeoutCause(ctx, connectTimeout, errTimeout)
	defer connected()
	if err := l.prepare(connecting); err != nil {
		return cmp.Or(context.Cause(connecting), err)
	}
	ln := pgdriver.NewListener(l.db)
	err := pgconn.Connect(connecting, func(ctx context.Context) error { return ln.Listen(ctx, l.channel) })
	connected()
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer func() { _ = ln.Close() }() // ends receive
	if err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	receiving.Go(func() { lost(l.receive(ln)) })

	if err := l.probe(ctx, connectTimeout); err != nil {
		return err
	}
	live()
	for {
		silence := time.Since(l.begin) - time.Duration(l.lastHeard.Load())
		if silence >= l.ping {
			if err := l.probe(ctx, min(l.ping, connectTimeout)); err != nil {
				return err
			}
			continue
		}
		select {
		case <-time.After(l.ping - silence):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// receive returns when the connection is lost or closed.
func (l *listener) receive(ln *pgdriver.Listener) error {
	// The driver looks at the end of a context only when it has lost the connection and would make another by itself. It must
	// not: nobody would know that hints are missing, and nobody could end it while it waits for a server.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		_, payload, err := ln.Receive(ended)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		l.lastHeard.Store(int64(time.Since(l.begin)))
		m, err := decode(payload)
		switch {
		case err != nil:
			l.strange.Do(func() {
				l.log.Warn("postgres notifier: somebody else uses the channel, or another version: payloads that can't be read are ignored",
					"channel", l.channel, "bytes", len(payload))
			})
		case m.origin == l.origin:
			if p := l.expected.Load(); p != nil && p.token == m.probe && l.expected.CompareAndSwap(p, nil) {
				close(p.back)
			}
		default:
			l.heard(m.hints)
		}
	}
}

// probe returns once a notification has come back to us: what is sent from now on arrives.
func (l *listener) probe(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNotHeard)
	defer cancel()
	p := &sentProbe{token: rand.Text(), back: make(chan struct{})}
	l.expected.Store(p)
	for again := probeAgainFirst; ; again = min(2*again, probeAgainMost) {
		err := notify(ctx, l.pool, l.channel, encodeProbe(l.origin, p.token))
		if err != nil && refused(err) {
			return fmt.Errorf("send a notification to ourselves: %w", err)
		}
		select {
		case <-p.back:
			return nil
		case <-time.After(again):
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("send a notification to ourselves: %w", err)
			}
			return context.Cause(ctx)
		}
	}
}
