package metastoretest

import (
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func changesAccessChecks() []check {
	return []check{
		{Name: "Changes.Access brings what Load.Access does, beside the page", Run: changesAccess},
		{Name: "Changes.Access brings no items to who is no member", Run: changesAccessStranger},
		{Name: "Changes.Access brings items whatever the device and the role", Run: changesAccessRoles},
		{Name: "Changes.Access comes with an empty page too", Run: changesAccessEmpty},
		{Name: "Changes without Access brings no access rows", Run: changesNoAccess},
		{Name: "Changes.Access sees the rows of its own Tx", Run: changesAccessOwnRows},
	}
}

// log is a workspace with a folder that changed after the file in it, so that the first page has an ancestor.
type log struct {
	*rig
	h          home
	d          stacksync.Device
	top, child stacksync.ItemRow
}

func newLog(t T, s Suite) *log {
	t.Helper()
	r := newRig(t, s)
	h := r.home()
	l := &log{rig: r, h: h, d: r.device(h.user.ID), top: r.folder(h.id(), stacksync.ItemID{})}
	l.child = r.file(h.id(), l.top.ID)
	l.top = r.next(l.top)
	r.save(stacksync.PutParams{Devices: []stacksync.Device{l.d}, Items: []stacksync.ItemRow{l.top, l.child}})
	return l
}

// access returns the rows that everybody gets who asks for the workspace.
func (lg *log) access() stacksync.AccessRows {
	return stacksync.AccessRows{Workspaces: []stacksync.Workspace{lg.h.workspace}, Owners: []stacksync.User{lg.h.user}}
}

// requirePage asks in all ways for the first page, of one item.
func (lg *log) requirePage(promise string, key stacksync.AccessKey, access stacksync.AccessRows, items bool) {
	lg.t.Helper()
	p := stacksync.ChangesParams{Workspace: lg.h.id(), Access: key, PageBound: stacksync.PageBound{Limit: 1}}
	if key.Workspace != (stacksync.WorkspaceID{}) {
		p.Workspace = key.Workspace
	}
	look := func(l look) {
		got := l.changes(p)
		sameAccess(lg.t, promise, access, got.AccessRows)
		if !items {
			require.Empty(lg.t, got.Items, "%s: no items are read for a user who is not a member", promise)
			require.Empty(lg.t, got.Ancestors, "%s: no ancestors are read for a user who is not a member", promise)
			return
		}
		sameList(lg.t, promise, []stacksync.ItemRow{lg.child}, got.Items)
		sameSet(lg.t, promise, []stacksync.ItemRow{lg.top}, got.Ancestors)
	}
	lg.read(look)
	lg.direct(look)
}

func changesAccess(t T, s Suite) {
	lg := newLog(t, s)
	want := lg.access()
	want.Members, want.Devices = []stacksync.Member{lg.h.member}, []stacksync.Device{lg.d}
	const promise = "Changes.Access asks for the workspace, its owner, the user's membership and the user's device"
	lg.requirePage(promise, accessKey(lg.h.id(), lg.h.user.ID, lg.d.ID), want, true)
	want.Devices = nil
	lg.requirePage(promise+": the zero DeviceID asks for no device", accessKey(lg.h.id(), lg.h.user.ID, stacksync.DeviceID{}), want, true)
}

func changesAccessStranger(t T, s Suite) {
	lg := newLog(t, s)
	stranger := lg.home()
	d := lg.device(stranger.user.ID)
	lg.save(stacksync.PutParams{Devices: []stacksync.Device{d}})

	want := lg.access()
	want.Devices = []stacksync.Device{d}
	lg.requirePage("of a stranger", accessKey(lg.h.id(), stranger.user.ID, d.ID), want, false)
	want.Devices = nil
	lg.requirePage("of a stranger with the device of a member", accessKey(lg.h.id(), stranger.user.ID, lg.d.ID), want, false)
	lg.requirePage("of an unknown user", accessKey(lg.h.id(), "nobody", lg.d.ID), want, false)
	lg.requirePage("of no user", stacksync.AccessKey{Workspace: lg.h.id()}, want, false)
	unknown := stacksync.WorkspaceID{UUID: lg.uuid()}
	lg.requirePage("of an unknown workspace", accessKey(unknown, stranger.user.ID, stacksync.DeviceID{}), stacksync.AccessRows{}, false)
	lg.requirePage("of an unknown workspace, with a device", accessKey(unknown, stranger.user.ID, d.ID),
		stacksync.AccessRows{Devices: []stacksync.Device{d}}, false)
}

// changesAccessRoles shows that the store decides nothing: a revoked device is the service's matter.
func changesAccessRoles(t T, s Suite) {
	lg := newLog(t, s)
	for role := stacksync.Viewer; role <= stacksync.Owner; role++ {
		u := lg.user()
		m, d := lg.member(lg.h.id(), u.ID, role), lg.device(u.ID)
		d.Revoked = true
		lg.save(stacksync.PutParams{Users: []stacksync.User{u}, Members: []stacksync.Member{m}, Devices: []stacksync.Device{d}})
		want := lg.access()
		want.Members = []stacksync.Member{m}
		lg.requirePage("of an unknown device", accessKey(lg.h.id(), u.ID, stacksync.DeviceID{UUID: lg.uuid()}), want, true)
		lg.requirePage("of a device of somebody else", accessKey(lg.h.id(), u.ID, lg.d.ID), want, true)
		want.Devices = []stacksync.Device{d}
		lg.requirePage("of a revoked device", accessKey(lg.h.id(), u.ID, d.ID), want, true)
	}
}

func changesAccessEmpty(t T, s Suite) {
	lg := newLog(t, s)
	empty := lg.home()
	p := stacksync.ChangesParams{
		Workspace: lg.h.id(), After: lg.rev, Access: accessKey(lg.h.id(), lg.h.user.ID, lg.d.ID), PageBound: stacksync.PageBound{Limit: 10},
	}
	look := func(l look) {
		want := lg.access()
		want.Members, want.Devices = []stacksync.Member{lg.h.member}, []stacksync.Device{lg.d}
		got := l.changes(p)
		sameAccess(t, "who has seen all changes gets the access rows", want, got.AccessRows)
		require.Empty(t, got.Items, "there is nothing after the last revision")
		got = l.changes(stacksync.ChangesParams{
			Workspace: empty.id(), Access: accessKey(empty.id(), empty.user.ID, stacksync.DeviceID{}), PageBound: stacksync.PageBound{Limit: 10},
		})
		sameAccess(t, "a workspace without changes has access rows", stacksync.AccessRows{
			Workspaces: []stacksync.Workspace{empty.workspace}, Owners: []stacksync.User{empty.user}, Members: []stacksync.Member{empty.member},
		}, got.AccessRows)
		require.Empty(t, got.Items, "an empty workspace has no changes")
	}
	lg.read(look)
	lg.direct(look)
}

func changesNoAccess(t T, s Suite) {
	lg := newLog(t, s)
	lg.requirePage("the zero AccessKey asks for nothing, and nobody is kept off", stacksync.AccessKey{}, stacksync.AccessRows{}, true)
}

func changesAccessOwnRows(t T, s Suite) {
	lg := newLog(t, s)
	u := lg.user()
	m, d := lg.member(lg.h.id(), u.ID, stacksync.Viewer), lg.device(u.ID)
	p := stacksync.PutParams{Users: []stacksync.User{u}, Members: []stacksync.Member{m}, Devices: []stacksync.Device{d}}
	changes := stacksync.ChangesParams{
		Workspace: lg.h.id(), Access: accessKey(lg.h.id(), u.ID, d.ID), PageBound: stacksync.PageBound{Limit: 1},
	}
	lg.saveAndRead(p, func(l look) {
		want := lg.access()
		want.Members, want.Devices = p.Members, p.Devices
		got := l.changes(changes)
		sameAccess(t, "a Tx sees its own rows", want, got.AccessRows)
		sameList(t, "a Tx sees its own rows: the user is a member now", []stacksync.ItemRow{lg.child}, got.Items)
	})
}
