package metastoretest

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

const (
	// defaultPatience is how long a check waits for what must happen before it calls the store stuck.
	defaultPatience = slowdown * time.Minute
	// defaultGrace is how long a check waits for what must not happen. A store that breaks its promise only later passes,
	// one that keeps it never fails.
	defaultGrace = 25 * time.Millisecond
)

// rig is the database of one check, a first handle on it, and makers of ids.
type rig struct {
	t        T
	ctx      context.Context // ends with the check, or when patience does
	patience time.Duration
	grace    time.Duration
	opener   Opener
	store    stacksync.MetadataStore
	ids      int
	rev      int64
}

func newRig(t T, s Suite) *rig {
	t.Helper()
	r := &rig{t: t, patience: cmp.Or(s.patience, defaultPatience), grace: cmp.Or(s.grace, defaultGrace), opener: s.New(t)}
	ctx, cancel := context.WithTimeout(t.Context(), r.patience)
	t.Cleanup(cancel)
	r.ctx = ctx
	r.store = r.open()
	return r
}

// open returns another handle.
func (r *rig) open() stacksync.MetadataStore {
	r.t.Helper()
	store := r.opener(r.t)
	r.t.Cleanup(func() {
		closed := make(chan error, 1)
		go func() { closed <- store.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				r.t.Errorf("Close at the end of the check: %v", err)
			}
		case <-time.After(r.patience):
			r.t.Errorf("Close at the end of the check does not return, though all closures have")
		}
	})
	return store
}

// uuid returns an id that is the same each time the check runs, and has no order.
func (r *rig) uuid() uuid.UUID {
	r.ids++
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", r.t.Name(), r.ids))
}

// failure carries an error of the store up to the closure, which must return it: the store may want to run it again.
type failure struct{ err error }

func must[R any](result R, err error) R {
	if err != nil {
		panic(failure{err})
	}
	return result
}

// caught runs fn and returns the error that ended it.
func caught(fn func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.err
		default:
			panic(p)
		}
	}()
	fn()
	return nil
}

// look is a Reader inside its closure. An error ends the closure, which returns it.
type look struct {
	ctx context.Context
	r   stacksync.Reader
}

func (l look) users(ids ...stacksync.UserID) []stacksync.User {
	return must(l.r.Users(l.ctx, stacksync.UsersParams{IDs: ids})).Users
}

func (l look) devices(u stacksync.UserID) []stacksync.Device {
	return must(l.r.Devices(l.ctx, stacksync.DevicesParams{User: u})).Devices
}

func (l look) memberships(u stacksync.UserID) stacksync.MembershipsResult {
	return must(l.r.Memberships(l.ctx, stacksync.MembershipsParams{User: u}))
}

func (l look) members(ids ...stacksync.WorkspaceID) []stacksync.Member {
	return must(l.r.Members(l.ctx, stacksync.MembersParams{Workspaces: ids})).Members
}

func (l look) operations(p stacksync.OperationsParams) []stacksync.Operation {
	return must(l.r.Operations(l.ctx, p)).Operations
}

func (l look) stopped(limit int) []stacksync.Operation {
	return must(l.r.StoppedOperations(l.ctx, stacksync.StoppedOperationsParams{Limit: limit})).Operations
}

func (l look) load(p stacksync.LoadParams) stacksync.LoadResult { return must(l.r.Load(l.ctx, p)) }

// workspaces reads workspaces as they are now.
func (l look) workspaces(ws ...stacksync.Workspace) []stacksync.Workspace {
	var p stacksync.LoadParams
	for _, w := range ws {
		p.Access = append(p.Access, accessKey(w.ID, w.Owner, stacksync.DeviceID{}))
	}
	return l.load(p).Workspaces
}

func (l look) items(keys ...stacksync.ItemKey) []stacksync.ItemRow {
	return l.load(stacksync.LoadParams{Items: keys}).Items
}

func (l look) named(keys ...stacksync.NameKey) []stacksync.ItemRow {
	return l.load(stacksync.LoadParams{Names: keys}).Items
}

func (l look) children(p stacksync.ChildrenParams) []stacksync.ItemRow {
	return must(l.r.Children(l.ctx, p)).Items
}

func (l look) versions(p stacksync.VersionsParams) []stacksync.ItemRow {
	return must(l.r.Versions(l.ctx, p)).Items
}

func (l look) changes(p stacksync.ChangesParams) stacksync.ChangesRows {
	return must(l.r.Changes(l.ctx, p))
}

// change is a Tx inside its closure.
type change struct {
	look
	tx stacksync.Tx
}

func (c change) lock(p stacksync.LockParams) { must(c.tx.Lock(c.ctx, p)) }
func (c change) put(p stacksync.PutParams)   { must(c.tx.Put(c.ctx, p)) }

func (c change) remove(p stacksync.RemoveParams) { must(c.tx.Remove(c.ctx, p)) }

func (c change) purge(p stacksync.PurgeParams) int { return must(c.tx.Purge(c.ctx, p)).Rows }

func (c change) claimOperations(p stacksync.ClaimOperationsParams) []stacksync.Operation {
	return must(c.tx.ClaimOperations(c.ctx, p)).Operations
}

func (c change) claim(p stacksync.ClaimHintsParams) stacksync.ClaimHintsResult {
	return must(c.tx.ClaimHints(c.ctx, p))
}

func (c change) mark(p stacksync.MarkNotifiedParams) { must(c.tx.MarkNotified(c.ctx, p)) }

// tryView and tryUpdate run fn in a transaction of store. fn may run more than once.
func tryView(ctx context.Context, store stacksync.MetadataStore, fn func(l look)) error {
	return store.View(ctx, func(ctx context.Context, r stacksync.Reader) error {
		return caught(func() { fn(look{ctx, r}) })
	})
}

func tryUpdate(ctx context.Context, store stacksync.MetadataStore, fn func(c change)) error {
	return store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		return caught(func() { fn(change{look{ctx, tx}, tx}) })
	})
}

// way is tryView or tryDirect.
type way func(ctx context.Context, store stacksync.MetadataStore, fn func(l look)) error

// tryDirect runs fn with a look at the store itself, where each Load and each Changes is a View of its own.
func tryDirect(ctx context.Context, store stacksync.MetadataStore, fn func(l look)) error {
	return caught(func() { fn(look{ctx, direct{store: store}}) })
}

// direct is what a store reads without a closure.
type direct struct {
	stacksync.Reader // nil: a store has no more than the two below
	store            stacksync.MetadataStore
}

func (d direct) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return d.store.Load(ctx, p)
}

func (d direct) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return d.store.Changes(ctx, p)
}

func (r *rig) view(fn func(l look)) {
	r.t.Helper()
	require.NoError(r.t, tryView(r.ctx, r.store, fn), "View")
}

func (r *rig) update(fn func(c change)) {
	r.t.Helper()
	require.NoError(r.t, tryUpdate(r.ctx, r.store, fn), "Update")
}

func (r *rig) direct(fn func(l look)) {
	r.t.Helper()
	require.NoError(r.t, tryDirect(r.ctx, r.store, fn), "Load or Changes of the store")
}

// read runs fn in a View, and again in an Update, whose Tx is a Reader too.
func (r *rig) read(fn func(l look)) {
	r.t.Helper()
	r.view(fn)
	r.update(func(c change) { fn(c.look) })
}

// save commits p.
func (r *rig) save(p stacksync.PutParams) {
	r.t.Helper()
	r.update(func(c change) {
		c.lock(locksOf(p))
		c.put(p)
	})
}

// saveAndRead commits p and runs fn three times: in the transaction that has Put p, in a View and in a later Update.
func (r *rig) saveAndRead(p stacksync.PutParams, fn func(l look)) {
	r.t.Helper()
	r.update(func(c change) {
		c.lock(locksOf(p))
		c.put(p)
		fn(c.look)
	})
	r.read(fn)
}

// locksOf returns what the caller of Put must have locked.
func locksOf(p stacksync.PutParams) stacksync.LockParams {
	var locks stacksync.LockParams
	seen := map[any]bool{}
	user := func(id stacksync.UserID) {
		if !seen[id] {
			seen[id] = true
			locks.Users = append(locks.Users, id)
		}
	}
	workspace := func(id stacksync.WorkspaceID) {
		if !seen[id] {
			seen[id] = true
			locks.Workspaces = append(locks.Workspaces, id)
		}
	}
	for _, u := range p.Users {
		user(u.ID)
	}
	for _, d := range p.Devices {
		user(d.User)
	}
	for _, w := range p.Workspaces {
		workspace(w.ID)
	}
	for _, m := range p.Members {
		workspace(m.Workspace)
		user(m.User)
	}
	for _, row := range p.Items {
		workspace(row.Workspace)
	}
	for _, row := range p.Superseded {
		workspace(row.Workspace)
	}
	for _, c := range p.Chunks {
		workspace(c.Workspace)
	}
	for _, op := range p.Operations {
		locks.Operations = append(locks.Operations, op.ID)
	}
	return locks
}

// together runs fs at the same time, waits for all of them, and ends the check if one failed.
func (r *rig) together(fs ...func() error) {
	r.t.Helper()
	errs := make([]error, len(fs))
	var all sync.WaitGroup
	for i, f := range fs {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(r.t, err)
	}
}
