package postgres

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/internal/sqlstore"
)

// cutter cuts connections at random messages, and more often at those that commit.
type cutter struct {
	mu   sync.Mutex
	rand *rand.Rand
	cuts map[string]int // by what was cut, and when
	left int
	met  map[int]int  // by writer, the cuts since its commit began
	asks atomic.Int64 // questions for an outcome
	all  atomic.Bool  // every message is cut, but for a COMMIT
}

func newCutter(t *testing.T, cuts int) *cutter {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &cutter{rand: rand.New(rand.NewPCG(seed, 0)), cuts: map[string]int{}, left: cuts, met: map[int]int{}}
}

var actions = map[pgtest.Action]string{
	pgtest.CutBefore: "before", pgtest.CutDuring: "during", pgtest.CutAfter: "after", pgtest.CutAfterReply: "after the reply of",
}

// mostMet is how many cuts a commit meets at most, its own and those of others. It is so far below the attempts of a store that
// the few connections that were cut before it, and that the pool still has, don't use up the rest.
const mostMet = sqlstore.Attempts / 2

// last tells whether a transaction that was not cut so far ends with the message, or with the one that it prepares. Who is cut
// there has to ask for the outcome.
func last(m pgtest.Message) bool {
	sql := m.SQL()
	return strings.HasSuffix(sql, commit) || strings.HasPrefix(sql, "PREPARE ") || strings.HasPrefix(sql, "DEALLOCATE ")
}

func (c *cutter) decide(m pgtest.Message) pgtest.Action {
	if strings.Contains(m.SQL(), "pg_xact_status") {
		c.asks.Add(1)
	}
	if c.all.Load() {
		if last(m) {
			return pgtest.Pass
		}
		return pgtest.CutBefore
	}
	what, often := "other", 0.04
	if strings.HasSuffix(m.SQL(), "; "+commit) {
		what, often = commit, 0.15
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 || c.rand.Float64() > often {
		return pgtest.Pass
	}
	for _, n := range c.met {
		if n == mostMet {
			return pgtest.Pass
		}
	}
	for writer := range c.met {
		c.met[writer]++
	}
	action := []pgtest.Action{pgtest.CutBefore, pgtest.CutDuring, pgtest.CutAfter, pgtest.CutAfterReply}[c.rand.IntN(4)]
	c.left--
	c.cuts[actions[action]+" "+what]++
	return action
}

// done is asked by each writer before each of its commits.
func (c *cutter) done(writer int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.met[writer] = 0
	return c.left == 0
}

// TestCutConnections cuts connections many times under concurrent commits. No cut reaches a caller: what was not saved is run
// again, and what was is found out.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	config := fresh(t, server)
	config.DSN = proxy.DSN()
	w := newWorld(t, openStore(t, config))
	cut := newCutter(t, testsize.Of(80, 200))
	proxy.OnMessage(cut.decide)
	j := w.storm(4, cut.done)
	require.NoError(t, errorsOf(j.failed), "errors reached the caller")
	j.check(w)

	t.Logf("%d commits, cuts: %v, %d questions", len(j.saved), cut.cuts, cut.asks.Load())
	for _, when := range actions {
		for _, what := range []string{commit, "other"} {
			require.NotZero(t, cut.cuts[when+" "+what], "cut %s %s", when, what)
		}
	}
	require.GreaterOrEqual(t, cut.asks.Load(), int64(cut.cuts["during "+commit]+cut.cuts["after "+commit]))
}

// Errors that do reach the caller say that nothing was saved.
func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, server)
	config := fresh(t, server)
	config.DSN = proxy.DSN()
	w := newWorld(t, openStore(t, config))
	cut := newCutter(t, 0)
	proxy.OnMessage(cut.decide)
	var calls atomic.Int64
	j := w.storm(2, func(int) bool {
		n := calls.Add(1)
		cut.all.Store(n > 20)
		return n > 21
	})
	cut.all.Store(false)
	require.NotEmpty(t, j.saved)
	require.NotEmpty(t, j.failed)
	for _, f := range j.failed {
		require.NotErrorIs(t, f.err, stacksync.ErrUncertain, "no COMMIT was sent")
	}
	j.check(w)
}

// TestTerminatedConnections lets an administrator end the store's connections.
func TestTerminatedConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := fresh(t, server)
	config.DSN += "&application_name=" + config.Schema
	w := newWorld(t, openStore(t, config))
	var ended atomic.Int64
	j := w.storm(4, func(int) bool {
		return ended.Add(int64(server.Terminate(t, fmt.Sprintf("application_name = '%s' AND random() < 0.5", config.Schema)))) > testsize.Of[int64](20, 50)
	})
	require.NoError(t, errorsOf(j.failed), "errors reached the caller")
	require.NotEmpty(t, j.saved)
	j.check(w)
}

// TestCrashedServer crashes a server under commits, and starts it again. What was acknowledged is there.
func TestCrashedServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	w := newWorld(t, openStore(t, fresh(t, server)))
	var crash sync.Mutex
	var calls, crashes int
	j := w.storm(4, func(int) bool {
		crash.Lock()
		defer crash.Unlock()
		if calls++; calls%testsize.Of(15, 40) == 0 {
			server.Kill(t)
			server.Restart(t)
			crashes++
		}
		return crashes == testsize.Of(2, 4)
	})
	t.Logf("%d saved, %d failed: %v", len(j.saved), len(j.failed), errorsOf(j.failed))
	require.NotEmpty(t, j.saved)
	j.check(w)
}

// A cable is cut while a COMMIT is on its way: the connection is given up in time, and the outcome asked for on another one.
func TestHeldCommit(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	for _, c := range []struct {
		name   string
		until  string // the question that ends the hold
		action pgtest.Action
		runs   []int // one of these
	}{
		{"it arrives late", "pg_xact_status", pgtest.Pass, []int{1, 2}}, // on a slow machine it is ended before it is through
		{"it never arrives", "pg_terminate_backend", pgtest.CutBefore, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newCommitRig(t, server, time.Minute)
			r.watch = c.until
			r.onCommit(func() pgtest.Action {
				select {
				case <-r.asked:
				case <-t.Context().Done():
				}
				return c.action
			})
			runs := 0
			require.NoError(t, r.store.Update(t.Context(), putting(&runs, account(1))))
			require.Contains(t, c.runs, runs)
			require.Len(t, users(t, r.store, "user-1"), 1)
		})
	}
}

// Where the server stays away for longer than the store asks, nobody can tell.
func TestUncertain(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	for name, action := range map[string]pgtest.Action{"saved": pgtest.CutAfter, "not saved": pgtest.CutBefore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newCommitRig(t, server, 50*time.Millisecond)
			r.onCommit(func() pgtest.Action { r.proxy.Refuse(true); return action })
			runs := 0
			err := r.store.Update(t.Context(), putting(&runs, account(1)))
			require.ErrorIs(t, err, stacksync.ErrUncertain)
			require.Equal(t, 1, runs, "what may be saved is not run again")
			r.proxy.Refuse(false)
			require.Equal(t, action == pgtest.CutAfter, len(users(t, r.store, "user-1")) == 1)
		})
	}
}

// After a crash a number may name another transaction: its state says nothing about the one that had it before.
func TestNumberOfAnotherTransaction(t *testing.T) {
	t.Parallel()
	// Nothing but a commit takes numbers to the disk.
	server := pgtest.Start(t, pgtest.Options{Durable: true, Settings: map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "autovacuum": "off"}})
	r := newCommitRig(t, server, time.Minute)
	server.Exec(t, "VACUUM") // so that the transaction finds nothing to prune, which is logged with its number
	killed := make(chan struct{})
	r.onCommit(func() pgtest.Action { // a connection that was cut before would leave the end of its transaction on the disk
		select {
		case <-killed:
		case <-t.Context().Done():
		}
		return pgtest.CutBefore
	})
	saved := make(chan error, 1)
	runs := 0
	update := putting(&runs, account(1))
	go func() { saved <- r.store.Update(t.Context(), update) }()
	<-r.committing
	r.proxy.Refuse(true)
	server.Kill(t)
	close(killed)
	server.Restart(t)
	for range 10 { // others take the numbers
		server.Query(t, "SELECT pg_current_xact_id()")
	}
	r.proxy.Refuse(false)
	err := <-saved
	require.ErrorIs(t, err, stacksync.ErrUncertain)
	require.Empty(t, users(t, r.store, "user-1"))
}

func errorsOf(failed []failure) error {
	errs := make([]error, len(failed))
	for i := range failed {
		errs[i] = failed[i].err
	}
	return errors.Join(errs...)
}
