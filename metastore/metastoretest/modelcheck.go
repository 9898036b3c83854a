package metastoretest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

func modelChecks() []check {
	return []check{{Name: "random transactions answer as a model does", Run: againstModel}}
}

func againstModel(t T, s Suite) {
	r := newRig(t, s)
	rounds := 0
	rapid.Check(&rapidTB{T: t}, func(rt *rapid.T) {
		rounds++
		ctx, cancel := context.WithTimeout(t.Context(), r.patience) // not r.ctx: there are many rounds, and more when one fails
		defer cancel()
		w := newWorld(rounds)
		for range rapid.IntRange(1, 4).Draw(rt, "transactions") {
			w.transaction(ctx, rt, r.store)
			if err := tryView(ctx, r.store, func(l look) { w.compare(rt, l) }); err != nil {
				rt.Fatalf("View: %v", err)
			}
			if err := tryDirect(ctx, r.store, func(l look) { w.compareDirect(rt, l) }); err != nil {
				rt.Fatalf("Load or Changes of the store: %v", err)
			}
		}
	})
}

// The sizes of a world: small, so that random keys meet.
const (
	worldUsers, worldDevices, worldWorkspaces = 3, 3, 2
	worldItems, worldNames, worldChunks       = 6, 4, 4
)

// world is a corner of the database that one round of the check has for itself. Its ids have the round in front, so
// that they sort alike in every round: a failure stays one when the round is repeated.
type world struct {
	round int
	model *model
	steps int64 // grows with each Put: revisions and the like are made of it
}

func newWorld(round int) *world { return &world{round: round, model: newModel()} }

func (w *world) uuid(kind byte, n int) (id [16]byte) {
	id[0], id[1], id[2] = byte(w.round>>16), byte(w.round>>8), byte(w.round)
	id[8], id[15] = kind, byte(n*37+1)
	return id
}

func (w *world) user(n int) stacksync.UserID {
	return stacksync.UserID(fmt.Sprintf("%06d %c", w.round, "aBä"[n%3]))
}
func (w *world) device(n int) stacksync.DeviceID { return stacksync.DeviceID{UUID: w.uuid('d', n)} }
func (w *world) workspace(n int) stacksync.WorkspaceID {
	return stacksync.WorkspaceID{UUID: w.uuid('w', n)}
}

// time returns times of the round's own hour, which comes before those of the rounds so far: what they have left can't
// be claimed.
func (w *world) time(n int) time.Time {
	return time.Date(2024, 1, 1, -w.round, 0, n, n*1000, time.UTC)
}

// item returns the id of item n; 0 is the root. Items of all workspaces have the same ids.
func (w *world) item(n int) (id stacksync.ItemID) {
	if n > 0 {
		id.UUID = w.uuid('i', n)
	}
	return id
}

func (w *world) name(n int) string  { return []string{"a", "B", "á", "z'%"}[n] }
func (w *world) chunk(n int) string { return fmt.Sprintf("chunk %d", n) }

func (w *world) randomTime(t *rapid.T, what string) time.Time { return w.time(index(t, 5, what)) }

func index(t *rapid.T, n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }

// step is a part of a transaction: one of its fields is set.
type step struct {
	put   *stacksync.PutParams
	claim *stacksync.ClaimHintsParams
	mark  *stacksync.MarkNotifiedParams
}

// run does a step in the store and in the model.
func (st step) run(c change, m *model) {
	switch {
	case st.put != nil:
		c.put(*st.put)
		m.put(*st.put)
	case st.claim != nil:
		if err := m.claim(*st.claim, c.claim(*st.claim)); err != nil {
			panic(failure{err})
		}
	default:
		c.mark(*st.mark)
		m.mark(*st.mark)
	}
}

// transaction runs a random transaction, which may fail at its end, in the store and in the model.
func (w *world) transaction(ctx context.Context, t *rapid.T, store stacksync.MetadataStore) {
	next := w.model.clone() // as far as the Puts go
	first := len(w.model.users) == 0
	var steps []step
	if first { // all others need the users and workspaces
		p := w.accounts()
		next.put(p)
		steps = append(steps, step{put: &p})
	}
	for range rapid.IntRange(1, 3).Draw(t, "steps") {
		steps = append(steps, w.randomStep(t, next))
	}
	fails := !first && rapid.IntRange(0, 4).Draw(t, "fails") == 0
	errFails := errors.New("fails")

	var after *model
	err := tryUpdate(ctx, store, func(c change) {
		now := &world{round: w.round, model: w.model.clone()}
		var locks stacksync.LockParams
		for n := range worldWorkspaces {
			locks.Workspaces = append(locks.Workspaces, w.workspace(n))
		}
		for n := range worldUsers {
			locks.Users = append(locks.Users, w.user(n))
		}
		c.lock(locks)
		for _, st := range steps {
			st.run(c, now.model)
		}
		now.compare(t, c.look)
		if fails {
			panic(failure{errFails})
		}
		after = now.model
	})
	switch {
	case fails && !errors.Is(err, errFails):
		t.Fatalf("Update returned %v instead of its closure's error", err)
	case fails:
	case err != nil:
		t.Fatalf("Update: %v", err)
	default:
		w.model = after
	}
}

func (w *world) randomStep(t *rapid.T, next *model) step {
	switch rapid.SampledFrom([]string{"put", "put", "put", "claim", "mark"}).Draw(t, "step") {
	case "claim":
		return step{claim: &stacksync.ClaimHintsParams{
			Now: w.randomTime(t, "now"), Until: w.randomTime(t, "until"), Limit: rapid.IntRange(1, worldWorkspaces+1).Draw(t, "limit"),
		}}
	case "mark":
		p := stacksync.MarkNotifiedParams{Due: w.randomTime(t, "due"), Notified: map[stacksync.WorkspaceID]int64{}}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, worldWorkspaces), 0, 3, rapid.ID[int]).Draw(t, "workspaces") { // the last one is unknown
			p.Notified[w.workspace(n)] = rapid.Int64Range(0, 30).Draw(t, "notified")
		}
		return step{mark: &p}
	default:
		p := w.randomPut(t, next)
		next.put(p)
		return step{put: &p}
	}
}

// accounts saves the users and workspaces, which all random rows belong to.
func (w *world) accounts() stacksync.PutParams {
	var p stacksync.PutParams
	for n := range worldUsers {
		p.Users = append(p.Users, stacksync.User{ID: w.user(n), CreatedAt: w.time(n)})
	}
	for n := range worldWorkspaces {
		p.Workspaces = append(p.Workspaces, stacksync.Workspace{
			ID: w.workspace(n), Owner: w.user(n), CreatedAt: w.time(n), Revision: 1, HintDue: w.time(n),
		})
	}
	return p
}

// randomPut draws rows with other keys for each list.
func (w *world) randomPut(t *rapid.T, m *model) stacksync.PutParams {
	var p stacksync.PutParams
	w.steps++
	if rapid.Bool().Draw(t, "accounts") {
		u, d := w.user(index(t, worldUsers, "user")), w.device(index(t, worldDevices, "device"))
		at := w.workspace(index(t, worldWorkspaces, "workspace"))
		p.Users = []stacksync.User{{ID: u, QuotaUsed: w.steps, CreatedAt: w.time(1)}}
		p.Devices = []stacksync.Device{{ID: d, User: u, Name: fmt.Sprint(w.steps), Revoked: w.steps%2 == 0, CreatedAt: w.time(int(w.steps % 3))}}
		p.Members = []stacksync.Member{{Workspace: at, User: u, Role: stacksync.Role(1 + w.steps%3), JoinedAt: w.time(2)}}
		p.Workspaces = []stacksync.Workspace{{
			ID: at, Owner: u, Revision: w.steps, CreatedAt: w.time(3),
			Notified: rapid.Int64Range(0, w.steps+1).Draw(t, "notified"), HintDue: w.randomTime(t, "due"),
		}}
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, worldWorkspaces*worldItems-1), 0, 5, rapid.ID[int]).Draw(t, "items") {
		at, n := w.workspace(n/worldItems), n%worldItems+1
		row, superseded := w.randomItem(t, m, &p, at, n)
		p.Items = append(p.Items, row)
		if superseded != nil {
			p.Superseded = append(p.Superseded, *superseded)
		}
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, worldChunks-1), 0, 2, rapid.ID[int]).Draw(t, "chunks") {
		at := w.workspace(index(t, worldWorkspaces, "workspace"))
		p.Chunks = append(p.Chunks, stacksync.ChunkRow{Workspace: at, Chunk: stacksync.Chunk{Name: w.chunk(n), Size: w.steps}})
	}
	return p
}

// randomItem draws the next version of an item, and returns the one it supersedes. Its parent is one with a lower
// number, so that there are no cycles, and a name that a live sibling has is made another one: the service would not save those.
func (w *world) randomItem(t *rapid.T, m *model, p *stacksync.PutParams, at stacksync.WorkspaceID, n int) (row stacksync.ItemRow, superseded *stacksync.ItemRow) {
	w.steps++
	row = stacksync.ItemRow{Workspace: at, Item: stacksync.Item{
		ID: w.item(n), Version: 1, Revision: w.steps, Status: stacksync.StatusNew, Kind: stacksync.Folder,
		Parent: w.item(index(t, n, "parent")), Deleted: rapid.IntRange(0, 3).Draw(t, "deleted") == 0,
	}}
	old, ok := m.items[itemKeys(row)[0]]
	if ok {
		row.Version, row.Status, superseded = old.Version+1, stacksync.StatusChanged, &old
	}
	row.NameKey = w.name(index(t, worldNames, "name"))
	taken := func(other stacksync.ItemRow) bool {
		return nameKeyOf(other) == nameKeyOf(row) && other.ID != row.ID && !other.Deleted
	}
	if len(filter(m.items, taken)) > 0 || len(filterSlice(p.Items, taken)) > 0 {
		row.NameKey += fmt.Sprintf(" %d", n)
	}
	row.Name = "Name " + row.NameKey
	if rapid.Bool().Draw(t, "content") {
		row.Kind, row.Size = stacksync.File, w.steps
		row.Chunks, row.Attrs = []stacksync.Chunk{{Name: w.chunk(0), Size: w.steps}}, map[string]string{"step": fmt.Sprint(w.steps)}
	}
	return row, superseded
}

// compare asks for all rows by their keys, and for some random lists and pages.
func (w *world) compare(t *rapid.T, l look) {
	u := w.user(index(t, worldUsers, "user"))
	sameSet(t, "Users as in the model", filter(w.model.users, func(v stacksync.User) bool { return v.ID == u }), l.users(u))
	sameList(t, "Devices as in the model", w.model.devicesOf(u), l.devices(u))
	memberships, got := w.model.memberships(u), l.memberships(u)
	sameList(t, "Memberships as in the model", memberships.Members, got.Members)
	sameList(t, "Memberships as in the model", memberships.Workspaces, got.Workspaces)
	w.comparePages(t, l)

	w.compareLoads(t, l)
}

// compareDirect asks for what a store reads without a closure.
func (w *world) compareDirect(t *rapid.T, l look) {
	w.compareLoads(t, l)
	w.compareChanges(t, l, w.workspace(index(t, worldWorkspaces, "workspace")), rapid.IntRange(1, worldItems+1).Draw(t, "limit"))
}

func (w *world) compareLoads(t *rapid.T, l look) {
	var p stacksync.LoadParams
	for at := range worldWorkspaces {
		p = w.askAll(p, w.workspace(at))
	}
	w.compareLoad(t, l, "all keys", p)
	one := stacksync.ItemKey{Workspace: w.workspace(index(t, worldWorkspaces, "workspace")), Item: w.item(index(t, worldItems+1, "item"))}
	w.compareLoad(t, l, "Ancestors", stacksync.LoadParams{Ancestors: []stacksync.ItemKey{one}})
	w.compareLoad(t, l, "Subtrees", stacksync.LoadParams{Subtrees: []stacksync.ItemKey{one}})
}

func (w *world) comparePages(t *rapid.T, l look) {
	at := w.workspace(index(t, worldWorkspaces, "workspace"))
	limit := rapid.IntRange(1, worldItems+1).Draw(t, "limit")

	children := stacksync.ChildrenParams{Workspace: at, Parent: w.item(index(t, worldItems, "folder")), PageBound: stacksync.PageBound{Limit: limit}}
	if rapid.Bool().Draw(t, "continues") {
		children.After = w.name(index(t, worldNames, "after"))
	}
	sameList(t, "Children as in the model", w.model.childrenPage(children), l.children(children))

	versions := stacksync.VersionsParams{Workspace: at, Item: w.item(index(t, worldItems+1, "item")), PageBound: stacksync.PageBound{Limit: limit}}
	versions.Before = rapid.Int64Range(0, 4).Draw(t, "before")
	sameList(t, "Versions as in the model", w.model.versionsPage(versions), l.versions(versions))

	w.compareChanges(t, l, at, limit)
}

func (w *world) compareChanges(t *rapid.T, l look, at stacksync.WorkspaceID, limit int) {
	changes := stacksync.ChangesParams{Workspace: at, PageBound: stacksync.PageBound{Limit: limit}}
	changes.After = rapid.Int64Range(0, 30).Draw(t, "after")
	changes.LiveThrough = rapid.Int64Range(0, 30).Draw(t, "live through")
	if rapid.Bool().Draw(t, "access") {
		changes.Access = accessKey(at, w.user(index(t, worldUsers, "user")), w.device(index(t, worldDevices, "device")))
	}
	want, got := w.model.changes(changes), l.changes(changes)
	sameAccess(t, "Changes.Access as in the model", want.AccessRows, got.AccessRows)
	sameList(t, "Changes as in the model", want.Items, got.Items)
	sameSet(t, "Changes' Ancestors as in the model", want.Ancestors, got.Ancestors)
}

func (w *world) compareLoad(t *rapid.T, l look, what string, p stacksync.LoadParams) {
	want, got := w.model.load(p), l.load(p)
	promise := "Load of " + what + " as in the model"
	sameAccess(t, promise, want.AccessRows, got.AccessRows)
	sameSet(t, promise+" (Items)", want.Items, got.Items)
	sameSet(t, promise+" (Versions)", want.Versions, got.Versions)
	sameSet(t, promise+" (Chunks)", want.Chunks, got.Chunks)
}

// askAll adds every key there may be in a workspace. Ancestors and Subtrees are asked on their own.
func (w *world) askAll(p stacksync.LoadParams, at stacksync.WorkspaceID) stacksync.LoadParams {
	for n := range worldItems + 1 {
		p.Items = append(p.Items, stacksync.ItemKey{Workspace: at, Item: w.item(n)})
		for version := range int64(6) {
			p.Versions = append(p.Versions, stacksync.VersionKey{Workspace: at, Item: w.item(n), Version: version})
		}
		for name := range worldNames {
			p.Names = append(p.Names, stacksync.NameKey{Workspace: at, Parent: w.item(n), Key: w.name(name)})
		}
	}
	for n := range worldUsers {
		p.Access = append(p.Access, stacksync.AccessKey{Workspace: at, User: w.user(n), Device: w.device(n)})
	}
	for n := range worldChunks {
		p.Chunks = append(p.Chunks, stacksync.ChunkKey{Workspace: at, Name: w.chunk(n)})
	}
	return p
}

func filterSlice[V any](vs []V, keep func(V) bool) (kept []V) {
	for _, v := range vs {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	return kept
}
