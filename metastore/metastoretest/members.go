package metastoretest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func memberChecks() []check {
	return []check{
		{Name: "Members come by workspace id, then user id, pending ones too", Run: membersInOrder},
		{Name: "Members orders user ids by their bytes", Run: membersByBytes},
		{Name: "Members leaves out unknown workspaces", Run: membersUnknown},
		{Name: "Memberships, Load and Changes bring pending members too", Run: pendingEverywhere},
		{Name: "a member accepts", Run: memberAccepts},
	}
}

func compareMembers(a, b stacksync.Member) int {
	if c := bytes.Compare(a.Workspace.UUID[:], b.Workspace.UUID[:]); c != 0 {
		return c
	}
	return strings.Compare(string(a.User), string(b.User))
}

func membersInOrder(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	workspaces := []stacksync.WorkspaceID{h.id()}
	members := []stacksync.Member{h.member}
	var p stacksync.PutParams
	guests := []stacksync.User{r.user(), r.user(), r.user()}
	p.Users = guests
	for i := range 5 {
		w := r.workspace(h.user.ID)
		workspaces, p.Workspaces = append(workspaces, w.ID), append(p.Workspaces, w)
		for k, guest := range guests {
			if (i+k)%3 == 0 {
				continue
			}
			m := r.member(w.ID, guest.ID, stacksync.Role(1+k))
			m.Pending = k%2 == 0
			p.Members = append(p.Members, m)
		}
	}
	members = append(members, p.Members...)
	slices.Reverse(p.Members)
	slices.SortFunc(members, compareMembers)
	of := func(asked ...stacksync.WorkspaceID) []stacksync.Member {
		return filterSlice(members, func(m stacksync.Member) bool { return slices.Contains(asked, m.Workspace) })
	}
	r.saveAndRead(p, func(l look) {
		const promise = "Members returns who is a member of some workspaces, pending ones too, by workspace id, then user id"
		for _, asked := range [][]stacksync.WorkspaceID{
			workspaces, workspaces[:1], workspaces[2:4], {workspaces[5], workspaces[1], workspaces[5], workspaces[3], workspaces[1]},
		} {
			sameList(t, promise, of(asked...), l.members(asked...))
		}
		require.Empty(t, l.members(), "Members asked for no workspace")
	})
}

func membersByBytes(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	members := []stacksync.Member{h.member}
	var p stacksync.PutParams
	for _, id := range lookalikes() {
		u := r.user()
		u.ID = stacksync.UserID(id)
		p.Users, p.Members = append(p.Users, u), append(p.Members, r.invited(h.id(), u.ID, stacksync.Editor))
	}
	members = append(members, p.Members...)
	slices.SortFunc(members, compareMembers)
	r.saveAndRead(p, func(l look) {
		sameList(t, "strings are ordered by their bytes: user ids too", members, l.members(h.id()))
	})
}

func membersUnknown(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	empty := r.workspace(h.user.ID)
	unknown := stacksync.WorkspaceID{UUID: r.uuid()}
	r.saveAndRead(stacksync.PutParams{Workspaces: []stacksync.Workspace{empty}}, func(l look) {
		sameList(t, "unknown keys are left out of the answer", []stacksync.Member{h.member}, l.members(unknown, h.id(), stacksync.WorkspaceID{}, empty.ID))
		require.Empty(t, l.members(unknown, empty.ID), "neither an unknown workspace nor one without members has any")
	})
}

// pendingEverywhere has a user who has been invited to two workspaces, and no membership else.
func pendingEverywhere(t T, s Suite) {
	r := newRig(t, s)
	a, b := r.home(), r.home()
	guest := r.user()
	first, second := r.invited(a.id(), guest.ID, stacksync.Viewer), r.invited(b.id(), guest.ID, stacksync.Editor)
	want := []stacksync.Member{first, second}
	workspaces := map[stacksync.WorkspaceID]stacksync.Workspace{a.id(): a.workspace, b.id(): b.workspace}
	slices.SortFunc(want, compareMembers)
	p := stacksync.PutParams{Users: []stacksync.User{guest}, Members: want, Items: []stacksync.ItemRow{r.file(a.id(), stacksync.ItemID{})}}
	r.saveAndRead(p, func(l look) {
		const promise = "a member who has not accepted is a row as any: what it allows is the service's matter"
		got := l.memberships(guest.ID)
		sameList(t, promise+" (Memberships)", want, got.Members)
		sameList(t, promise+" (Memberships)", []stacksync.Workspace{workspaces[want[0].Workspace], workspaces[want[1].Workspace]}, got.Workspaces)
		access := accessKey(a.id(), guest.ID, stacksync.DeviceID{})
		loaded := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{access, accessKey(b.id(), guest.ID, stacksync.DeviceID{})}})
		sameOnce(t, promise+" (Load)", want, loaded.Members)
		page := l.changes(stacksync.ChangesParams{Workspace: a.id(), Access: access, PageBound: stacksync.PageBound{Limit: 10}})
		sameList(t, promise+" (Changes)", []stacksync.Member{first}, page.Members)
		sameList(t, promise+" (Changes)", p.Items, page.Items)
	})
}

func memberAccepts(t T, s Suite) {
	r := newRig(t, s)
	h, guest, other := r.home(), r.home(), r.home()
	m, stays := r.invited(h.id(), guest.user.ID, stacksync.Viewer), r.invited(h.id(), other.user.ID, stacksync.Viewer)
	r.save(stacksync.PutParams{Members: []stacksync.Member{m, stays}})
	for _, pending := range []bool{false, true} {
		now := r.member(h.id(), guest.user.ID, stacksync.Editor)
		now.Pending = pending
		r.saveAndRead(stacksync.PutParams{Members: []stacksync.Member{now}}, func(l look) {
			const promise = "Put replaces the member with that workspace and user, in all fields, for every method, and no other"
			sameSet(t, promise, []stacksync.Member{h.member, now, stays}, l.members(h.id()))
			sameSet(t, promise, []stacksync.Member{guest.member, now}, l.memberships(guest.user.ID).Members)
			access := accessKey(h.id(), guest.user.ID, stacksync.DeviceID{})
			sameList(t, promise, []stacksync.Member{now}, l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{access}}).Members)
			page := stacksync.ChangesParams{Workspace: h.id(), Access: access, PageBound: stacksync.PageBound{Limit: 1}}
			sameList(t, promise, []stacksync.Member{now}, l.changes(page).Members)
		})
	}
}
