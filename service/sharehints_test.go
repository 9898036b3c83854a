package service_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// rightsChange is a call that changes what users see of their workspaces.
type rightsChange struct {
	name     string
	ask      bool                                              // invited users are asked
	before   func(c club) error                                // what has been done already
	do       func(c club) error                                //
	affected []stacksync.UserID                                // who is to be told: nobody else is
	ends     stacksync.UserID                                  // who is no user afterwards
	sees     map[stacksync.UserID]func(m stacksync.Mount) bool // what those see of the club afterwards, beside that they are told
}

func is(role stacksync.Role) func(stacksync.Mount) bool {
	return func(m stacksync.Mount) bool { return m.Member.Role == role && !m.Member.Pending }
}

func absent(m stacksync.Mount) bool { return m.ID.IsZero() }

func (w *world) answer(actor stacksync.Actor, accept bool) error {
	_, err := w.svc.AnswerInvitation(w.Context(), stacksync.AnswerInvitationRequest{Actor: actor, Workspace: w.ws, Accept: accept})
	return err
}

func inviteDan(c club) error {
	_, err := c.invite(stacksync.Invitee{User: "dan"})
	return err
}

func (c club) delete(r stacksync.DeleteUserRequest) error {
	_, err := c.svc.DeleteUser(c.Context(), r)
	return err
}

type sights = map[stacksync.UserID]func(stacksync.Mount) bool

var (
	whole         = []stacksync.UserID{"ada", "bob", "eve"}
	everyone      = []stacksync.UserID{"ada", "bob", "dan", "eve"}
	rightsChanges = []rightsChange{
		{
			name: "share another folder", affected: []stacksync.UserID{"ada", "dan"},
			do: func(c club) error {
				plans := c.home.folder(stacksync.ItemID{}, "plans")
				c.home.must(plans)
				_, err := c.svc.ShareFolder(c.Context(), stacksync.ShareFolderRequest{Actor: c.actor, Workspace: c.home.ws, Folder: plans.Item, Invite: []stacksync.Invitee{{User: "dan"}}})
				return err
			},
		},
		{name: "invite", affected: everyone, do: inviteDan, sees: sights{"dan": is(stacksync.Editor)}},
		{name: "ask", ask: true, affected: everyone, do: inviteDan, sees: sights{"dan": absent}},
		{name: "accept", ask: true, affected: everyone, before: inviteDan, do: func(c club) error { return c.answer(c.dan, true) }, sees: sights{"dan": is(stacksync.Editor)}},
		{name: "decline", ask: true, affected: everyone, before: inviteDan, do: func(c club) error { return c.answer(c.dan, false) }, sees: sights{"dan": absent}},
		{name: "unshare from one", affected: whole, do: func(c club) error { return c.unshare("bob") }, sees: sights{"bob": absent, "eve": is(stacksync.Viewer)}},
		{name: "unshare", affected: whole, do: func(c club) error { return c.unshare() }, sees: sights{"ada": absent, "bob": absent, "eve": absent}},
		{name: "leave", affected: whole, do: func(c club) error { return c.eve.leave() }, sees: sights{"eve": absent, "bob": is(stacksync.Editor)}},
		{
			name: "leave as the last", affected: []stacksync.UserID{"ada", "bob"}, before: func(c club) error { return c.unshare("eve") },
			do: func(c club) error { return c.bob.leave() }, sees: sights{"ada": absent, "bob": absent},
		},
		{name: "change a role", affected: whole, do: func(c club) error { return c.setRole("eve", stacksync.Editor) }, sees: sights{"eve": is(stacksync.Editor)}},
		{name: "transfer", affected: whole, do: func(c club) error { return c.transfer("bob") }, sees: sights{"ada": is(stacksync.Editor), "bob": is(stacksync.Owner)}},
		{
			name: "rename a mount", affected: []stacksync.UserID{"bob"},
			do: func(c club) error {
				_, err := c.svc.UpdateMount(c.Context(), stacksync.UpdateMountRequest{Actor: c.bob.actor, Workspace: c.ws, Name: "renamed"})
				return err
			},
			sees: sights{"bob": func(m stacksync.Mount) bool { return m.Member.MountName == "renamed" }},
		},
		{name: "delete a member", affected: []stacksync.UserID{"ada", "eve"}, ends: "bob", do: func(c club) error { return c.delete(stacksync.DeleteUserRequest{User: "bob"}) }},
		{
			name: "delete the owner, who hands over", affected: []stacksync.UserID{"bob", "eve"}, ends: "ada",
			do: func(c club) error {
				return c.delete(stacksync.DeleteUserRequest{User: "ada", Transfer: map[stacksync.WorkspaceID]stacksync.UserID{c.ws: "bob"}})
			},
			sees: sights{"bob": is(stacksync.Owner)},
		},
		{
			name: "delete the owner with everything", affected: []stacksync.UserID{"bob", "eve"}, ends: "ada",
			do:   func(c club) error { return c.delete(stacksync.DeleteUserRequest{User: "ada", DeleteShared: true}) },
			sees: sights{"bob": absent, "eve": absent},
		},
	}
)

// ledger is a store that compares what users see before and after each transaction, within it: where that has changed, the same
// transaction must owe them a hint. It reads before the lock is taken, as only a store with one writer allows.
type ledger struct {
	stacksync.MetadataStore
	t testing.TB
}

// rights are what ListWorkspaces would show a user of rights, and what the user's row says.
type rights struct {
	user   stacksync.User
	mounts []string
}

func rightsOf(ctx context.Context, r stacksync.Reader) (map[stacksync.UserID]rights, error) {
	all := map[stacksync.UserID]rights{}
	users, err := r.Users(ctx, stacksync.UsersParams{IDs: everyone})
	if err != nil {
		return nil, err
	}
	for _, u := range users.Users {
		res, err := r.Memberships(ctx, stacksync.MembershipsParams{User: u.ID})
		if err != nil {
			return nil, err
		}
		mine := rights{user: u}
		for i, m := range res.Members {
			ws := res.Workspaces[i]
			mine.mounts = append(mine.mounts, fmt.Sprint(ws.ID, ws.Owner, ws.KeyGeneration, m))
		}
		all[u.ID] = mine
	}
	return all, nil
}

func (l ledger) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	return l.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		before, err := rightsOf(ctx, tx)
		if err != nil {
			return err
		}
		if err := fn(ctx, tx); err != nil {
			return err
		}
		after, err := rightsOf(ctx, tx)
		for id, now := range after {
			was, known := before[id]
			if !known || slices.Equal(was.mounts, now.mounts) { // a new user has no device yet
				continue
			}
			if now.user.Revision <= was.user.Revision || now.user.Revision <= now.user.Notified || now.user.HintDue.IsZero() {
				l.t.Errorf("what %q sees changes from %v to %v, and no hint is owed", id, was.mounts, now.mounts)
			}
		}
		return err
	})
}

// watching is a device that follows what it is a member of.
type watching struct {
	mu   sync.Mutex
	last stacksync.ListWorkspacesResult
	err  error
}

func (w *world) watchRights(actor stacksync.Actor) *watching {
	ctx, cancel := context.WithCancel(context.Background())
	var f watching
	var running sync.WaitGroup
	running.Go(func() {
		for list, err := range w.svc.FollowWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: actor}) {
			f.mu.Lock()
			f.err = err
			if err == nil {
				f.last = list
			}
			f.mu.Unlock()
		}
	})
	w.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return &f
}

func (f *watching) now() (stacksync.ListWorkspacesResult, error) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.err
}

// owing are the users who owe a hint.
func (w *world) owing() (ids []stacksync.UserID) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, r stacksync.Reader) error {
		res, err := r.Users(ctx, stacksync.UsersParams{IDs: everyone})
		for _, u := range res.Users {
			if u.Revision > u.Notified {
				ids = append(ids, u.ID)
			}
		}
		return err
	}))
	slices.Sort(ids)
	return ids
}

// teller is a process that makes changes, as far as telling others goes.
type teller struct {
	name  string
	quiet bool                            // it has no notifier: as one that ends after each transaction
	fails func(ctx context.Context) error // what its notifier does, if not nil
}

var tellers = []teller{
	{name: "tells"},
	{name: "notifier fails", fails: func(context.Context) error { return errBroker }},
	{name: "notifier hangs", fails: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	{name: "ends", quiet: true},
}

func (p teller) tellsAtOnce() bool { return !p.quiet && p.fails == nil }

// Each change of rights is owed to all it affects by the transaction that makes it. Whatever becomes of the process that has made it, two
// other processes tell each two devices, which have nothing else to go by; nobody else is told anything.
func TestRightsAreTold(t *testing.T) {
	for _, by := range tellers {
		for _, change := range rightsChanges {
			t.Run(by.name+"/"+change.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { change.run(t, by) })
			})
		}
	}
}

func (r rightsChange) run(t *testing.T, by teller) {
	good, own := newBroker(t), newBroker(t)
	configure := func(b *broker) func(*service.Config) {
		return func(c *service.Config) {
			b.configure(c)
			c.AskInvited = r.ask
		}
	}
	maker := configure(own)
	switch {
	case by.quiet:
		maker = func(c *service.Config) { c.Notifier, c.AskInvited = nil, r.ask }
	case by.tellsAtOnce():
		maker = configure(good)
	}
	c := newClub(t, ledger{memory.New(memory.Config{}), t}, maker)
	if r.ask {
		require.NoError(t, c.answer(c.bob.actor, true))
		require.NoError(t, c.answer(c.eve.actor, true))
	}
	if r.before != nil {
		require.NoError(t, r.before(c))
	}
	actors := map[stacksync.UserID]stacksync.Actor{"ada": c.actor, "bob": c.bob.actor, "dan": c.dan, "eve": c.eve.actor}
	devices := map[stacksync.UserID][]stacksync.Actor{}
	for id := range actors {
		devices[id] = []stacksync.Actor{actors[id], c.device(id)}
	}
	others := []*world{c.beside(configure(good)), c.beside(configure(good))}
	time.Sleep(time.Minute) // what was owed until now is sent
	require.Empty(t, c.owing())
	followers, before := map[stacksync.UserID][]*watching{}, map[stacksync.UserID]int64{}
	for _, id := range everyone {
		for _, other := range others {
			for _, device := range devices[id] {
				followers[id] = append(followers[id], other.watchRights(device))
			}
		}
		list, err := followers[id][0].now()
		require.NoError(t, err)
		before[id] = list.Revision
	}

	own.breaks(by.fails)
	require.NoError(t, r.do(c))
	if !by.tellsAtOnce() {
		require.Equal(t, r.affected, c.owing())
		for id, all := range followers {
			for _, f := range all {
				list, err := f.now()
				require.NoError(t, err)
				require.Equal(t, before[id], list.Revision, "%q has something else to go by", id)
			}
		}
		require.NoError(t, c.svc.Close())
		time.Sleep(relayed)
	}
	for id, all := range followers {
		for _, f := range all {
			list, err := f.now()
			if id == r.ends {
				if by.tellsAtOnce() {
					require.ErrorIs(t, err, stacksync.ErrUserNotFound)
				}
				continue
			}
			require.NoError(t, err)
			if !slices.Contains(r.affected, id) {
				require.Equal(t, before[id], list.Revision, "%q has nothing to do with it", id)
				continue
			}
			want, err := others[0].svc.ListWorkspaces(t.Context(), stacksync.ListWorkspacesRequest{Actor: actors[id]})
			require.NoError(t, err)
			require.Equal(t, shown(want), shown(list))
			if sees := r.sees[id]; sees != nil {
				require.True(t, sees(mountOf(list, c.ws)), "%q sees %+v", id, mountOf(list, c.ws))
			}
		}
	}
	time.Sleep(time.Minute)
	require.Empty(t, c.owing())
}

// shown is what a list says of rights. The workspaces' own rows change with every commit and mark.
func shown(list stacksync.ListWorkspacesResult) (all []string) {
	for _, m := range slices.Concat(list.Workspaces, list.Invitations) {
		all = append(all, fmt.Sprint(m.ID, m.Owner, m.KeyGeneration, m.Member))
	}
	return append(all, fmt.Sprint(list.Revision))
}
