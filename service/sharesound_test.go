package service_test

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// arena is a world in which calls of several users meet, each run in another order.
type arena struct {
	*world
	accounts *accounts
	made     *madeIDs
	lag      func() // what a call of the store or the storage may take
	run      int
	// Each in a default workspace of theirs.
	ada, bob, eve *world
}

// madeIDs are all ids that services have made: what exists of workspaces and operations has one of them.
type madeIDs struct {
	mu  sync.Mutex
	all []uuid.UUID
}

func (m *madeIDs) configure(c *service.Config) {
	c.NewID = func() (uuid.UUID, error) {
		id, err := uuid.NewV7()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.all = append(m.all, id)
		return id, err
	}
}

func (m *madeIDs) list() []uuid.UUID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

// slowStore and slowAccounts take their time before and after each call, so that other calls come in between.
type slowStore struct {
	stacksync.MetadataStore
	lag func()
}

func (s slowStore) Unwrap() stacksync.MetadataStore { return s.MetadataStore }

// Writers makes the service hold no lock of its own while a transaction takes its time.
func (s slowStore) Writers() int {
	if m, ok := stacksync.As[stacksync.ManyWriters](s.MetadataStore); ok {
		return m.Writers()
	}
	return 4
}

func (s slowStore) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	s.lag()
	defer s.lag()
	return s.MetadataStore.Update(ctx, fn)
}

func (s slowStore) View(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
	defer s.lag()
	return s.MetadataStore.View(ctx, fn)
}

type slowAccounts struct {
	*accounts
	lag func()
}

func (s slowAccounts) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	s.lag()
	return s.accounts.CreateContainer(ctx, p)
}

func (s slowAccounts) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	s.lag()
	return s.accounts.DeleteContainer(ctx, p)
}

func (s slowAccounts) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	s.lag()
	return s.accounts.CopyChunks(ctx, p)
}

func (s slowAccounts) SetAccess(ctx context.Context, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
	s.lag()
	return s.accounts.SetAccess(ctx, p)
}

func newArena(t testing.TB, store stacksync.MetadataStore, lag func(), configure ...func(*service.Config)) *arena {
	a := &arena{accounts: newAccounts(), made: &madeIDs{}, lag: lag}
	a.world = newWorld(t, slowStore{store, lag}, append(configure, onStorage(slowAccounts{a.accounts, lag}), withKey, a.made.configure)...)
	return a
}

// users makes the users of a run.
func (a *arena) users(t testing.TB, run int) *arena {
	one := *a
	w := *a.world
	one.world, one.run, w.TB = &w, run, t
	user := func(name string) *world {
		actor, ws := w.join(one.name(name))
		return w.at(actor, ws)
	}
	one.ada, one.bob, one.eve = user("ada"), user("bob"), user("eve")
	return &one
}

func (a *arena) name(user string) stacksync.UserID {
	return stacksync.UserID(fmt.Sprint(user, " ", a.run))
}

func (a *arena) invitees(users ...string) (invite []stacksync.Invitee) {
	for _, u := range users {
		invite = append(invite, stacksync.Invitee{User: a.name(u)})
	}
	return invite
}

var (
	memoryRuns = testsize.Of(5, 15) // of each race, in a bubble, with other delays each
	otherRuns  = testsize.Of(1, 3)  // on a store that others' transactions really run beside
)

// onRaces runs a race many times, and wants everything to be sound throughout, and finished at the end.
func onRaces(t *testing.T, race func(a *arena), configure ...func(*service.Config)) {
	run := func(a *arena) {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond):
					if faults := a.estate().faults(false); len(faults) > 0 {
						a.Errorf("meanwhile: %s", strings.Join(faults, "\n"))
						return
					}
				}
			}
		}()
		defer func() { <-stopped }()
		defer close(stop)
		race(a)
		a.requireSound()
	}
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		if strings.HasSuffix(t.Name(), "memory") {
			for n := range memoryRuns {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var mu sync.Mutex
						random, start := rand.New(rand.NewPCG(uint64(n), 1)), time.Now()
						lag := func() {
							if time.Since(start) > 1500*time.Millisecond {
								return // a beat of an operation comes, which must not wait for one that sleeps
							}
							mu.Lock()
							d := time.Duration(random.Int64N(int64(10 * time.Millisecond)))
							mu.Unlock()
							time.Sleep(d)
						}
						run(newArena(t, memory.New(memory.Config{}), lag, configure...).users(t, n))
					})
				})
			}
			return
		}
		a := newArena(t, open(t), func() {}, configure...)
		for n := range otherRuns {
			run(a.users(t, n))
		}
	})
}

// meet makes calls at the same time, and returns their errors.
func (a *arena) meet(calls ...func() error) []error {
	errs := make([]error, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() {
			for range 3 {
				a.lag()
			}
			errs[i] = call()
		})
	}
	running.Wait()
	return errs
}

// estate is all that a store has, as of one moment.
type estate struct {
	users   map[stacksync.UserID]stacksync.User
	spaces  map[stacksync.WorkspaceID]stacksync.Workspace
	members map[stacksync.WorkspaceID][]stacksync.Member
	items   map[stacksync.WorkspaceID]map[stacksync.ItemID]stacksync.ItemRow
	ops     []stacksync.Operation
}

func (a *arena) estate() estate {
	e := estate{
		users: map[stacksync.UserID]stacksync.User{}, spaces: map[stacksync.WorkspaceID]stacksync.Workspace{},
		members: map[stacksync.WorkspaceID][]stacksync.Member{}, items: map[stacksync.WorkspaceID]map[stacksync.ItemID]stacksync.ItemRow{},
	}
	require.NoError(a, a.store.View(a.Context(), func(ctx context.Context, r stacksync.Reader) error {
		_, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: a.ws}}})
		require.NoError(a, err)
		var load stacksync.LoadParams
		var ops stacksync.OperationsParams
		for _, id := range a.made.list() { // which now has all that there was at the moment of the first read
			load.Access = append(load.Access, stacksync.AccessKey{Workspace: stacksync.WorkspaceID{UUID: id}})
			ops.IDs = append(ops.IDs, stacksync.OperationID{UUID: id})
		}
		ops.Limit = len(ops.IDs) + 1
		rows, err := r.Load(ctx, load)
		require.NoError(a, err)
		for _, u := range rows.Owners {
			e.users[u.ID] = u
		}
		for _, ws := range rows.Workspaces {
			e.spaces[ws.ID] = ws
			members, err := r.Members(ctx, stacksync.MembersParams{Workspaces: []stacksync.WorkspaceID{ws.ID}})
			require.NoError(a, err)
			e.members[ws.ID] = members.Members
			all := map[stacksync.ItemID]stacksync.ItemRow{}
			changes, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: ws.ID, PageBound: stacksync.PageBound{Limit: 1 << 20}})
			require.NoError(a, err)
			for _, row := range changes.Items {
				all[row.ID] = row
			}
			e.items[ws.ID] = all
		}
		res, err := r.Operations(ctx, ops)
		e.ops = res.Operations
		return err
	}))
	return e
}

// faults returns what is wrong: at the end, or while operations run.
func (e estate) faults(end bool) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	charges := map[stacksync.UserID]int64{}
	lives := map[stacksync.ItemID]int{} // in how many workspaces
	for id, ws := range e.spaces {
		size, names := int64(0), map[stacksync.NameKey]bool{}
		for _, row := range e.items[id] {
			if row.Revision > ws.Revision {
				fault("item %v has revision %d of %d", row.ID, row.Revision, ws.Revision)
			}
			if row.Deleted {
				continue
			}
			size += row.Size
			parent, ok := e.items[id][row.Parent]
			if !row.Parent.IsZero() && (!ok || parent.Deleted || parent.Kind != stacksync.Folder) {
				fault("%s %q of workspace %v lies in a dead folder", row.Kind, row.Name, id)
			}
			name := stacksync.NameKey{Workspace: id, Parent: row.Parent, Key: row.NameKey}
			if names[name] {
				fault("name %q is there twice", row.Name)
			}
			names[name] = true
			lives[row.ID]++
		}
		if size != ws.Size {
			fault("workspace %v has %d bytes, and says %d", id, size, ws.Size)
		}
		charges[ws.Owner] += ws.Size
		owners := 0
		for _, m := range e.members[id] {
			if m.Role == stacksync.Owner {
				owners++
				if m.Pending || m.User != ws.Owner {
					fault("workspace of %q has owner %+v", ws.Owner, m)
				}
			}
		}
		if owners != 1 && (end || len(e.members[id]) > 0) {
			fault("workspace %v has %d members, %d owners", id, len(e.members[id]), owners)
		}
	}
	for id, n := range lives {
		for ws := range e.spaces {
			row, there := e.items[ws][id]
			switch {
			case n < 2 || !there || row.Deleted:
			case row.Kind == stacksync.File:
				fault("file %q lives in several workspaces, one of them %v", row.Name, ws)
			case end && !e.spaces[ws].Folder.IsZero() && !e.filled(row):
				// Who moves a folder out of one that is being shared leaves behind what has gone over before: only then it is in both.
				fault("folder %q lives in several workspaces, and lies empty in %v", row.Name, ws)
			}
		}
	}
	for id, u := range e.users {
		if u.QuotaUsed != charges[id] {
			fault("%d bytes are charged to %q, who owns %d", u.QuotaUsed, id, charges[id])
		}
	}
	for _, op := range e.ops {
		if end && op.State != stacksync.OperationDone && op.State != stacksync.OperationUndone {
			fault("operation %s is in state %d at step %s: %s", op.Kind, op.State, op.Step, op.Error)
		}
	}
	return faults
}

// accountOf is the name of a user's account at the storage.
func accountOf(u stacksync.UserID) string {
	sum := sha256.Sum256([]byte(u))
	return "u-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:20]))
}

// requireSound wants every operation finished, and everything right.
func (a *arena) requireSound() {
	a.Helper()
	e := a.estate()
	require.Empty(a, e.faults(true))
	containers := []string{}
	for id, ws := range e.spaces {
		containers = append(containers, ws.Container)
		if ws.Folder.IsZero() {
			continue
		}
		want := []stacksync.Grant{}
		for _, m := range e.members[id] {
			grant := stacksync.Grant{Account: accountOf(m.User), Permission: stacksync.ReadWrite}
			if m.Role == stacksync.Viewer {
				grant.Permission = stacksync.Read
			}
			if !m.Pending {
				want = append(want, grant)
			}
		}
		require.ElementsMatch(a, want, a.accounts.grants[ws.Container], "who reaches the container of %v", id)
	}
	require.ElementsMatch(a, containers, a.accounts.containers(), "containers and workspaces")
}
