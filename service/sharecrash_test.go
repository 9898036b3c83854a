package service_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

var errPower = errors.New("power cut")

// power decides about each call of the storage, and about each transaction, before and after it is done.
type power struct {
	mu    sync.Mutex
	calls int
	at    int // the call that fails; 0: none
	mode  powerMode
	off   bool
	hit   string // the call that failed
	armed bool
}

type powerMode string

const (
	cut  powerMode = "process stops before"   // and nothing works any more
	late powerMode = "process stops after"    // what was done is done
	fail powerMode = "call fails"             // once
	lost powerMode = "answer of call is lost" // what was done is done
	// Of transactions alone, whose closures have run to their end:
	back  powerMode = "transaction is rolled back"
	rerun powerMode = "transaction runs again" // after it was rolled back, as stores do after a conflict
)

// update is the name of a call that is a transaction.
const update = "Update"

// do runs a call under the power.
func (p *power) do(name string, f func() error) error {
	return p.strike(name, func(bool) error { return f() })
}

// strike is do for a call that is told whether it is the one that fails.
func (p *power) strike(name string, f func(now bool) error) error {
	p.mu.Lock()
	if p.armed && (name == update || p.mode != back && p.mode != rerun) {
		p.calls++
	}
	now := p.armed && p.calls == p.at
	if now {
		p.hit = name
		p.off = p.mode == cut
	}
	off := p.off
	p.mu.Unlock()
	if off || now && p.mode == fail {
		return errPower
	}
	err := f(now)
	if now && (p.mode == late || p.mode == lost) {
		p.mu.Lock()
		p.off = p.mode == late
		p.mu.Unlock()
		return errors.Join(err, errPower)
	}
	return err
}

// powered is a store on a power.
type powered struct {
	stacksync.MetadataStore
	*power
}

func (s powered) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	return s.strike(update, func(now bool) error {
		if now && (s.mode == back || s.mode == rerun) {
			err := s.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
				return cmp.Or(fn(ctx, tx), errPower)
			})
			if s.mode == back || !errors.Is(err, errPower) {
				return err
			}
		}
		return s.MetadataStore.Update(ctx, fn)
	})
}

func (s powered) View(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
	s.mu.Lock()
	off := s.off
	s.mu.Unlock()
	if off {
		return errPower
	}
	return s.MetadataStore.View(ctx, fn)
}

// plugged is a storage on a power.
type plugged struct {
	*accounts
	*power
	meets *atomic.Pointer[func(names []string) error] // what copying meets before it is done, if set
}

func (s plugged) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (r stacksync.CreateContainerResult, err error) {
	return r, s.do("CreateContainer", func() error { _, err := s.accounts.CreateContainer(ctx, p); return err })
}

func (s plugged) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (r stacksync.DeleteContainerResult, err error) {
	return r, s.do("DeleteContainer", func() error { _, err := s.accounts.DeleteContainer(ctx, p); return err })
}

func (s plugged) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (r stacksync.StatChunksResult, err error) {
	err = s.do("StatChunks", func() (err error) { r, err = s.accounts.StatChunks(ctx, p); return err })
	return r, err
}

func (s plugged) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (r stacksync.CopyChunksResult, err error) {
	if meet := s.meets.Load(); meet != nil {
		if err := (*meet)(p.Names); err != nil {
			return r, err
		}
	}
	return r, s.do("CopyChunks", func() error { _, err := s.accounts.CopyChunks(ctx, p); return err })
}

func (s plugged) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (r stacksync.SetAccessResult, err error) {
	err = s.do("SetAccess", func() (err error) { r, err = s.accounts.SetAccess(ctx, p); return err })
	return r, err
}

func (s plugged) PutAccount(ctx context.Context, p stacksync.PutAccountParams) (r stacksync.PutAccountResult, err error) {
	err = s.do("PutAccount", func() (err error) { r, err = s.accounts.PutAccount(ctx, p); return err })
	return r, err
}

func (s plugged) DeleteAccount(ctx context.Context, p stacksync.DeleteAccountParams) (r stacksync.DeleteAccountResult, err error) {
	return r, s.do("DeleteAccount", func() error { _, err := s.accounts.DeleteAccount(ctx, p); return err })
}

// poweredNotifier is a notifier on a power: who has none tells nobody.
type poweredNotifier struct {
	stacksync.Notifier
	*power
}

func (n poweredNotifier) Publish(ctx context.Context, p stacksync.PublishParams) (stacksync.PublishResult, error) {
	n.mu.Lock()
	off := n.off
	n.mu.Unlock()
	if off {
		return stacksync.PublishResult{}, errPower
	}
	return n.Notifier.Publish(ctx, p)
}

// crashWorld is a world with bob and eve, some shared folder, and a power that can be cut.
type crashWorld struct {
	*world
	ctx       context.Context // of the calls that break off
	power     *power
	accounts  *accounts
	meets     *atomic.Pointer[func(names []string) error] // see plugged
	folder    shelf
	actors    map[stacksync.UserID]stacksync.Actor
	phone     stacksync.Actor       // of ada, with the secret that it knows, where the story has one
	known     stacksync.Secret      //
	shared    stacksync.WorkspaceID // zero before it is shared
	cfg       service.Config
	watchers  map[stacksync.UserID]*watching
	followers map[stacksync.UserID]map[stacksync.WorkspaceID]*trailing
}

// crashInterval is the relays' of the process that breaks off: nobody else takes anything on before it has stopped.
const crashInterval = 15 * time.Minute

func newCrashWorld(t testing.TB, open func(testing.TB) stacksync.MetadataStore, s *story) *crashWorld {
	c := &crashWorld{power: &power{}, accounts: newAccounts(), meets: &atomic.Pointer[func([]string) error]{}}
	store := open(t)
	c.world = newWorld(t, powered{store, c.power}, onStorage(plugged{c.accounts, c.power, c.meets}), withKey, func(cfg *service.Config) {
		cfg.RelayInterval, cfg.PollInterval = crashInterval, 24*time.Hour
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Limits.PageChunks = s.pageChunks
		c.cfg = *cfg
		cfg.Notifier = poweredNotifier{cfg.Notifier, c.power}
	})
	bob, _ := c.join("bob")
	eve, _ := c.join("eve")
	c.actors = map[stacksync.UserID]stacksync.Actor{"ada": c.actor, "bob": bob, "eve": eve}
	c.folder = c.shelf()
	if s.share {
		c.shared = c.world.share(c.folder.folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve", Role: stacksync.Viewer}).Workspace.ID
	}
	return c
}

// process makes another service on the store, which has power.
func (c *crashWorld) process(t testing.TB, relayInterval time.Duration) *service.Service {
	cfg := c.cfg
	cfg.Storage, cfg.RelayInterval = plugged{c.accounts, &power{}, c.meets}, relayInterval
	svc, err := service.New(c.store.(powered).MetadataStore, cfg)
	require.NoError(t, err)
	return svc
}

// trailing is a device that follows a workspace.
type trailing struct {
	mu       sync.Mutex
	revision int64
}

// follow has a device of each user follow what the user is a member of, at a process of which nothing breaks off.
func (c *crashWorld) follow(svc *service.Service) {
	c.watchers, c.followers = map[stacksync.UserID]*watching{}, map[stacksync.UserID]map[stacksync.WorkspaceID]*trailing{}
	for id, actor := range c.actors {
		w := *c.with(svc)
		w.actor = actor
		c.watchers[id], c.followers[id] = w.watchRights(actor), map[stacksync.WorkspaceID]*trailing{}
		for _, m := range w.list().Workspaces {
			var f trailing
			c.followers[id][m.ID] = &f
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				for page, err := range svc.Follow(ctx, stacksync.FollowRequest{Actor: actor, Workspace: m.ID}) {
					if err != nil {
						return // the right has ended
					}
					f.mu.Lock()
					f.revision = page.Revision
					f.mu.Unlock()
				}
			})
			c.Cleanup(func() {
				cancel()
				running.Wait()
			})
		}
	}
	synctest.Wait()
}

// requireTold waits until nobody owes a hint, and checks that who follows has seen what there is to see, with nothing but hints to go by.
func (c *crashWorld) requireTold(svc *service.Service, s *story) {
	c.Helper()
	w := c.with(svc)
	owed := func() (ids []any) {
		for _, id := range w.owing() {
			ids = append(ids, id)
		}
		for id, actor := range c.actors {
			if id == s.gone {
				continue
			}
			for _, m := range w.at(actor, w.ws).list().Workspaces {
				if m.Revision > m.Notified {
					ids = append(ids, m.ID)
				}
			}
		}
		return ids
	}
	for range 3 * crashInterval / time.Minute {
		if len(owed()) == 0 {
			break
		}
		time.Sleep(time.Minute)
	}
	require.Empty(c, owed(), "who owes a hint")
	for id, actor := range c.actors {
		if id == s.gone {
			continue
		}
		list := w.at(actor, w.ws).list()
		seen, err := c.watchers[id].now()
		require.NoError(c, err)
		require.Equal(c, shown(list), shown(seen), "what %q sees", id)
		for _, m := range list.Workspaces {
			if f := c.followers[id][m.ID]; f != nil { // else it has come since
				f.mu.Lock()
				require.Equal(c, m.Revision, f.revision, "what %q has seen of %v", id, m.ID)
				f.mu.Unlock()
			}
		}
	}
}

// look checks that all that anybody sees can be read.
func (c *crashWorld) look(svc *service.Service) {
	c.Helper()
	for id, actor := range c.actors {
		if _, err := svc.GetUser(c.Context(), stacksync.GetUserRequest{User: id}); errors.Is(err, stacksync.ErrUserNotFound) {
			continue
		}
		seen := *c.with(svc)
		seen.actor = actor
		for _, m := range seen.list().Workspaces {
			seen.at(actor, m.ID).tree()
		}
	}
}

// Whatever call is the last of a process, or fails, or gives no answer: the operation ends as it should, nothing that anybody sees can't
// be read meanwhile, everybody learns of it, and nothing is left over. Where tests are small each mode begins at another call, and goes on
// with every fourth: each call has its turn in one mode.
func TestOperationsBreakOffAnywhere(t *testing.T) {
	for i := range stories {
		s := &stories[i]
		for n, mode := range []powerMode{cut, late, fail, lost, back, rerun} {
			t.Run(s.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				breakOffAnywhere(t, s, mode, testsize.Of(1+n%4, 1), testsize.Of(4, 1), func(testing.TB) stacksync.MetadataStore { return memory.New(memory.Config{}) })
			})
		}
	}
}

// On a database, where each takes longer, a process stops at some calls only: right after a transaction or a call of the storage.
func TestOperationsBreakOffOnSQLite(t *testing.T) {
	for i := range stories {
		s := &stories[i]
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			breakOffAnywhere(t, s, late, 1, testsize.Of(21, 7), stores["sqlite"])
		})
	}
}

// breakOffAnywhere has a story break off at a call, and every so many calls after it.
func breakOffAnywhere(t *testing.T, s *story, mode powerMode, first, stride int, open func(testing.TB) stacksync.MetadataStore) {
	const most = 200
	for at := first; ; at += stride {
		require.Less(t, at, most)
		hit := ""
		synctest.Test(t, func(t *testing.T) { hit = breakOff(t, s, mode, at, open) })
		if hit == "" {
			require.Greater(t, at, 2, "the story has no steps")
			return
		}
	}
}

// breakOff runs a story of which one call breaks off, and returns what call that was.
func breakOff(t *testing.T, s *story, mode powerMode, at int, open func(testing.TB) stacksync.MetadataStore) string {
	c := newCrashWorld(t, open, s)
	if s.before != nil {
		s.before(c)
	}
	observer := c.process(t, 24*time.Hour)
	defer func() { require.NoError(t, observer.Close()) }()
	c.follow(observer)
	c.power.mu.Lock()
	c.power.at, c.power.mode, c.power.armed = at, mode, true
	c.power.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // a caller waits for what is tried again
	defer cancel()
	c.ctx = ctx
	err := s.do(c)
	c.power.mu.Lock()
	hit := fmt.Sprint(c.power.hit)
	c.power.armed = false
	c.power.mu.Unlock()
	if hit == "" {
		require.NoError(t, err)
	}

	idle := c.process(t, time.Hour)
	c.look(idle)
	require.NoError(t, idle.Close())
	other := c.process(t, 5*time.Second)
	defer func() { require.NoError(t, other.Close()) }()
	for range 20 {
		time.Sleep(5 * time.Second)
		c.look(other)
	}
	if s.undone == nil || s.undone(c, other) { // the caller asks again who had no answer
		was := c.world.svc
		c.world.svc, c.ctx = other, t.Context()
		require.NoError(t, s.do(c))
		c.world.svc = was
		time.Sleep(time.Minute)
	}
	c.requireTold(other, s)
	c.requireEnd(other, s)
	return hit
}
