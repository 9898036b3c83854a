package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
	"github.com/stacksync/stacksync-go/metastore/postgres"
	notify "github.com/stacksync/stacksync-go/notify/postgres"
	"github.com/stacksync/stacksync-go/service"
)

// hintsOrder is the environment variable that makes the test's binary a child that dies rather than send its hints: an order as JSON.
const hintsOrder = "STACKSYNC_HINTS_ORDER"

const (
	hintsPatience = time.Minute // until a child has died, and until followers have learned of it
	hintsInterval = 20 * time.Millisecond
)

// order says what a child undertakes to tell followers, before it dies.
type order struct {
	DSN, Schema   string
	RelayInterval time.Duration
	Hints         []owedHint
	Relay         bool // the hints are owed already, and the child claims them; else it commits, to all workspaces in one transaction
}

type owedHint struct {
	User      stacksync.UserID
	Device    stacksync.DeviceID
	Workspace stacksync.WorkspaceID
	Item      stacksync.ItemID
}

// hintsChild carries out an order, in the course of which the process is killed.
func hintsChild(text string) {
	fmt.Fprintln(os.Stderr, obey(text))
	os.Exit(1)
}

// obey returns only if it fails to get its process killed.
func obey(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), hintsPatience)
	defer cancel()
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	pg, err := postgres.Open(ctx, postgres.Config{DSN: o.DSN, Schema: o.Schema, MaxConns: 2})
	if err != nil {
		return err
	}
	will := &lastWill{unsent: make(map[stacksync.Topic]bool)}
	requests := make([]stacksync.CommitRequest, len(o.Hints))
	for i, h := range o.Hints {
		will.unsent[stacksync.WorkspaceTopic(h.Workspace)] = true
		requests[i] = stacksync.CommitRequest{Actor: stacksync.Actor{User: h.User, Device: h.Device}, Workspace: h.Workspace,
			Proposals: []stacksync.Proposal{{Item: h.Item, Version: 1, Name: h.Item.String(), Kind: stacksync.Folder}}}
	}
	store := metastoretest.Faulty(pg, func(at metastoretest.Point) error {
		if at == metastoretest.AtClaim && !o.Relay {
			return errFault // one that is to die of its commit claims nothing of others
		}
		return nil
	})
	svc, err := service.New(store, service.Config{Notifier: will, RelayInterval: o.RelayInterval})
	if err != nil {
		return err
	}
	if !o.Relay {
		results, errs := svc.CommitTogether(ctx, requests)
		for _, res := range results {
			for _, out := range res.Outcomes {
				errs = append(errs, out.Err)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return errors.New("survived")
}

// lastWill is a notifier that prints hints instead of sending them, and kills its process when it has seen all that it waits for.
type lastWill struct {
	stacksync.Notifier
	unsent map[stacksync.Topic]bool
}

func (l *lastWill) Publish(_ context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	for _, n := range p.Notifications {
		fmt.Println(n.Topic, n.Revision)
		delete(l.unsent, n.Topic)
	}
	if len(l.unsent) > 0 { // a busy store has the commits made apart
		return stacksync.PublishResult{}, errBroker
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return stacksync.PublishResult{}, err
	}
	select {} // the signal may take a moment
}

// dies has a child carry out an order, and returns the revisions of the hints that it was about to send when it was killed.
func (o order) dies(ctx context.Context, t *testing.T) map[stacksync.Topic]int64 {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), hintsOrder+"="+string(text))
	printed, err := cmd.Output()
	require.NoError(t, ctx.Err(), "the child took too long")
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", exit.Stderr)
	unsent := make(map[stacksync.Topic]int64)
	for line := range strings.Lines(string(printed)) {
		var topic stacksync.Topic
		var revision int64
		_, err := fmt.Sscan(line, &topic, &revision)
		require.NoError(t, err, "%q", line)
		unsent[topic] = revision
	}
	return unsent
}

// newNode is a service with a store and a notifier of its own, as another process has. Its followers never poll.
func newNode(t *testing.T, config postgres.Config, relayInterval time.Duration) *world {
	t.Helper()
	store := openPostgres(t, config)
	notifier, err := notify.Open(t.Context(), notify.Config{DSN: config.DSN, Channel: config.Schema})
	require.NoError(t, err)
	svc, err := service.New(store, service.Config{Notifier: hintsOnly{notifier}, PollInterval: time.Hour, RelayInterval: relayInterval})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		require.NoError(t, notifier.Close())
		require.NoError(t, store.Close())
	})
	return &world{TB: t, svc: svc, store: store}
}

// hintsOnly keeps from followers what else would wake them, and so make up for a hint that is missing: hints about users, from when they
// were made. After a gap the test could prove nothing, so it ends them.
type hintsOnly struct{ stacksync.Notifier }

func (n hintsOnly) Subscribe(ctx context.Context, p stacksync.SubscribeParams) (stacksync.Subscription, error) {
	sub, err := n.Notifier.Subscribe(ctx, p)
	return hintsOnlySubscription{sub}, err
}

type hintsOnlySubscription struct{ stacksync.Subscription }

func (s hintsOnlySubscription) Next(ctx context.Context) (stacksync.Notification, error) {
	for {
		note, err := s.Subscription.Next(ctx)
		switch {
		case err == nil && note.Gap:
			return stacksync.Notification{}, errors.New("the notifier has lost its connection")
		case err != nil || strings.HasPrefix(string(note.Topic), "workspace/"):
			return note, err
		}
	}
}

// watched is a workspace with a follower on each node, which waits for hints.
type watched struct {
	*world    // as its owner sees it
	followers []*following
	revision  int64
}

func watch(t *testing.T, name string, nodes ...*world) *watched {
	t.Helper()
	actor, ws := nodes[0].join(stacksync.UserID(name))
	w := &watched{}
	for _, node := range nodes {
		at := *node
		at.actor, at.ws = actor, ws
		f := at.follow(actor, "")
		require.Empty(t, f.next(t).Items)
		w.world, w.followers = &at, append(w.followers, f)
	}
	return w
}

// undertake orders a hint for each workspace, and returns the hints.
func (o *order) undertake(workspaces ...*watched) map[stacksync.Topic]int64 {
	unsent := make(map[stacksync.Topic]int64)
	for _, w := range workspaces {
		w.revision++
		unsent[stacksync.WorkspaceTopic(w.ws)] = w.revision
		o.Hints = append(o.Hints, owedHint{w.actor.User, w.actor.Device, w.ws, newID()})
	}
	return unsent
}

// requireSeen waits until each follower has seen the change that it was not told of at first, and nothing else.
func (w *watched) requireSeen(ctx context.Context, t *testing.T, item stacksync.ItemID) {
	t.Helper()
	for _, f := range w.followers {
		select {
		case page := <-f.pages:
			require.Len(t, page.Items, 1)
			require.Equal(t, item, page.Items[0].ID)
			require.Equal(t, w.revision, page.Revision)
		case err := <-f.err:
			require.NoError(t, err, "follow ended")
		case <-ctx.Done():
			require.NoError(t, ctx.Err(), "nobody has told the followers of revision %d", w.revision)
		}
	}
}

// TestHintsSurviveKills kills processes between a commit and its hint. The relays of other processes tell the followers, which have
// nothing else to go by.
func TestHintsSurviveKills(t *testing.T) {
	t.Parallel()
	// Lanes kill beside each other. Their workspaces are so many that most owe nothing when they are committed to, and some still do.
	const lanes, workspaces = 5, 10
	kills := testsize.Of(1, 5) // of a lane, with one relay and with two
	for processes := 1; processes <= 2; processes++ {
		t.Run(fmt.Sprint("relays: ", processes), func(t *testing.T) {
			t.Parallel()
			server := pgtest.Shared(t)
			config := postgres.Config{DSN: server.DSN(), Schema: server.Schema(t)}
			var nodes []*world
			for range processes {
				nodes = append(nodes, newNode(t, config, hintsInterval))
			}
			for lane := range lanes {
				var all []*watched
				for i := range workspaces {
					all = append(all, watch(t, fmt.Sprintf("user %d of lane %d", i, lane), nodes...))
				}
				t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
					t.Parallel()
					for range kills {
						killCommitter(t, config, all)
					}
				})
			}
		})
	}
}

// killCommitter kills one that has committed to some of the workspaces, and waits until their followers know.
func killCommitter(t *testing.T, config postgres.Config, workspaces []*watched) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hintsPatience)
	defer cancel()
	rand.Shuffle(len(workspaces), func(i, j int) { workspaces[i], workspaces[j] = workspaces[j], workspaces[i] })
	some := workspaces[:1]
	if rand.IntN(2) == 0 {
		some = workspaces[:2+rand.IntN(3)]
	}
	o := order{DSN: config.DSN, Schema: config.Schema, RelayInterval: hintsInterval}
	unsent := o.undertake(some...)
	require.Equal(t, unsent, o.dies(ctx, t))
	for i, w := range some {
		w.requireSeen(ctx, t, o.Hints[i].Item)
	}
}

// A relay that is killed between its claim and the hints leaves them to others too, once its claim has run out.
func TestHintsSurviveKilledRelays(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	config := postgres.Config{DSN: server.DSN(), Schema: server.Schema(t)}
	bystander := newNode(t, config, time.Hour) // which does not relay
	var all []*watched
	for i := range 3 {
		all = append(all, watch(t, fmt.Sprint("user ", i), bystander))
	}
	ctx, cancel := context.WithTimeout(t.Context(), hintsPatience)
	defer cancel()

	o := order{DSN: config.DSN, Schema: config.Schema, RelayInterval: hintsInterval}
	unsent := o.undertake(all...)
	require.Equal(t, unsent, o.dies(ctx, t))
	due := all[0].workspace().HintDue
	o.Relay, o.RelayInterval = true, 250*time.Millisecond
	for range 2 {
		require.Equal(t, unsent, o.dies(ctx, t))
		claimed := all[0].workspace().HintDue
		require.GreaterOrEqual(t, claimed.Sub(due), 2*o.RelayInterval, "claimed when it was due, and for two intervals")
		due = claimed
	}
	newNode(t, config, hintsInterval)
	for i, w := range all {
		w.requireSeen(ctx, t, o.Hints[i].Item)
		require.False(t, time.Now().Before(due), "while it was claimed")
	}
}
