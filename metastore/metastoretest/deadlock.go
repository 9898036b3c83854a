package metastoretest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stacksync/stacksync-go"
)

func deadlockChecks() []check {
	return []check{
		{Name: "locks in opposite orders don't deadlock", Run: oppositeOrders},
		{Name: "64 callers over overlapping sets of workspaces and users", Run: overlappingLocks},
	}
}

func oppositeOrders(t T, s Suite) {
	r := newRig(t, s)
	a, b, c := r.home(), r.home(), r.home()
	orders := []stacksync.LockParams{
		{Workspaces: []stacksync.WorkspaceID{a.id(), b.id()}, Users: []stacksync.UserID{c.user.ID}},
		{Workspaces: []stacksync.WorkspaceID{b.id(), a.id()}},
		{Workspaces: []stacksync.WorkspaceID{c.id()}, Users: []stacksync.UserID{b.user.ID, a.user.ID}},
		{Users: []stacksync.UserID{a.user.ID, b.user.ID, c.user.ID}},
		{Users: []stacksync.UserID{c.user.ID, "nobody", b.user.ID}},
		{Workspaces: []stacksync.WorkspaceID{c.id(), b.id(), a.id()}, Users: []stacksync.UserID{"nobody"}},
	}
	fs := make([]func() error, 2*len(orders))
	for i := range fs {
		fs[i] = func() error {
			for range 15 {
				if err := tryUpdate(r.ctx, r.store, func(c change) { c.lock(orders[i%len(orders)]) }); err != nil {
					return fmt.Errorf("promised: transactions which lock once, first of all, never deadlock: %w", err)
				}
			}
			return nil
		}
	}
	r.together(fs...)
}

// crowd is what 64 callers work on: users, and workspaces that some of them own several of. The numbers count what was committed.
type crowd struct {
	users      []stacksync.User
	workspaces []stacksync.Workspace
	used       []atomic.Int64 // of users: what came to QuotaUsed
	revisions  []atomic.Int64 // of workspaces: what came to Revision, an item each
}

func overlappingLocks(t T, s Suite) {
	r := newRig(t, s)
	const callers, rounds, seed, users, workspaces = 64, 3, 20_261_123, 8, 12
	t.Logf("seed %d", seed)
	cr := &crowd{used: make([]atomic.Int64, users), revisions: make([]atomic.Int64, workspaces)}
	for range users {
		cr.users = append(cr.users, r.user())
	}
	for i := range workspaces {
		w := r.workspace(cr.users[i*5%users].ID)
		w.Revision, w.Notified, w.HintDue = 0, 0, time.Time{}
		cr.workspaces = append(cr.workspaces, w)
	}
	r.save(stacksync.PutParams{Users: cr.users, Workspaces: cr.workspaces})

	fs := make([]func() error, callers)
	for i := range fs {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		items := make([]stacksync.ItemRow, rounds*workspaces)
		for k := range items {
			items[k] = r.file(stacksync.WorkspaceID{}, stacksync.ItemID{})
		}
		fs[i] = func() error {
			for batch := range slices.Chunk(items, workspaces) {
				if err := cr.work(r, random, batch); err != nil {
					return fmt.Errorf("promised: transactions which lock once, first of all, never deadlock: %w", err)
				}
			}
			return nil
		}
	}
	r.together(fs...)
	r.view(func(l look) { cr.requireAll(t, l) })
}

// work locks random users and workspaces, counts them up, and puts an item into each of the workspaces.
func (cr *crowd) work(r *rig, random *rand.Rand, items []stacksync.ItemRow) error {
	users := random.Perm(len(cr.users))[:random.IntN(4)]
	workspaces := random.Perm(len(cr.workspaces))[:1+random.IntN(4)]
	var locks stacksync.LockParams
	for _, k := range users {
		locks.Users = append(locks.Users, cr.users[k].ID)
	}
	var picked []stacksync.Workspace
	for _, k := range workspaces {
		locks.Workspaces, picked = append(locks.Workspaces, cr.workspaces[k].ID), append(picked, cr.workspaces[k])
	}
	err := tryUpdate(r.ctx, r.store, func(c change) {
		c.lock(locks)
		p := stacksync.PutParams{Workspaces: slices.Clone(c.workspaces(picked...))} // rows handed out may be shared
		if len(users) > 0 {
			p.Users = slices.Clone(c.users(locks.Users...))
		}
		for i := range p.Users {
			p.Users[i].QuotaUsed++
		}
		for i := range p.Workspaces {
			p.Workspaces[i].Revision++
			item := items[i]
			item.Workspace, item.Revision = p.Workspaces[i].ID, p.Workspaces[i].Revision
			p.Items = append(p.Items, item)
		}
		runtime.Gosched() // lets others come between
		c.put(p)
	})
	if err != nil {
		return err
	}
	for _, k := range users {
		cr.used[k].Add(1)
	}
	for _, k := range workspaces {
		cr.revisions[k].Add(1)
	}
	return nil
}

func (cr *crowd) requireAll(t T, l look) {
	var ids []stacksync.UserID
	for k := range cr.users {
		ids = append(ids, cr.users[k].ID)
		cr.users[k].QuotaUsed += cr.used[k].Load()
	}
	for k := range cr.workspaces {
		cr.workspaces[k].Revision += cr.revisions[k].Load()
	}
	const promise = "of transactions over overlapping sets of locks, none is lost, and all end"
	sameSet(t, promise, cr.users, l.users(ids...))
	sameSet(t, promise, cr.workspaces, l.workspaces(cr.workspaces...))
	for _, w := range cr.workspaces {
		rows := l.changes(stacksync.ChangesParams{Workspace: w.ID, PageBound: stacksync.PageBound{Limit: int(w.Revision) + 1}}).Items
		if len(rows) != int(w.Revision) {
			t.Errorf("promised: %s\nbut %d of %d items are there", promise, len(rows), w.Revision)
		}
		for i, row := range rows {
			if row.Revision != int64(i)+1 {
				t.Errorf("promised: %s\nbut revision %d is that of item %d", promise, row.Revision, i+1)
				break
			}
		}
	}
}
