package stacksync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
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
)

// do runs a call under the power.
func (p *power) do(name string, f func() error) error {
	p.mu.Lock()
	if p.armed {
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
	err := f()
	if now {
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
	return s.do("Update", func() error { return s.MetadataStore.Update(ctx, fn) })
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
	return r, s.do("CopyChunks", func() error { _, err := s.accounts.CopyChunks(ctx, p); return err })
}

func (s plugged) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (r stacksync.SetAccessResult, err error) {
	return r, s.do("SetAccess", func() error { _, err := s.accounts.SetAccess(ctx, p); return err })
}

// crashWorld is a world with bob and eve, some shared folder, and a power that can be cut.
type crashWorld struct {
	*world
	ctx      context.Context // of the calls that break off
	power    *power
	accounts *accounts
	folder   shelf
	bob, eve stacksync.Actor
	shared   stacksync.WorkspaceID // zero before it is shared
	cfg      stacksync.Config
}

// story is an operation that can break off anywhere.
type story struct {
	name  string
	share bool // before
	do    func(c *crashWorld) error
	// what is so afterwards
	home, common map[string]string // the owner's default workspace, and the shared one: nil if there is none
	members      map[stacksync.UserID]stacksync.Permission
}

var (
	beside  = map[string]string{"beside.txt": "beside"}
	stories = []story{
		{
			name: "share", home: beside, common: shelfTree,
			members: map[stacksync.UserID]stacksync.Permission{"ada": stacksync.ReadWrite, "bob": stacksync.ReadWrite, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				_, err := c.svc.ShareFolder(c.ctx, stacksync.ShareFolderRequest{Actor: c.actor, Workspace: c.ws, Folder: c.folder.folder.Item, Invite: []stacksync.Invitee{{User: "bob"}, {User: "eve", Role: stacksync.Viewer}}})
				return err
			},
		},
		{
			name: "unshare", share: true, home: joined(beside, in("docs", shelfTree)),
			do: func(c *crashWorld) error {
				_, err := c.svc.Unshare(c.ctx, stacksync.UnshareRequest{Actor: c.actor, Workspace: c.shared})
				return err
			},
		},
		{
			name: "revoke one", share: true, home: beside, common: shelfTree,
			members: map[stacksync.UserID]stacksync.Permission{"ada": stacksync.ReadWrite, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				_, err := c.svc.Unshare(c.ctx, stacksync.UnshareRequest{Actor: c.actor, Workspace: c.shared, Users: []stacksync.UserID{"bob"}})
				return err
			},
		},
		{
			name: "change a role", share: true, home: beside, common: shelfTree,
			members: map[stacksync.UserID]stacksync.Permission{"ada": stacksync.ReadWrite, "bob": stacksync.Read, "eve": stacksync.Read},
			do: func(c *crashWorld) error {
				_, err := c.svc.SetRole(c.ctx, stacksync.SetRoleRequest{Actor: c.actor, Workspace: c.shared, User: "bob", Role: stacksync.Viewer})
				return err
			},
		},
	}
)

func newCrashWorld(t testing.TB, open func(testing.TB) stacksync.MetadataStore, share bool) *crashWorld {
	c := &crashWorld{power: &power{}, accounts: newAccounts()}
	store := open(t)
	c.world = newWorld(t, powered{store, c.power}, onStorage(plugged{c.accounts, c.power}), withKey, func(cfg *stacksync.Config) {
		cfg.RelayInterval = time.Hour // nobody else takes it on before the process has stopped
		cfg.Logger = slog.New(slog.DiscardHandler)
		c.cfg = *cfg
	})
	c.bob, _ = c.join("bob")
	c.eve, _ = c.join("eve")
	c.folder = c.shelf()
	if share {
		c.shared = c.world.share(c.folder.folder.Item, stacksync.Invitee{User: "bob"}, stacksync.Invitee{User: "eve", Role: stacksync.Viewer}).Workspace.ID
	}
	return c
}

// look checks that all that anybody sees can be read.
func (c *crashWorld) look(svc *stacksync.Service) {
	c.Helper()
	for _, actor := range []stacksync.Actor{c.actor, c.bob, c.eve} {
		seen := *c.world
		seen.svc, seen.actor = svc, actor
		for _, m := range seen.list().Workspaces {
			seen.at(actor, m.ID).tree()
		}
	}
}

// requireEnd checks that all is as the story ends.
func (c *crashWorld) requireEnd(svc *stacksync.Service, s story) {
	c.Helper()
	w := *c.world
	w.svc = svc
	require.Equal(c, s.home, w.tree())
	containers := map[string]bool{}
	used := int64(0)
	for _, user := range []stacksync.UserID{"ada", "bob", "eve"} {
		actor := map[stacksync.UserID]stacksync.Actor{"ada": c.actor, "bob": c.bob, "eve": c.eve}[user]
		mounts := w.at(actor, w.ws).list().Workspaces
		want := 1
		if s.members[user] != 0 {
			want = 2
		}
		require.Len(c, mounts, want, "workspaces of %s", user)
		for _, m := range mounts {
			containers[m.Container] = true
			if m.Folder.IsZero() {
				continue
			}
			require.Equal(c, s.common, w.at(actor, m.ID).tree())
			grants := map[string]stacksync.Permission{}
			for _, g := range c.accounts.grants[m.Container] {
				grants[g.Account] = g.Permission
			}
			require.Len(c, grants, len(s.members), "who reaches the container")
			require.ElementsMatch(c, slices.Collect(maps.Values(s.members)), slices.Collect(maps.Values(grants)))
		}
	}
	for _, tree := range []map[string]string{s.home, s.common} {
		for _, content := range tree {
			if content != "folder" {
				used += int64(len(content))
			}
		}
	}
	owner, err := svc.GetUser(c.Context(), stacksync.GetUserRequest{User: "ada"})
	require.NoError(c, err)
	require.Equal(c, used, owner.User.QuotaUsed)
	require.ElementsMatch(c, slices.Collect(maps.Keys(containers)), c.accounts.containers(), "no container is orphaned")
	ops, err := svc.ListOperations(c.Context(), stacksync.ListOperationsRequest{Actor: c.actor})
	require.NoError(c, err)
	for _, op := range ops.Operations {
		require.Equal(c, stacksync.OperationDone, op.State, "%s at %s: %s", op.Kind, op.Step, op.Error)
	}
}

// Whatever call is the last of a process, or fails, or gives no answer: the operation ends as it should, nothing that anybody sees can't
// be read meanwhile, and nothing is left over.
func TestOperationsBreakOffAnywhere(t *testing.T) {
	for _, s := range stories {
		for _, mode := range []powerMode{cut, late, fail, lost} {
			t.Run(s.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				const most = 200
				for at := 1; ; at++ {
					require.Less(t, at, most)
					hit := ""
					synctest.Test(t, func(t *testing.T) { hit = breakOff(t, s, mode, at) })
					if hit == "" {
						require.Greater(t, at, 2, "the story has no steps")
						t.Logf("%d calls", at-1)
						return
					}
				}
			})
		}
	}
}

// breakOff runs a story of which one call breaks off, and returns what call that was.
func breakOff(t *testing.T, s story, mode powerMode, at int) string {
	c := newCrashWorld(t, func(testing.TB) stacksync.MetadataStore { return memory.New() }, s.share)
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

	// Another process.
	store := c.store.(powered).MetadataStore
	cfg := c.cfg
	cfg.Storage, cfg.RelayInterval = c.accounts, time.Hour
	other, err := stacksync.New(store, cfg)
	require.NoError(t, err)
	c.look(other)
	require.NoError(t, other.Close())
	cfg.RelayInterval = time.Second
	other, err = stacksync.New(store, cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	for range 20 {
		time.Sleep(5 * time.Second)
		c.look(other)
	}
	if again := c.again(other, s); again != nil {
		require.NoError(t, again())
		time.Sleep(time.Minute)
	}
	c.requireEnd(other, s)
	return hit
}

// again returns what the caller does who had no answer, unless the operation is recorded. A change of members is simply repeated.
func (c *crashWorld) again(svc *stacksync.Service, s story) func() error {
	ops, err := svc.ListOperations(c.Context(), stacksync.ListOperationsRequest{Actor: c.actor})
	require.NoError(c, err)
	kind := map[string]stacksync.OperationKind{"share": stacksync.OperationShare, "unshare": stacksync.OperationReturn}[s.name]
	if slices.ContainsFunc(ops.Operations, func(op stacksync.Operation) bool { return op.Kind == kind }) {
		return nil
	}
	return func() error {
		was := c.world.svc
		defer func() { c.world.svc = was }()
		c.world.svc, c.ctx = svc, c.Context()
		return s.do(c)
	}
}
