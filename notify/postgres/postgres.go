// Package postgres is a stacksync.Notifier between processes that share a PostgreSQL database, by its LISTEN and NOTIFY.
//
// A published hint reaches the subscriptions of its own process at once, in memory, and those of other processes through
// the database: a round trip and a commit of nothing on the publisher's side, and a message that the server pushes. A
// process has one connection that listens, however many subscriptions; hints are sent through a pool.
//
// When the connection that listens is lost, the notifier connects again, with growing pauses of up to some seconds. Once a
// notification to itself has come back, so that nothing is missed any more, it gives every subscription a gap hint for
// each of its topics. The driver, too, writes a line on a lost connection, to pgdriver.Logger.
//
// PostgreSQL delivers notifications when their transaction commits, and such commits take turns behind one lock for the
// whole server, not one for a database. That is why hints are never sent inside the transaction of a commit, but after it, on
// their own; what is published while a statement runs is merged by topic and goes with the next one, up to about a hundred hints
// in one notification. So the number of statements grows with the number of processes that publish, rather than with what they publish.
// Every notification goes to every process, which is the limit to the number of processes: at thousands of notifications a
// second between dozens of processes, a broker is the better notifier. Any connection that listens, to whatever, and
// stays in one transaction keeps the server's queue of notifications (8 GB) from being emptied.
//
// LISTEN needs a connection of its own to the primary server. Through a pooler in transaction mode (PgBouncer) it does not
// work, and New says so by failing.
package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/internal/fanout"
)

var errClosed = fmt.Errorf("postgres notifier: %w", stacksync.ErrClosed)

// Notifier carries hints between the processes that use one channel of one database. Make one with New. Its methods may be
// called from many goroutines.
type Notifier struct {
	hub      *fanout.Hub
	database database
	outbox   *outbox
	end      context.CancelFunc // ends the listener and what is being sent

	listening sync.WaitGroup
	closing   sync.Once
}

var _ stacksync.Notifier = (*Notifier)(nil)

// Open connects and returns a notifier that listens: it hears all that others publish from now on. It fails when ctx ends
// first, and when the server can't be reached or does not answer within some seconds.
func Open(ctx context.Context, config Config) (*Notifier, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("postgres notifier: %w", err)
	}
	db, err := openDatabase(config)
	if err != nil {
		return nil, fmt.Errorf("postgres notifier: %w", err)
	}
	life, end := context.WithCancel(context.Background())
	origin := rand.Text()
	n := &Notifier{
		hub:      fanout.New(errClosed),
		database: db,
		outbox:   &outbox{ctx: life, pool: db.pool, channel: config.Channel, origin: origin},
		end:      end,
	}
	l := &listener{
		db: db.listener, pool: db.pool, prepare: db.stayConnected, channel: config.Channel, origin: origin, ping: config.PingInterval, log: config.Logger,
		heard:   func(hints []stacksync.Notification) { _ = n.hub.Publish(hints) }, // after Close nobody is there
		resumed: n.hub.Gap,
		begin:   time.Now(),
	}
	first := make(chan error, 1)
	n.listening.Go(func() { l.run(life, first) })
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = n.Close() // never fails
		return nil, fmt.Errorf("postgres notifier: listen: %w", err)
	}
	return n, nil
}

// Publish puts the hints into all subscriptions of this process, and hands them to the server for those of others. It
// returns once the server has them, in one round trip unless the notifier is busy with earlier ones. When it fails, the
// subscriptions of this process have them all the same; others have some, all or none. The errors are ctx's, which does not
// take back the hints; a *FieldError, if a topic is longer than fits into a notification (thousands of bytes): then
// nothing was published; ErrClosed; and whatever is wrong between here and the server, which it tries for at most 5
// seconds.
func (n *Notifier) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	if err := checkTopics(p.Notifications); err != nil {
		return stacksync.PublishResult{}, err
	}
	if err := n.hub.Publish(p.Notifications); err != nil || len(p.Notifications) == 0 {
		return stacksync.PublishResult{}, err
	}
	return stacksync.PublishResult{}, n.outbox.send(ctx, p.Notifications)
}

// Subscribe returns a subscription that gets all hints published from now on, in turn by topic: a busy one never starves
// another. It waits for nothing: the notifier listens already, and if its connection happens to be lost, the gap hint that
// follows is for this subscription too. The errors are a *FieldError when there is no topic, and ErrClosed.
func (n *Notifier) Subscribe(_ context.Context, p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	return n.hub.Subscribe(p)
}

// Close ends all subscriptions, the connections that the notifier made, and what is being published, which fails with
// ErrClosed. It waits for nobody, but for a connection that a host's DB or Bun is just making: its server has 5 seconds to
// answer. The error is always nil.
func (n *Notifier) Close() error {
	n.closing.Do(func() {
		n.hub.Close()
		n.end()
		n.outbox.close()
		n.listening.Wait()
		n.database.close()
	})
	return nil
}
