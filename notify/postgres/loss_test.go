package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// TestNoHintIsLost cuts the subscriber's connections 20 times while another process publishes, under each topic once.
// Each topic must show its hint, or a gap that was read after its publishing began.
func TestNoHintIsLost(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	publisher, subscriber := open(t, Config{DSN: server.DSN(), Channel: channel}), open(t, Config{DSN: proxy.DSN(), Channel: channel})

	const cuts, most = 20, 20_000
	topics := make([]stacksync.Topic, most)
	index := map[stacksync.Topic]int{}
	for i := range topics {
		topics[i] = stacksync.Topic(fmt.Sprint("topic ", i))
		index[topics[i]] = i
	}
	sub, cut := subscribe(t, subscriber, topics...), subscribe(t, subscriber, "cut")

	var begun atomic.Int64
	enough := make(chan struct{})
	published := make(chan error, 1)
	go func() {
		pace := time.NewTicker(500 * time.Microsecond)
		defer pace.Stop()
		for i, topic := range topics {
			begun.Store(int64(i + 1))
			if err := publish(t.Context(), publisher, stacksync.Notification{Topic: topic, Revision: 1}); err != nil {
				published <- err
				return
			}
			select {
			case <-pace.C:
			case <-enough:
				published <- nil
				return
			}
		}
		published <- nil
	}()
	told := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var missing, hints, gaps atomic.Int64
	missing.Store(most)
	go func() {
		seen := make([]bool, most)
		for {
			hint, err := sub.Next(ctx)
			if err != nil {
				told <- err
				return
			}
			i := index[hint.Topic]
			switch {
			case hint.Revision == 1:
				hints.Add(1)
			case hint.Gap && int64(i) < begun.Load():
				gaps.Add(1)
			default:
				continue
			}
			if !seen[i] {
				seen[i] = true
				missing.Add(-1)
			}
		}
	}()

	for range cuts {
		proxy.CutAll()
		awaitGap(t, cut)
	}
	close(enough)
	require.NoError(t, <-published)
	total := begun.Load()
	require.Eventually(t, func() bool { return missing.Load() == most-total }, patience, time.Millisecond,
		"of %d hints some reached the subscriber neither as hint nor as gap", total)
	cancel()
	require.ErrorIs(t, <-told, context.Canceled)
	assert.Positive(t, hints.Load())
	t.Logf("%d hints published, %d came, and %d gaps after", total, hints.Load(), gaps.Load())
}

func TestServerRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	here, there := open(t, Config{DSN: server.DSN()}), open(t, Config{DSN: server.DSN()})
	subHere, subThere := subscribe(t, here, "a"), subscribe(t, there, "a")
	require.NoError(t, publish(t.Context(), here, hint("a", 1)))
	for range 3 {
		server.Restart(t)
		awaitGap(t, subHere)
		awaitGap(t, subThere)
		for _, n := range []*Notifier{here, there} { // the pools hold dead connections
			require.NoError(t, publish(t.Context(), n, hint("a", 2)))
			assert.Equal(t, int64(2), next(t, subHere).Revision)
			assert.Equal(t, int64(2), next(t, subThere).Revision)
		}
	}
}

func TestHalfOpenConnectionIsFound(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	log := newLogged(slog.LevelInfo)
	n := open(t, Config{DSN: proxy.DSN(), Channel: channel, PingInterval: time.Second, Logger: slog.New(log)})
	sub := subscribe(t, n, "a")
	other := open(t, Config{DSN: server.DSN(), Channel: channel})
	for len(log.messages) > 0 { // a ping took too long: it was lost, and is back
		log.await(t)
		log.await(t)
	}
	proxy.Hold()
	require.NoError(t, publish(t.Context(), other, hint("a", 1)))
	assert.Contains(t, log.await(t), "connection lost")
	late := subscribe(t, n, "a")
	proxy.Release()
	awaitGap(t, sub)
	awaitGap(t, late)
	assert.Contains(t, log.await(t), "listening again")
}

// A connection that is checked, and sound, stays.
func TestQuietConnectionIsKept(t *testing.T) {
	t.Parallel()
	server, name := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	log := newLogged(slog.LevelDebug)
	open(t, Config{DSN: named(t, proxy.DSN(), name), Channel: unique(), PingInterval: 5 * time.Second, Logger: slog.New(log)})
	before := server.Query(t, "SELECT pid FROM pg_stat_activity WHERE "+listening(name))
	trips := proxy.Trips()
	require.Eventually(t, func() bool { return proxy.Trips() >= trips+2 }, patience, 10*time.Millisecond, "it is not checked")
	assert.Equal(t, before, server.Query(t, "SELECT pid FROM pg_stat_activity WHERE "+listening(name)))
	assert.Empty(t, log.messages)
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	const secret = "hunter2"
	dsn, log := strings.Replace(server.DSN(), "@", ":"+secret+"@", 1), newLogged(slog.LevelDebug)
	require.Contains(t, dsn, secret)
	n := open(t, Config{DSN: dsn, Logger: slog.New(log)})
	sub := subscribe(t, n, "a")
	server.Kill(t)
	publishErr := publish(t.Context(), n, hint("a", 1))
	require.Error(t, publishErr)
	assert.Equal(t, int64(1), next(t, sub).Revision, "the hint is told in this process all the same")

	_, err := Open(t.Context(), Config{DSN: dsn})
	require.Error(t, err, "nobody answers")
	for _, text := range []string{publishErr.Error(), err.Error(), log.await(t), log.await(t), log.await(t)} {
		assert.NotContains(t, text, secret)
	}
	closePromptly(t, n)
}

// promptly is below every timeout of the tests' notifiers, of which the driver's own 10 seconds are the shortest, and far above
// what closing takes.
const promptly = 8 * time.Second

func closePromptly(t *testing.T, n *Notifier) {
	t.Helper()
	begin := time.Now()
	require.NoError(t, n.Close())
	assert.Less(t, time.Since(begin), promptly)
}

// The server does not answer any more: neither what is being sent, nor the next connection.
func TestCloseWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Shared(t))
	log := newLogged(slog.LevelInfo)
	n := open(t, Config{DSN: proxy.DSN(), Channel: unique(), PingInterval: 50 * time.Millisecond, Logger: slog.New(log)})
	proxy.Hold()
	assert.Contains(t, log.await(t), "connection lost")
	closeWhilePublishing(t, n)
}

// The driver would replace the lost connection by itself, and wait for it.
func TestLossIsNoticedWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Shared(t))
	log := newLogged(slog.LevelInfo)
	n := open(t, Config{DSN: proxy.DSN(), Channel: unique(), Logger: slog.New(log)})
	proxy.Hold()
	begin := time.Now()
	proxy.CutAll()
	assert.Contains(t, log.await(t), "connection lost")
	assert.Less(t, time.Since(begin), promptly)
	closePromptly(t, n)
}

// The statement that is being sent is given up on a host's connection too.
func TestCloseWhileNobodyAnswersTheHost(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Shared(t))
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(proxy.DSN())))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	n := open(t, Config{DB: db, Channel: unique()})
	proxy.Hold()
	closeWhilePublishing(t, n)
	proxy.Release()
	require.NoError(t, db.PingContext(t.Context()), "the pool has not kept the connection")
}

func closeWhilePublishing(t *testing.T, n *Notifier) {
	t.Helper()
	published := make(chan error, 1)
	go func() { published <- publish(context.Background(), n, hint("a", 1)) }()
	awaitSending(t, n)
	closePromptly(t, n)
	require.ErrorIs(t, <-published, stacksync.ErrClosed)
	closePromptly(t, n)
}

// awaitSending waits until a batch is being sent, and the next is empty.
func awaitSending(t *testing.T, n *Notifier) {
	t.Helper()
	require.Eventually(t, func() bool {
		n.outbox.mu.Lock()
		defer n.outbox.mu.Unlock()
		return n.outbox.running && n.outbox.next == nil
	}, patience, time.Millisecond, "nothing is being sent")
}

func TestNewEndsWithItsContext(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Shared(t))
	proxy.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Open(ctx, Config{DSN: proxy.DSN()})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(begin), promptly)
}

func TestPublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	n, other := open(t, Config{DSN: proxy.DSN(), Channel: channel}), open(t, Config{DSN: server.DSN(), Channel: channel})
	here, there := subscribe(t, n, "a"), subscribe(t, other, "a")
	proxy.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan error, 1)
	go func() { published <- publish(ctx, n, hint("a", 1)) }()
	assert.Equal(t, int64(1), next(t, here).Revision)
	cancel()
	require.ErrorIs(t, <-published, context.Canceled, "Publish goes on without its context")
	proxy.Release()
	assert.Equal(t, int64(1), next(t, there).Revision, "what is committed is worth telling")
}
