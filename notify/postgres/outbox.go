package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
)

// sendTimeout bounds the sending of one batch. Tests have a longer one.
var sendTimeout = 5 * time.Second

// sendAttempts is how often a batch is tried. A pool may hold connections that a server has dropped, which shows only
// when they are used; a hint that was sent twice does no harm.
const sendAttempts = 3

// outbox sends hints, one statement at a time: what is published meanwhile is merged by topic and goes with the next.
// PostgreSQL commits notifications one after the other in any case. Its goroutine lives only while there is something to
// send.
type outbox struct {
	ctx     context.Context // ends with the notifier
	pool    *sql.DB
	channel string
	origin  string

	mu      sync.Mutex
	next    *batch // gathers what goes next; nil if there is nothing
	running bool
	closed  bool
	wg      sync.WaitGroup
}

// batch is what one statement sends.
type batch struct {
	hints map[stacksync.Topic]stacksync.Notification
	sent  chan struct{} // closed when err is final
	err   error
}

// send returns when the hints are handed over. When ctx ends first they are sent nevertheless.
func (o *outbox) send(ctx context.Context, hints []stacksync.Notification) error {
	b := o.gather(hints)
	if b == nil {
		return errClosed
	}
	select {
	case <-b.sent:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("postgres notifier: publish: %w", ctx.Err())
	}
}

// gather returns the batch that the hints go with, or nil if the outbox is closed.
func (o *outbox) gather(hints []stacksync.Notification) *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	b := o.next
	if b == nil {
		b = &batch{hints: make(map[stacksync.Topic]stacksync.Notification, len(hints)), sent: make(chan struct{})}
		o.next = b
	}
	for _, hint := range hints {
		if was, ok := b.hints[hint.Topic]; ok {
			hint = was.Merge(hint)
		}
		b.hints[hint.Topic] = hint
	}
	if !o.running {
		o.running = true
		o.wg.Go(o.run)
	}
	return b
}

func (o *outbox) run() {
	for {
		o.mu.Lock()
		b := o.next
		o.next = nil
		o.running = b != nil
		o.mu.Unlock()
		if b == nil {
			return
		}
		hints := make([]stacksync.Notification, 0, len(b.hints))
		for _, hint := range b.hints {
			hints = append(hints, hint)
		}
		if err := o.notify(encodeHints(o.origin, hints)); err != nil {
			b.err = fmt.Errorf("postgres notifier: publish: %w", err)
		}
		close(b.sent)
	}
}

func (o *outbox) notify(payloads []string) error {
	ctx, cancel := context.WithTimeoutCause(o.ctx, sendTimeout, errTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := notify(ctx, o.pool, o.channel, payloads...)
		switch {
		case err == nil:
			return nil
		case o.ctx.Err() != nil:
			return stacksync.ErrClosed
		case attempt == sendAttempts || ctx.Err() != nil || refused(err):
			return err
		}
	}
}

// close waits until nothing is sent any more. The context must have ended.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.wg.Wait()
}

// notify sends payloads in one round trip. They need no quoting: see payload. The names are qualified, as the search path is the role's.
func notify(ctx context.Context, pool *sql.DB, channel string, payloads ...string) error {
	return exec(ctx, pool, "SELECT pg_catalog.pg_notify($1, p) FROM pg_catalog.unnest($2::text[]) p", channel, `{"`+strings.Join(payloads, `","`)+`"}`)
}

// refused tells whether the server has answered, and said no. Otherwise another connection may do better.
func refused(err error) bool {
	answer, ok := errors.AsType[pgdriver.Error](err)
	severity := answer.Field('V')
	return ok && severity != "FATAL" && severity != "PANIC" // those end the connection
}
