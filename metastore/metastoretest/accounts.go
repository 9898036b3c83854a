package metastoretest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func accountChecks() []check {
	return []check{
		{Name: "users are read by id", Run: usersByID},
		{Name: "a user is replaced", Run: userReplaced},
		{Name: "a user has no default workspace any more", Run: userWithoutWorkspace},
		{Name: "user ids are compared by their bytes", Run: userIDsByBytes},
		{Name: "devices come by creation time, then id", Run: devicesInOrder},
		{Name: "the same device id under two users is two devices", Run: deviceIDsOfTwoUsers},
		{Name: "a device is replaced", Run: deviceReplaced},
		{Name: "memberships come by workspace id, each with its workspace", Run: membershipsInOrder},
		{Name: "a member is replaced", Run: memberReplaced},
		{Name: "an unknown user has nothing", Run: unknownUser},
	}
}

func usersByID(t T, s Suite) {
	r := newRig(t, s)
	a, b, c := r.user(), r.user(), r.user()
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{a, b, c}}, func(l look) {
		sameSet(t, "Users returns those asked for; a key may be given twice, an unknown one is left out",
			[]stacksync.User{a, c}, l.users(c.ID, "nobody", a.ID, c.ID))
		require.Empty(t, l.users(), "Users asked for nobody")
	})
}

func userReplaced(t T, s Suite) {
	r := newRig(t, s)
	old, other := r.user(), r.user()
	r.save(stacksync.PutParams{Users: []stacksync.User{old, other}})
	now := r.user()
	now.ID, now.QuotaLimit = old.ID, 0
	r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{now}}, func(l look) {
		sameSet(t, "Put replaces the user with that id, in all fields, and no other", []stacksync.User{now, other}, l.users(old.ID, other.ID))
	})
}

func userWithoutWorkspace(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	without := h.user
	without.DefaultWorkspace = stacksync.WorkspaceID{}
	for _, now := range []stacksync.User{without, h.user, without} {
		r.saveAndRead(stacksync.PutParams{Users: []stacksync.User{now}}, func(l look) {
			const promise = "DefaultWorkspace is zero while a user is being deleted"
			sameSet(t, promise, []stacksync.User{now, other.user}, l.users(now.ID, other.user.ID))
			access := accessKey(h.id(), now.ID, stacksync.DeviceID{})
			sameList(t, promise, []stacksync.User{now}, l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{access}}).Owners)
			page := stacksync.ChangesParams{Workspace: h.id(), Access: access, PageBound: stacksync.PageBound{Limit: 1}}
			sameList(t, promise, []stacksync.User{now}, l.changes(page).Owners)
			sameList(t, promise, []stacksync.Workspace{h.workspace}, l.memberships(now.ID).Workspaces)
		})
	}
}

func userIDsByBytes(t T, s Suite) {
	r := newRig(t, s)
	var users []stacksync.User
	for _, id := range append(lookalikes(), oddStrings()...) {
		if strings.ContainsFunc(id, unicode.IsControl) {
			continue // no user id has those
		}
		u := r.user()
		u.ID = stacksync.UserID(id)
		users = append(users, u)
	}
	r.saveAndRead(stacksync.PutParams{Users: users}, func(l look) {
		for _, u := range users {
			sameSet(t, "strings are compared by their bytes", []stacksync.User{u}, l.users(u.ID))
		}
	})
}

func devicesInOrder(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	late := r.time().Add(time.Hour)
	var devices []stacksync.Device
	for i := range 12 {
		d := r.device(h.user.ID)
		if i%3 == 0 {
			d.CreatedAt = late // of several: the id decides
		}
		d.Revoked = i%2 == 0
		devices = append(devices, d)
	}
	slices.Reverse(devices)
	r.save(stacksync.PutParams{Devices: []stacksync.Device{r.device(other.user.ID)}})
	want := slices.Clone(devices)
	slices.SortFunc(want, compareDevices)
	r.saveAndRead(stacksync.PutParams{Devices: devices}, func(l look) {
		sameList(t, "Devices returns all devices of a user, revoked ones too, by creation time, then id", want, l.devices(h.user.ID))
	})
}

func compareDevices(a, b stacksync.Device) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:])
}

func deviceIDsOfTwoUsers(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	a, b := r.device(h.user.ID), r.device(other.user.ID)
	b.ID, b.Revoked = a.ID, true
	const promise = "Device.User and ID are the key of a device: the same id under two users is two devices"
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{a, b}}, func(l look) {
		sameList(t, promise, []stacksync.Device{a}, l.devices(a.User))
		sameList(t, promise, []stacksync.Device{b}, l.devices(b.User))
	})
	b.Name = "renamed"
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{b}}, func(l look) {
		sameList(t, promise, []stacksync.Device{a}, l.devices(a.User))
		sameList(t, promise, []stacksync.Device{b}, l.devices(b.User))
	})
}

func deviceReplaced(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	old, other := r.device(h.user.ID), r.device(h.user.ID)
	r.save(stacksync.PutParams{Devices: []stacksync.Device{old, other}})
	now := r.device(h.user.ID)
	now.ID, now.Revoked = old.ID, true
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{now}}, func(l look) {
		sameSet(t, "Put replaces the device with that user and id, in all fields, and no other",
			[]stacksync.Device{now, other}, l.devices(h.user.ID))
	})
	now.Revoked = false
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{now}}, func(l look) {
		sameSet(t, "Put replaces the device with that user and id, in all fields, and no other",
			[]stacksync.Device{now, other}, l.devices(h.user.ID))
	})
}

func membershipsInOrder(t T, s Suite) {
	r := newRig(t, s)
	h, guest := r.home(), r.home()
	members := []stacksync.Member{guest.member}
	workspaces := map[stacksync.WorkspaceID]stacksync.Workspace{guest.id(): guest.workspace}
	var p stacksync.PutParams
	for i := range 9 {
		w := r.workspace(h.user.ID)
		workspaces[w.ID] = w
		p.Workspaces = append(p.Workspaces, w)
		p.Members = append(p.Members, r.member(w.ID, h.user.ID, stacksync.Owner))
		if i%2 == 0 {
			m := r.member(w.ID, guest.user.ID, stacksync.Role(1+i%3))
			p.Members, members = append(p.Members, m), append(members, m)
		}
	}
	slices.SortFunc(members, func(a, b stacksync.Member) int { return bytes.Compare(a.Workspace.UUID[:], b.Workspace.UUID[:]) })
	want := make([]stacksync.Workspace, len(members))
	for i, m := range members {
		want[i] = workspaces[m.Workspace]
	}
	r.saveAndRead(p, func(l look) {
		got := l.memberships(guest.user.ID)
		sameList(t, "Memberships returns what a user is a member of, by workspace id", members, got.Members)
		sameList(t, "of Members[i] is Workspaces[i]", want, got.Workspaces)
	})
}

func memberReplaced(t T, s Suite) {
	r := newRig(t, s)
	h, guest := r.home(), r.home()
	m := r.member(h.id(), guest.user.ID, stacksync.Viewer)
	r.save(stacksync.PutParams{Members: []stacksync.Member{m}})
	now := r.member(h.id(), guest.user.ID, stacksync.Editor)
	r.saveAndRead(stacksync.PutParams{Members: []stacksync.Member{now}}, func(l look) {
		const promise = "Put replaces the member with that workspace and user, in all fields, and no other"
		sameSet(t, promise, []stacksync.Member{guest.member, now}, l.memberships(guest.user.ID).Members)
		sameSet(t, promise, []stacksync.Member{h.member}, l.memberships(h.user.ID).Members)
	})
}

func unknownUser(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.save(stacksync.PutParams{Devices: []stacksync.Device{r.device(h.user.ID)}})
	r.read(func(l look) {
		for _, id := range []stacksync.UserID{"nobody", "", h.user.ID + " "} {
			promise := fmt.Sprintf("user %q is unknown: unknown keys are left out", id)
			require.Empty(t, l.users(id), promise)
			require.Empty(t, l.devices(id), promise)
			require.Empty(t, l.memberships(id).Members, promise)
			require.Empty(t, l.memberships(id).Workspaces, promise)
		}
	})
}
