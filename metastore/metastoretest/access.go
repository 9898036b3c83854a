package metastoretest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func accessChecks() []check {
	return []check{
		{Name: "Load.Access brings workspace, owner, member and device", Run: accessOfOne},
		{Name: "Load.Access brings each row once", Run: accessOnce},
		{Name: "Load.Access leaves out what is unknown", Run: accessUnknown},
		{Name: "Load.Access with a zero device asks for none", Run: accessWithoutDevice},
		{Name: "Load.Access brings only the user's own device", Run: accessForeignDevice},
		{Name: "a workspace is replaced", Run: workspaceReplaced},
	}
}

func sameAccess(t tester, promise string, want, got stacksync.AccessRows) {
	t.Helper()
	sameOnce(t, promise+" (Workspaces)", want.Workspaces, got.Workspaces)
	sameOnce(t, promise+" (Owners)", want.Owners, got.Owners)
	sameOnce(t, promise+" (Members)", want.Members, got.Members)
	sameOnce(t, promise+" (Devices)", want.Devices, got.Devices)
}

func accessOfOne(t T, s Suite) {
	r := newRig(t, s)
	h, guest := r.home(), r.home()
	m, d := r.member(h.id(), guest.user.ID, stacksync.Editor), r.device(guest.user.ID)
	p := stacksync.PutParams{Members: []stacksync.Member{m}, Devices: []stacksync.Device{d, r.device(guest.user.ID), r.device(h.user.ID)}}
	r.saveAndRead(p, func(l look) {
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), guest.user.ID, d.ID)}})
		sameAccess(t, "Access asks for the workspace, its owner, the user's membership and the user's device", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace},
			Owners:     []stacksync.User{h.user},
			Members:    []stacksync.Member{m},
			Devices:    []stacksync.Device{d},
		}, got.AccessRows)
		require.Empty(t, got.Items, "Items were not asked for")
		require.Empty(t, got.Versions, "Versions were not asked for")
		require.Empty(t, got.Chunks, "Chunks were not asked for")
	})
}

func accessOnce(t T, s Suite) {
	r := newRig(t, s)
	h, guest := r.home(), r.home()
	second := r.workspace(h.user.ID)
	members := []stacksync.Member{r.member(second.ID, h.user.ID, stacksync.Owner), r.member(second.ID, guest.user.ID, stacksync.Viewer)}
	devices := []stacksync.Device{r.device(h.user.ID), r.device(guest.user.ID)}
	p := stacksync.PutParams{Workspaces: []stacksync.Workspace{second}, Members: members, Devices: devices}
	r.saveAndRead(p, func(l look) {
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{
			accessKey(h.id(), h.user.ID, devices[0].ID),
			accessKey(second.ID, h.user.ID, devices[0].ID),
			accessKey(second.ID, guest.user.ID, devices[1].ID),
			accessKey(second.ID, guest.user.ID, devices[1].ID),
			accessKey(second.ID, guest.user.ID, stacksync.DeviceID{}),
		}})
		sameAccess(t, "each once, though several keys ask for it", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace, second},
			Owners:     []stacksync.User{h.user},
			Members:    append([]stacksync.Member{h.member}, members...),
			Devices:    devices,
		}, got.AccessRows)
	})
}

func accessUnknown(t T, s Suite) {
	r := newRig(t, s)
	h, stranger := r.home(), r.home()
	d := r.device(stranger.user.ID)
	unknownDevice := stacksync.DeviceID{UUID: r.uuid()}
	r.save(stacksync.PutParams{Devices: []stacksync.Device{d}})
	r.read(func(l look) {
		const promise = "unknown keys are left out of the answer, and what is known is not"
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), stranger.user.ID, d.ID)}})
		sameAccess(t, promise+": the user is no member", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user}, Devices: []stacksync.Device{d},
		}, got.AccessRows)
		got = l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, unknownDevice)}})
		sameAccess(t, promise+": the device is unknown", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user}, Members: []stacksync.Member{h.member},
		}, got.AccessRows)
		got = l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), "nobody", unknownDevice)}})
		sameAccess(t, promise+": the user is unknown", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user},
		}, got.AccessRows)
		got = l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{
			accessKey(stacksync.WorkspaceID(unknownDevice), h.user.ID, stacksync.DeviceID{}),
		}})
		sameAccess(t, promise+": the workspace is unknown", stacksync.AccessRows{}, got.AccessRows)
	})
}

func accessWithoutDevice(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{r.device(h.user.ID)}}, func(l look) {
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, stacksync.DeviceID{})}})
		sameAccess(t, "the zero DeviceID asks for no device", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user}, Members: []stacksync.Member{h.member},
		}, got.AccessRows)
	})
}

func accessForeignDevice(t T, s Suite) {
	r := newRig(t, s)
	h, other := r.home(), r.home()
	foreign, shared := r.device(other.user.ID), r.device(other.user.ID)
	own := r.device(h.user.ID)
	own.ID = shared.ID
	r.saveAndRead(stacksync.PutParams{Devices: []stacksync.Device{foreign, shared, own}}, func(l look) {
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{
			accessKey(h.id(), h.user.ID, foreign.ID),
			accessKey(h.id(), h.user.ID, shared.ID),
		}})
		sameAccess(t, "no device id reaches into another account", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{h.workspace}, Owners: []stacksync.User{h.user}, Members: []stacksync.Member{h.member},
			Devices: []stacksync.Device{own},
		}, got.AccessRows)
	})
}

func workspaceReplaced(t T, s Suite) {
	r := newRig(t, s)
	h, heir := r.home(), r.home()
	now := r.workspace(heir.user.ID)
	now.ID, now.Provisioned, now.FoldCase = h.id(), false, false
	r.saveAndRead(stacksync.PutParams{Workspaces: []stacksync.Workspace{now}}, func(l look) {
		got := l.load(stacksync.LoadParams{Access: []stacksync.AccessKey{
			accessKey(h.id(), h.user.ID, stacksync.DeviceID{}),
			accessKey(heir.id(), heir.user.ID, stacksync.DeviceID{}),
		}})
		sameAccess(t, "Put replaces the workspace with that id, in all fields, and no other", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{now, heir.workspace}, Owners: []stacksync.User{heir.user},
			Members: []stacksync.Member{h.member, heir.member},
		}, got.AccessRows)
	})
}
