package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// bare is LISTEN and NOTIFY through the driver, with nothing around.
type bare struct {
	pool     *sql.DB
	listener *pgdriver.Listener
	channel  string
}

func newBare(b *testing.B, server *pgtest.Server) bare {
	b.Helper()
	pool := server.DB(b)
	x := bare{pool: pool, listener: pgdriver.NewListener(bun.NewDB(pool, pgdialect.New())), channel: unique()}
	require.NoError(b, x.listener.Listen(b.Context(), x.channel))
	b.Cleanup(func() { require.NoError(b, x.listener.Close()) })
	for heard := false; !heard; { // LISTEN may come into force after the first
		x.notify(b.Context())
		_, _, err := x.listener.ReceiveTimeout(b.Context(), time.Second)
		heard = err == nil
	}
	return x
}

const barePayload = "workspace/0198c0de-0000-7000-8000-000000000000"

func (x bare) notify(ctx context.Context) {
	if _, err := x.pool.ExecContext(ctx, "SELECT pg_notify($1, $2)", x.channel, barePayload); err != nil {
		panic(err)
	}
}

// BenchmarkLatency publishes a hint in one process and waits until another has it. x/bare is its time in relation to that of
// a bare pg_notify and its receipt, in the same run on the same server.
func BenchmarkLatency(b *testing.B) {
	server, channel := pgtest.Start(b, pgtest.Options{Durable: true}), unique()
	from, to := open(b, Config{DSN: server.DSN(), Channel: channel}), open(b, Config{DSN: server.DSN(), Channel: channel})
	sub := subscribe(b, to, barePayload)
	x := newBare(b, server)
	ctx := b.Context()
	revision := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		revision++
		_ = publish(ctx, from, hint(barePayload, revision))
		for h, err := sub.Next(ctx); err == nil && h.Revision < revision; h, err = sub.Next(ctx) {
		}
	}
	took := b.Elapsed()
	begin := time.Now()
	for range b.N {
		x.notify(ctx)
		_, _, _ = x.listener.Receive(ctx)
	}
	b.ReportMetric(float64(took)/float64(time.Since(begin)), "x/bare")
}

// BenchmarkThroughput publishes hints of different topics by many callers until another process has them all. x/bare is the
// rate in relation to that of as many callers who call pg_notify each, through a pool of as many connections.
func BenchmarkThroughput(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Durable: true})
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			channel := unique()
			from, to := open(b, Config{DSN: server.DSN(), Channel: channel}), open(b, Config{DSN: server.DSN(), Channel: channel})
			topics := make([]stacksync.Topic, callers)
			for i := range topics {
				topics[i] = stacksync.Topic(fmt.Sprint(barePayload, i))
			}
			sub := subscribe(b, to, topics...)
			x := newBare(b, server)
			x.pool.SetMaxOpenConns(callers)
			x.pool.SetMaxIdleConns(callers)
			ctx := b.Context()

			b.ReportAllocs()
			b.ResetTimer()
			spread(callers, b.N, func(caller int, i int64) { _ = publish(ctx, from, hint(topics[caller], i)) })
			_ = publish(ctx, from, hint(topics[0], int64(b.N)+1))
			for h, err := sub.Next(ctx); err == nil && h.Revision <= int64(b.N); h, err = sub.Next(ctx) {
			}
			took := b.Elapsed()
			b.StopTimer()

			begin := time.Now()
			received := make(chan struct{})
			go func() {
				defer close(received)
				for range b.N {
					_, _, _ = x.listener.Receive(ctx)
				}
			}()
			spread(callers, b.N, func(int, int64) { x.notify(ctx) })
			<-received
			b.ReportMetric(float64(b.N)/took.Seconds(), "hints/s")
			b.ReportMetric(float64(time.Since(begin))/float64(took), "x/bare")
		})
	}
}

// spread has n calls, numbered from 1, made by some callers at once.
func spread(callers, n int, call func(caller int, i int64)) {
	var next atomic.Int64
	done := make(chan struct{})
	for caller := range callers {
		go func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				call(caller, i)
			}
			done <- struct{}{}
		}()
	}
	for range callers {
		<-done
	}
}
