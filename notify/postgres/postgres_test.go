package postgres

import (
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

func hint(topic stacksync.Topic, revision int64) stacksync.Notification {
	return stacksync.Notification{Topic: topic, Revision: revision}
}

// A host's pool of one connection is enough, and stays the host's.
func TestHostsPool(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	pool := func() *sql.DB {
		db := server.DB(t)
		db.SetMaxOpenConns(1)
		return db
	}
	first, second := pool(), pool()
	byName, err := sql.Open("pg", server.DSN())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, byName.Close()) })
	for i, c := range []Config{{DB: first}, {Bun: bun.NewDB(second, pgdialect.New())}, {DB: byName}} {
		c.Channel = channel
		n, other := open(t, c), open(t, Config{DSN: server.DSN(), Channel: channel})
		here, there := subscribe(t, n, "a"), subscribe(t, other, "a")
		revision := int64(10 * i)
		require.NoError(t, publish(t.Context(), n, hint("a", revision+1)))
		assert.Equal(t, hint("a", revision+1), next(t, there))
		assert.Equal(t, hint("a", revision+1), next(t, here))
		require.NoError(t, publish(t.Context(), other, hint("a", revision+2)))
		assert.Equal(t, hint("a", revision+2), next(t, here))
		closePromptly(t, n)
	}
	for _, db := range []*sql.DB{first, second, byName} {
		require.NoError(t, db.PingContext(t.Context()), "the pool is not ours to close")
	}
}

func TestOneConnectionListensForAll(t *testing.T) {
	t.Parallel()
	server, name := pgtest.Shared(t), unique()
	n := open(t, Config{DSN: named(t, server.DSN(), name), Channel: unique()})
	subs := make([]stacksync.Subscription, 1000)
	for i := range subs {
		subs[i] = subscribe(t, n, stacksync.Topic(fmt.Sprint("topic ", i)), "everybody's")
	}
	require.NoError(t, publish(t.Context(), n, hint("everybody's", 1)))
	for _, sub := range subs {
		require.Equal(t, hint("everybody's", 1), next(t, sub))
	}
	count := server.Query(t, "SELECT count(*) FILTER (WHERE query LIKE 'LISTEN %'), count(*) <= 3 FROM pg_stat_activity WHERE application_name = '"+name+"'")
	assert.Equal(t, [][]string{{"1", "true"}}, count)
}

func TestPublishIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	proxy := pgtest.NewProxy(t, server)
	n, other := open(t, Config{DSN: proxy.DSN(), Channel: channel}), open(t, Config{DSN: server.DSN(), Channel: channel})
	hints := make([]stacksync.Notification, 2000)
	topics := make([]stacksync.Topic, len(hints))
	for i := range hints {
		hints[i] = hint(stacksync.UserTopic(stacksync.UserID(fmt.Sprint(strings.Repeat("本", 80), i))), int64(i+1))
		topics[i] = hints[i].Topic
	}
	require.Greater(t, len(encodeHints(n.outbox.origin, hints)), 100, "payloads")
	sub := subscribe(t, other, topics...)
	before := proxy.Trips()
	require.NoError(t, publish(t.Context(), n, hints...))
	assert.Equal(t, before+1, proxy.Trips())
	received := make([]stacksync.Notification, len(hints))
	for i := range received {
		received[i] = next(t, sub)
	}
	assert.ElementsMatch(t, hints, received)
}

// The driver's buffer is smaller than a notification may be, unless the driver sees to it.
func TestLongestTopic(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	n, other := open(t, Config{DSN: server.DSN(), Channel: channel}), open(t, Config{DB: server.DB(t), Channel: channel})
	topic := stacksync.Topic(strings.Repeat("x", maxTopic))
	here, there := subscribe(t, n, topic), subscribe(t, other, topic)
	require.NoError(t, publish(t.Context(), n, hint(topic, 1)))
	assert.Equal(t, hint(topic, 1), next(t, there))
	assert.Equal(t, hint(topic, 1), next(t, here))
	require.NoError(t, publish(t.Context(), other, hint(topic, 2)))
	assert.Equal(t, hint(topic, 2), next(t, here))

	require.ErrorIs(t, publish(t.Context(), n, hint("short", 1), hint(topic+"x", 1)), stacksync.ErrInvalid)
}

func TestFullPayloadArrives(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	n := open(t, Config{DSN: server.DSN(), Channel: channel})
	sub := subscribe(t, n, "a")
	payload := format + " elsewhere " + kindHints + " 7:a"
	payload += " 1:" + strings.Repeat("x", maxPayload-len(payload)-len(" 1:"))
	require.Len(t, payload, maxPayload)
	server.Exec(t, "SELECT pg_notify($1, $2)", channel, payload)
	assert.Equal(t, hint("a", 7), next(t, sub))
}

func TestStrangersOnTheChannel(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	log := newLogged(slog.LevelDebug)
	n := open(t, Config{DSN: server.DSN(), Channel: channel, Logger: slog.New(log)})
	other := open(t, Config{DSN: server.DSN(), Channel: channel})
	sub := subscribe(t, n, "a")
	for _, payload := range append(strangePayloads, strings.Repeat("x", maxPayload), encodeProbe("elsewhere", "T"), encodeProbe(n.outbox.origin, "T")) {
		server.Exec(t, "SELECT pg_notify($1, $2)", channel, payload)
	}
	require.NoError(t, publish(t.Context(), other, hint("a", 1)))
	assert.Equal(t, hint("a", 1), next(t, sub), "and no gap: the connection is the same")
	assert.Contains(t, log.await(t), "somebody else uses the channel")
	assert.Empty(t, log.messages, "once is enough")
}

func TestChannelsAreApart(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	channel := unique()
	n, other := open(t, Config{DSN: server.DSN(), Channel: channel}), open(t, Config{DSN: server.DSN(), Channel: strings.ToLower(channel)})
	same := open(t, Config{DSN: server.DSN(), Channel: channel})
	sub, apart := subscribe(t, same, "a"), subscribe(t, other, "a")
	require.NoError(t, publish(t.Context(), n, hint("a", 1)))
	assert.Equal(t, hint("a", 1), next(t, sub))
	require.NoError(t, publish(t.Context(), other, hint("a", 2)))
	assert.Equal(t, hint("a", 2), next(t, apart))
}

func TestHostsBufferMayBeSmall(t *testing.T) {
	t.Parallel()
	server, channel := pgtest.Shared(t), unique()
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(server.DSN()), pgdriver.WithBufferSize(1024)))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	n, other := open(t, Config{DB: db, Channel: channel}), open(t, Config{DSN: server.DSN(), Channel: channel})
	topic := stacksync.Topic(strings.Repeat("x", maxTopic))
	sub := subscribe(t, n, topic)
	require.NoError(t, publish(t.Context(), other, hint(topic, 1)))
	assert.Equal(t, hint(topic, 1), next(t, sub))
}
