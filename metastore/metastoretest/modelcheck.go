package metastoretest

import (
	"context"
	"errors"

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

// transaction runs a random transaction, which may fail at its end, in the store and in the model.
func (w *world) transaction(ctx context.Context, t *rapid.T, store stacksync.MetadataStore) {
	next := w.model.clone() // as far as Puts and removals go
	var steps []step
	for range rapid.IntRange(1, 3).Draw(t, "steps") {
		steps = append(steps, w.randomSteps(t, next)...)
	}
	fails := rapid.IntRange(0, 4).Draw(t, "fails") == 0
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
		for n := range worldOperations {
			locks.Operations = append(locks.Operations, w.operations(n)...)
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

// compare asks for all rows by their keys, and for some random lists and pages.
func (w *world) compare(t *rapid.T, l look) {
	u := w.user(index(t, worldUsers, "user"))
	sameSet(t, "Users as in the model", filter(w.model.users, func(v stacksync.User) bool { return v.ID == u }), l.users(u))
	sameList(t, "Devices as in the model", w.model.devicesOf(u), l.devices(u))
	memberships, got := w.model.memberships(u), l.memberships(u)
	sameList(t, "Memberships as in the model", memberships.Members, got.Members)
	sameList(t, "Memberships as in the model", memberships.Workspaces, got.Workspaces)
	var at []stacksync.WorkspaceID
	for _, n := range some(t, worldWorkspaces+1, "workspaces") {
		at = append(at, w.workspace(n))
	}
	sameList(t, "Members as in the model", w.model.membersOf(at...), l.members(at...))
	operations := stacksync.OperationsParams{
		IDs: w.operations(some(t, worldOperations+1, "operations")...), State: stacksync.OperationState(index(t, 5, "state")),
		Limit: rapid.IntRange(1, worldOperations+1).Draw(t, "limit"),
	}
	if rapid.Bool().Draw(t, "of workspaces") {
		operations.Workspaces = at
	}
	if rapid.Bool().Draw(t, "of a user") {
		operations.Users = []stacksync.UserID{w.user(index(t, worldUsers+1, "user"))}
	}
	sameList(t, "Operations as in the model", w.model.operationsPage(operations), l.operations(operations))
	stopped := rapid.IntRange(1, worldOperations+1).Draw(t, "stopped")
	sameList(t, "StoppedOperations as in the model", w.model.stopped(stopped), filterSlice(l.stopped(stopped), w.owns))
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
