package service_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
)

// TestModel runs random calls of several devices against the service and the model, and wants the same answers, the same tree, the
// same feed and the same charge. The store runs each closure twice, since it may.
func TestModel(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		store := metastoretest.Twice(open(t))
		w := newWorld(t, store)
		stored := map[string]int64{}
		for i := range 4 {
			for _, c := range w.upload(fmt.Sprintf("%0*d", i+1, i)) {
				stored[c.Name] = c.Size
			}
		}
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			m := &machine{w: w, model: &model{stored: stored, limit: rapid.SampledFrom([]int64{0, 12, 40}).Draw(rt, "quota")}}
			m.start(fmt.Sprintf("user-%d", n))
			rt.Repeat(map[string]func(*rapid.T){
				"commit":  m.commit,
				"burst":   m.burst,
				"repeat":  m.repeat,
				"restore": m.restore,
				"page":    m.page,
				"read":    m.read,
				"intrude": m.intrude,
				"":        m.check,
			})
			m.finish(rt)
		})
	})
}

// machine is one random run: a workspace of its own, devices and followers.
type machine struct {
	w         *world
	model     *model
	devices   []stacksync.Actor
	stranger  stacksync.Actor
	ws        stacksync.WorkspaceID
	known     []stacksync.ItemID
	sent      []stacksync.CommitRequest
	followers []*follower
	turn      int
}

func (m *machine) start(user string) {
	var actor stacksync.Actor
	actor, m.ws = m.w.join(stacksync.UserID(user))
	_, err := m.w.svc.PutUser(m.w.Context(), stacksync.PutUserRequest{User: actor.User, QuotaLimit: &m.model.limit})
	require.NoError(m.w, err)
	m.devices = []stacksync.Actor{actor, m.w.device(actor.User), m.w.device(actor.User)}
	m.stranger, _ = m.w.join(stacksync.UserID(user + "-stranger"))
	for name, size := range m.model.stored {
		m.store(stacksync.Chunk{Name: name, Size: size})
	}
	m.followers = append(m.followers, m.follower(), m.follower())
}

// store copies a chunk from the world's workspace.
func (m *machine) store(c stacksync.Chunk) {
	rows := m.w.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{
		{Workspace: m.w.ws, User: m.w.actor.User}, {Workspace: m.ws, User: m.devices[0].User},
	}})
	p := stacksync.CopyChunksParams{Names: []string{c.Name}}
	for _, ws := range rows.Workspaces {
		if ws.ID == m.ws {
			p.To = ws.Container
		} else {
			p.From = ws.Container
		}
	}
	_, err := m.w.storage.CopyChunks(m.w.Context(), p)
	require.NoError(m.w, err)
}

func (m *machine) follower() *follower {
	return &follower{actor: m.devices[len(m.followers)%len(m.devices)], tree: map[stacksync.ItemID]stacksync.Item{}}
}

func (m *machine) item(t *rapid.T, label string) stacksync.ItemID {
	// Few items, so that runs meet: among those known, one that may be new, and the root.
	ids := append([]stacksync.ItemID{{}, numberedID(1000 + len(m.known))}, m.known...)
	id := rapid.SampledFrom(ids).Draw(t, label)
	return id
}

func (m *machine) propose(t *rapid.T) stacksync.Proposal {
	p := stacksync.Proposal{Item: m.item(t, "item")}
	if p.Item.IsZero() {
		p.Item = numberedID(1000 + len(m.known))
	}
	if !slices.Contains(m.known, p.Item) {
		m.known = append(m.known, p.Item)
	}
	now := m.model.current()[p.Item]
	p.Version = now.Version + rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 1, 0, -1, 2}).Draw(t, "version")
	if now.Version > 0 && rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
		p.Delete = true
		return p
	}
	p.Parent = m.item(t, "parent")
	p.Name = rapid.SampledFrom([]string{"a", "b", "c", "A", "caf\u00e9", "cafe\u0301"}).Draw(t, "name")
	p.Kind = rapid.SampledFrom([]stacksync.Kind{stacksync.Folder, stacksync.File}).Draw(t, "kind")
	if now.Version > 0 && rapid.IntRange(0, 9).Draw(t, "keep kind") > 0 {
		p.Kind = now.Kind
	}
	if p.Kind == stacksync.File {
		names := append(slices.Sorted(maps.Keys(m.model.stored)), "missing")
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(t, "chunks") {
			c := stacksync.Chunk{Name: name, Size: max(1, m.model.stored[name])}
			p.Chunks = append(p.Chunks, c)
			p.Size += c.Size
		}
	}
	if rapid.Bool().Draw(t, "attrs") {
		p.Attrs = map[string]string{"k": rapid.SampledFrom([]string{"", "1"}).Draw(t, "attr")}
	}
	return p
}

func (m *machine) commit(t *rapid.T) { m.send(t, m.request(t)) }

// burst sends several commits that are saved in one transaction.
func (m *machine) burst(t *rapid.T) {
	var requests []stacksync.CommitRequest
	real := m.model
	m.model = real.clone()
	for range rapid.IntRange(2, 4).Draw(t, "requests") {
		r := m.request(t)
		requests = append(requests, r)
		m.model.commit(r.Actor, r.Atomic, r.Proposals)
	}
	m.model = real
	results, errs := m.w.svc.CommitTogether(m.w.Context(), requests)
	for i, r := range requests {
		m.expect(t, r, results[i], errs[i])
	}
}

func (m *machine) request(t *rapid.T) stacksync.CommitRequest {
	r := stacksync.CommitRequest{Workspace: m.ws, Atomic: rapid.Bool().Draw(t, "atomic"), Actor: rapid.SampledFrom(m.devices).Draw(t, "device")}
	sketch := m.model.clone() // so that later proposals can build on earlier ones
	real := m.model
	m.model = sketch
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3, 6}).Draw(t, "proposals") {
		p := m.propose(t)
		r.Proposals = append(r.Proposals, p)
		sketch.commit(r.Actor, false, []stacksync.Proposal{p})
	}
	m.model = real
	m.sent = append(m.sent, r)
	return r
}

// repeat sends a commit again, perhaps from another device, as a client does that lost the answer.
func (m *machine) repeat(t *rapid.T) {
	if len(m.sent) == 0 {
		t.Skip("nothing was sent yet")
	}
	r := rapid.SampledFrom(m.sent).Draw(t, "request")
	m.send(t, r)
}

func (m *machine) send(t *rapid.T, r stacksync.CommitRequest) {
	res, err := m.w.svc.Commit(m.w.Context(), r)
	m.expect(t, r, res, err)
}

// expect has the model do what the service did, and wants the same answers.
func (m *machine) expect(t *rapid.T, r stacksync.CommitRequest, res stacksync.CommitResult, err error) {
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	results, errs := m.model.commit(r.Actor, r.Atomic, r.Proposals)
	for i, o := range res.Outcomes {
		if o.Result != results[i] || !errors.Is(o.Err, errs[i]) {
			t.Fatalf("proposal %d %+v: got %s (%v), want %s (%v)", i, r.Proposals[i], o.Result, o.Err, results[i], errs[i])
		}
		m.real(t, o)
	}
	if res.Revision != int64(len(m.model.log)) {
		t.Fatalf("revision %d, want %d", res.Revision, len(m.model.log))
	}
}

// real wants an outcome to speak only of what is saved.
func (m *machine) real(t *rapid.T, o stacksync.Outcome) {
	switch it := o.Item; {
	case (it == nil) != (o.Result == stacksync.Rejected):
		t.Fatalf("%s comes with item %v", o.Result, it)
	case it == nil:
	case it.Revision > int64(len(m.model.log)) || fmt.Sprint(plain(*it)) != fmt.Sprint(plain(m.model.log[it.Revision-1])):
		t.Fatalf("%s comes with %+v, which is not in the log", o.Result, *it)
	}
}

func (m *machine) restore(t *rapid.T) {
	if len(m.known) == 0 {
		t.Skip("no items yet")
	}
	id := rapid.SampledFrom(m.known).Draw(t, "item")
	now, ok := m.model.current()[id]
	if !ok {
		t.Skip("not made yet")
	}
	// The base may be an old one: a restore that comes too late, or that is repeated.
	base, _ := m.model.version(id, max(1, now.Version-rapid.Int64Range(0, 2).Draw(t, "behind")))
	old, _ := m.model.version(id, rapid.Int64Range(1, base.Version).Draw(t, "version"))
	p := stacksync.Proposal{Item: id, Version: base.Version + 1, Parent: base.Parent, Name: base.Name, Kind: base.Kind,
		Size: old.Size, Checksum: old.Checksum, Chunks: old.Chunks, Attrs: old.Attrs}
	actor := rapid.SampledFrom(m.devices).Draw(t, "device")
	results, errs := m.model.commit(actor, false, []stacksync.Proposal{p})
	res, err := m.w.svc.RestoreVersion(m.w.Context(), stacksync.RestoreVersionRequest{Actor: actor, Workspace: m.ws, Item: id, Version: old.Version, Base: base.Version})
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	if res.Outcome.Result != results[0] || !errors.Is(res.Outcome.Err, errs[0]) {
		t.Fatalf("restore: got %s (%v), want %s (%v)", res.Outcome.Result, res.Outcome.Err, results[0], errs[0])
	}
	m.real(t, res.Outcome)
}

// page moves a follower on by one page.
func (m *machine) page(t *rapid.T) {
	f := rapid.SampledFrom(m.followers).Draw(t, "follower")
	if rapid.IntRange(0, 5).Draw(t, "start anew") == 0 {
		f.cursor, f.tree = "", map[stacksync.ItemID]stacksync.Item{}
	}
	m.read1(t, f, rapid.IntRange(1, 4).Draw(t, "limit"))
}

func (m *machine) read1(t *rapid.T, f *follower, limit int) (more bool) {
	if f.cursor == "" {
		f.began = int64(len(m.model.log))
	}
	page, err := m.w.svc.Changes(m.w.Context(), stacksync.ChangesRequest{Actor: f.actor, Workspace: m.ws, Cursor: f.cursor, Limit: limit})
	if err != nil {
		t.Fatalf("changes: %v", err)
	}
	if faults := f.apply(page); faults != nil {
		t.Fatalf("%v", faults)
	}
	if !page.More {
		m.compare(t, f)
	}
	return page.More
}

// compare holds a follower that has caught up to the model.
func (m *machine) compare(t *rapid.T, f *follower) {
	want := m.model.live()
	for id, it := range want {
		want[id] = plain(it)
	}
	if !maps.EqualFunc(f.tree, want, func(a, b stacksync.Item) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Fatalf("a follower has\n%v\nand the model\n%v", f.tree, want)
	}
}

// read compares the single reads of a random item.
func (m *machine) read(t *rapid.T) {
	if len(m.known) == 0 {
		t.Skip("no items yet")
	}
	id := rapid.SampledFrom(m.known).Draw(t, "item")
	actor := m.devices[0]
	var want []stacksync.Item
	for _, it := range slices.Backward(m.model.log) {
		if it.ID == id {
			want = append(want, plain(it))
		}
	}
	var got []stacksync.Item
	for before := int64(0); ; {
		res, err := m.w.svc.ListVersions(m.w.Context(), stacksync.ListVersionsRequest{Actor: actor, Workspace: m.ws, Item: id, Before: before, Limit: 2})
		if len(want) == 0 {
			if !errors.Is(err, stacksync.ErrItemNotFound) {
				t.Fatalf("versions of an unknown item: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatalf("versions: %v", err)
		}
		for _, it := range res.Items {
			got = append(got, plain(it))
		}
		if before = res.Next; before == 0 {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("versions are\n%v\nwant\n%v", got, want)
	}
	if now := want[0]; !now.Deleted {
		m.readByPath(t, now)
	}
}

func (m *machine) readByPath(t *rapid.T, now stacksync.Item) {
	all := m.model.current()
	path := now.Name
	for at := all[now.Parent]; at.Version > 0; at = all[at.Parent] {
		path = at.Name + "/" + path
	}
	res, err := m.w.svc.GetItemByPath(m.w.Context(), stacksync.GetItemByPathRequest{Actor: m.devices[0], Workspace: m.ws, Path: path})
	if err != nil || res.Item.ID != now.ID {
		t.Fatalf("path %q is item %v (%v), want %v", path, res.Item.ID, err, now.ID)
	}
	found := false
	for after := ""; ; {
		page, err := m.w.svc.ListChildren(m.w.Context(), stacksync.ListChildrenRequest{Actor: m.devices[0], Workspace: m.ws, Parent: now.Parent, After: after, Limit: 2})
		if err != nil {
			t.Fatalf("children: %v", err)
		}
		for _, it := range page.Items {
			found = found || it.ID == now.ID
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if !found {
		t.Fatalf("%v is not among the children of its folder", now.ID)
	}
}

// intrude tries calls that must not work, from somebody else and with somebody else's device.
func (m *machine) intrude(t *rapid.T) {
	p := m.propose(t)
	borrowed := stacksync.Actor{User: m.stranger.User, Device: m.devices[0].Device}
	for _, try := range []struct {
		actor stacksync.Actor
		want  error
	}{
		{m.stranger, stacksync.ErrWorkspaceNotFound},
		{borrowed, stacksync.ErrWorkspaceNotFound},
		{stacksync.Actor{User: m.devices[0].User, Device: m.stranger.Device}, stacksync.ErrDeviceNotFound},
	} {
		_, err := m.w.svc.Commit(m.w.Context(), stacksync.CommitRequest{Actor: try.actor, Workspace: m.ws, Proposals: []stacksync.Proposal{p}})
		if !errors.Is(err, try.want) {
			t.Fatalf("commit as %v: %v, want %v", try.actor, err, try.want)
		}
		_, err = m.w.svc.Changes(m.w.Context(), stacksync.ChangesRequest{Actor: try.actor, Workspace: m.ws})
		if !errors.Is(err, try.want) {
			t.Fatalf("changes as %v: %v, want %v", try.actor, err, try.want)
		}
	}
}

// check runs after every step.
func (m *machine) check(t *rapid.T) {
	m.turn++
	m.w.svc = m.w.each[m.turn%len(m.w.each)] // the next call goes to another process
	user, err := m.w.svc.GetUser(m.w.Context(), stacksync.GetUserRequest{User: m.devices[0].User})
	if err != nil {
		t.Fatalf("user: %v", err)
	}
	if user.User.QuotaUsed != m.model.used() {
		t.Fatalf("%d bytes are charged, want %d", user.User.QuotaUsed, m.model.used())
	}
	if m.model.limit > 0 && user.User.QuotaUsed > m.model.limit {
		t.Fatalf("%d bytes are charged, over the limit of %d", user.User.QuotaUsed, m.model.limit)
	}
}

// finish brings every follower, and a new one, to the end.
func (m *machine) finish(t *rapid.T) {
	for _, f := range append(m.followers, m.follower()) {
		for m.read1(t, f, 3) {
		}
	}
}
