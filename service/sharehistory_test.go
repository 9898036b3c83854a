package service_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

// TestShareModel runs random calls of several users against the service and the model, and wants the same answers, trees, members, mounts and
// charges after each. The store runs each closure twice, since it may.
func TestShareModel(t *testing.T) {
	steps := map[string]int{"memory": 50, "sqlite": 10, "postgres": 4}
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		most := steps[t.Name()[strings.LastIndex(t.Name(), "/")+1:]]
		require.Positive(t, most)
		a := &arena{made: &madeIDs{}, accounts: newAccounts()}
		a.world = newWorld(t, metastoretest.Twice(open(t)), onStorage(a.accounts), withKey, asking, a.made.configure)
		run, reached := 0, map[string]int{}
		rapid.Check(t, func(rt *rapid.T) {
			run++
			a.made.mu.Lock()
			a.made.all = nil
			a.made.mu.Unlock()
			m := newCommunity(a, rt, reached)
			for n := range 3 {
				m.users = append(m.users, stacksync.UserID(fmt.Sprintf("user %d of run %d", n, run)))
				m.devices = append(m.devices, nil)
				m.settle(n, rapid.SampledFrom([]int64{0, 0, 4}).Draw(rt, "quota"))
			}
			if rapid.Bool().Draw(rt, "begin with a share") {
				m.begin()
			}
			calls := []func(){
				m.commit, m.commit, m.commit, m.commit, m.share, m.share, m.invite, m.answer, m.answer, m.unshare, m.leave, m.setRole, m.transfer, m.mount,
				m.setKeys, m.setKeys, m.operation,
			}
			for range rapid.IntRange(most/2, most).Draw(rt, "steps") {
				if rapid.IntRange(0, 30).Draw(rt, "rarely") == 30 {
					m.delete()
				} else {
					rapid.SampledFrom(calls).Draw(rt, "call")()
				}
				m.check()
			}
			m.end()
			if faults := a.estate().faults(true); len(faults) > 0 {
				rt.Fatalf("%s", strings.Join(faults, "\n"))
			}
		})
		calls := []string{"commit", "share"}
		if most >= 50 { // enough for what comes about more rarely
			calls = append(calls, "answer", "invite", "unshare", "transfer", "keys", "get", "settle")
		}
		for _, call := range calls {
			require.Positive(t, reached[call], "%s has never succeeded: %v", call, reached)
		}
		t.Logf("what has succeeded: %v", reached)
	})
}

// community is one random run.
type community struct {
	*arena
	*rapid.T
	model   *estateModel
	users   []stacksync.UserID
	devices [][]stacksync.Actor
	items   []stacksync.ItemID
	acted   string
	reached map[string]int        // calls that have succeeded
	keys    int                   // that were made
	seen    []stacksync.Operation // of which each is done
}

func newCommunity(a *arena, rt *rapid.T, reached map[string]int) *community {
	c := &community{arena: a, T: rt, reached: reached, model: &estateModel{
		spaces: map[stacksync.WorkspaceID]*spaceModel{}, home: map[stacksync.UserID]stacksync.WorkspaceID{}, limit: map[stacksync.UserID]int64{},
	}}
	c.model.found = func(home *spaceModel, parent stacksync.ItemID, name string) stacksync.ItemID {
		w := c.arena.at(c.devices[slices.Index(c.users, home.owner)][0], home.id)
		for _, it := range w.snapshot().Items {
			if it.Parent == parent && it.Name == name && !it.Deleted {
				c.items = append(c.items, it.ID)
				return it.ID
			}
		}
		return stacksync.ItemID{}
	}
	return c
}

// settle makes the n-th user with two devices.
func (c *community) settle(n int, limit int64) {
	u := c.users[n]
	var ws stacksync.WorkspaceID
	var first stacksync.Actor
	first, ws = c.join(u)
	c.devices[n] = []stacksync.Actor{first, c.device(u)}
	c.arena.at(first, ws).limit(limit)
	c.model.limit[u], c.model.home[u] = limit, ws
	c.model.spaces[ws] = &spaceModel{id: ws, owner: u, members: map[stacksync.UserID]*memberModel{u: {role: stacksync.Owner}}, items: map[stacksync.ItemID]itemModel{}}
}

// begin shares a folder of the first user with the second, who is in, and the third, who is invited: runs that are short come further so.
func (c *community) begin() {
	w, s := c.arena.at(c.devices[0][0], c.model.home[c.users[0]]), c.model.spaces[c.model.home[c.users[0]]]
	shelf := w.folder(stacksync.ItemID{}, "a")
	shelf.Item = numberedID(len(c.items))
	inner := w.folder(shelf.Item, "b")
	inner.Item = numberedID(len(c.items) + 1)
	most := cmp.Or(c.model.limit[w.actor.User], 5) // without a limit: what nobody with one can take over
	file := w.file(shelf.Item, "c", strings.Repeat("x", int(most)))
	file.Item, file.Checksum = numberedID(len(c.items)+2), ""
	c.items = append(c.items, shelf.Item, inner.Item, file.Item)
	for _, p := range []stacksync.Proposal{shelf, inner, file} {
		c.same("commit at first", w.commitErr(p), c.model.commit(w.actor.User, s.id, p, 0))
	}
	r := stacksync.ShareFolderRequest{Actor: w.actor, Workspace: s.id, Folder: shelf.Item, Encrypted: rapid.Bool().Draw(c.T, "encrypted")}
	r.Invite = []stacksync.Invitee{{User: c.users[1], Role: stacksync.Editor}, {User: c.users[2], Role: stacksync.Viewer}}
	if r.Encrypted {
		r.SealedKey, r.Invite[0].SealedKey, r.Invite[1].SealedKey = c.key(), c.key(), c.key()
	}
	res, err := c.svc.ShareFolder(c.arena.Context(), r)
	id := res.Workspace.ID
	c.same("share at first", err, nil)
	c.unchanged(res.Operation)
	c.model.share(r, id)
	c.same("answer at first", c.arena.at(c.devices[1][0], id).accept(id), nil)
	c.model.spaces[id].members[c.users[1]].pending = false
	c.check()
}

func (c *community) actor() stacksync.Actor {
	return rapid.SampledFrom(rapid.SampledFrom(c.devices).Draw(c.T, "user")).Draw(c.T, "device")
}

// member is somebody who is in a workspace, as a rule.
func (c *community) member(s *spaceModel) stacksync.Actor {
	var members []stacksync.Actor
	for n, u := range c.users {
		if m := s.members[u]; m != nil && !m.pending {
			members = append(members, c.devices[n]...)
		}
	}
	if rapid.IntRange(0, 3).Draw(c.T, "a member") == 0 {
		return c.actor()
	}
	return rapid.SampledFrom(members).Draw(c.T, "member")
}

func (c *community) user() stacksync.UserID { return rapid.SampledFrom(c.users).Draw(c.T, "whom") }

// space is any workspace, shared ones rather.
func (c *community) space() *spaceModel {
	all := c.model.list()
	if shared := slices.DeleteFunc(slices.Clone(all), func(s *spaceModel) bool { return s.folder.IsZero() }); len(shared) > 0 && rapid.IntRange(0, 3).Draw(c.T, "shared") > 0 {
		all = shared
	}
	return rapid.SampledFrom(all).Draw(c.T, "workspace")
}

// who is somebody, the owner rather, in a workspace.
func (c *community) who() (*world, *spaceModel) {
	s := c.space()
	return c.in(s), s
}

// in is a workspace as somebody sees it, who may have nothing to do with it.
func (c *community) in(s *spaceModel) *world {
	actor := c.actor()
	if rapid.IntRange(0, 3).Draw(c.T, "the owner") > 0 {
		actor = c.devices[slices.Index(c.users, s.owner)][0]
	}
	return c.arena.at(actor, s.id)
}

func (c *community) item(s *spaceModel) stacksync.ItemID {
	var ids []stacksync.ItemID
	for _, id := range c.items {
		if _, ok := s.items[id]; ok {
			ids = append(ids, id)
		}
	}
	return rapid.SampledFrom(append(ids, stacksync.ItemID{})).Draw(c.T, "item")
}

func (c *community) commit() {
	s := c.space()
	actor := c.member(s)
	p := stacksync.Proposal{Item: c.item(s), Parent: c.item(s), Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(c.T, "name"), Kind: stacksync.Folder}
	now, known := s.items[p.Item]
	if !known {
		p.Item = numberedID(len(c.items))
		c.items = append(c.items, p.Item)
		if rapid.Bool().Draw(c.T, "file") {
			p.Kind = stacksync.File
		}
	} else {
		p.Kind = now.kind
	}
	if p.Parent == p.Item {
		p.Parent = stacksync.ItemID{}
	}
	p.Version = now.version + 1
	if p.Kind == stacksync.File {
		p.Chunks = []stacksync.Chunk{chunkOf(strings.Repeat("x", rapid.IntRange(1, 4).Draw(c.T, "size")))}
		p.Size = p.Chunks[0].Size
	}
	switch {
	case known && rapid.IntRange(0, 4).Draw(c.T, "delete") == 0:
		p = stacksync.Proposal{Item: p.Item, Version: p.Version, Delete: true}
	case known && rapid.IntRange(0, 9).Draw(c.T, "stale") == 0:
		p.Version, p.Name = p.Version-1, "nobody has this name"
	}
	if _, err := c.model.may(actor.User, s.id, stacksync.Editor); err == nil && p.Size > 0 {
		at := c.arena.at(actor, s.id)
		at.upload(strings.Repeat("x", int(p.Size)))
	}
	generation := c.generation(s)
	err := c.arena.at(actor, s.id).commitWith(p, generation)
	c.same(fmt.Sprintf("commit %+v by %s, generation %d", p, actor.User, generation), err, c.model.commit(actor.User, s.id, p, generation))
}

// invitees are some users but the actor, with keys where the workspace is encrypted, as a rule.
func (c *community) invitees(actor stacksync.UserID, encrypted bool) []stacksync.Invitee {
	var invite []stacksync.Invitee
	for _, u := range c.users {
		if u != actor && (len(invite) == 0 || rapid.Bool().Draw(c.T, "invite another")) {
			v := stacksync.Invitee{User: u, Role: rapid.SampledFrom([]stacksync.Role{stacksync.Viewer, stacksync.Editor}).Draw(c.T, "role")}
			if encrypted {
				v.SealedKey = c.key()
			}
			invite = append(invite, v)
		}
	}
	if last := &invite[len(invite)-1]; rapid.IntRange(0, 5).Draw(c.T, "wrong key") == 5 {
		last.SealedKey = ""
		if !encrypted {
			last.SealedKey = c.key()
		}
	}
	return invite
}

func (c *community) share() {
	s := c.space()
	if rapid.Bool().Draw(c.T, "from a default one") {
		s = c.model.spaces[c.model.home[c.user()]]
	}
	w := c.in(s)
	r := stacksync.ShareFolderRequest{Actor: w.actor, Workspace: s.id, Folder: c.item(s), Encrypted: rapid.IntRange(0, 2).Draw(c.T, "encrypted") == 2}
	if r.Folder.IsZero() {
		return
	}
	if r.Encrypted {
		r.SealedKey = c.key()
	}
	r.Invite = c.invitees(w.actor.User, r.Encrypted)
	want := c.model.shareable(r)
	res, err := c.svc.ShareFolder(c.arena.Context(), r)
	c.same(fmt.Sprintf("share of %v by %s", r.Folder, w.actor.User), err, want)
	if err == nil {
		c.model.share(r, res.Workspace.ID)
		c.unchanged(res.Operation)
	}
}

func (c *community) answer() {
	s, actor, accept := c.space(), c.actor(), rapid.IntRange(0, 3).Draw(c.T, "accept") > 0
	_, err := c.svc.AnswerInvitation(c.arena.Context(), stacksync.AnswerInvitationRequest{Actor: actor, Workspace: s.id, Accept: accept})
	switch m := s.members[actor.User]; {
	case m == nil && accept:
		c.same("accept", err, stacksync.ErrWorkspaceNotFound)
		return
	case m != nil && m.pending && accept:
		m.pending = false
	case m != nil && m.pending:
		c.model.takeOut(s, actor.User)
	}
	c.same("answer", err, nil)
}

func (c *community) unshare() {
	w, s := c.who()
	var users []stacksync.UserID
	if rapid.Bool().Draw(c.T, "one") {
		users = []stacksync.UserID{c.user()}
	}
	err := w.unshare(users...)
	_, want := c.model.may(w.actor.User, s.id, stacksync.Owner)
	switch {
	case want != nil:
	case s.folder.IsZero():
		want = stacksync.ErrNotShared
	case slices.Contains(users, s.owner):
		want = stacksync.ErrIsOwner
	case users == nil:
		users = slices.DeleteFunc(slices.Clone(c.users), func(u stacksync.UserID) bool { return u == s.owner })
	}
	c.same(fmt.Sprintf("unshare %v", users), err, want)
	if err == nil {
		c.model.takeOut(s, users...)
	}
}

func (c *community) leave() {
	s, actor := c.space(), c.actor()
	err := c.arena.at(actor, s.id).leave()
	_, want := c.model.may(actor.User, s.id, stacksync.Viewer)
	switch {
	case want != nil:
	case s.folder.IsZero():
		want = stacksync.ErrNotShared
	case actor.User == s.owner:
		want = stacksync.ErrIsOwner
	}
	c.same("leave", err, want)
	if err == nil {
		c.model.takeOut(s, actor.User)
	}
}

func (c *community) setRole() {
	w, s := c.who()
	user, role := c.user(), rapid.SampledFrom([]stacksync.Role{stacksync.Viewer, stacksync.Editor}).Draw(c.T, "role")
	err := w.setRole(user, role)
	_, want := c.model.may(w.actor.User, s.id, stacksync.Owner)
	switch m := s.members[user]; {
	case want != nil:
	case m == nil:
		want = stacksync.ErrMemberNotFound
	case user == s.owner:
		want = stacksync.ErrIsOwner
	default:
		m.role = role
	}
	c.same("role", err, want)
}

func (c *community) transfer() {
	w, s := c.who()
	to := c.user()
	if !c.model.keepIDs(s, to) {
		return
	}
	err := w.transfer(to)
	_, want := c.model.may(w.actor.User, s.id, stacksync.Owner)
	if want == nil {
		want = c.model.transfer(s, to)
	}
	c.same("transfer", err, want)
}

func (c *community) mount() {
	s, actor := c.space(), c.actor()
	name, parent := rapid.SampledFrom([]string{"a", "m"}).Draw(c.T, "name"), c.item(c.model.spaces[c.model.home[actor.User]])
	_, err := c.svc.UpdateMount(c.arena.Context(), stacksync.UpdateMountRequest{Actor: actor, Workspace: s.id, Name: name, Parent: parent})
	_, want := c.model.may(actor.User, s.id, stacksync.Viewer)
	if want == nil {
		want = c.model.mount(actor.User, s, name, parent)
	}
	c.same("mount", err, want)
}
