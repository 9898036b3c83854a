package metastoretest

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func concurrencyChecks() []check {
	return []check{
		{Name: "no update is lost under a lock", Run: noLostUpdates},
		{Name: "readers see whole transactions, in order", Run: wholeTransactions},
		{Name: "a follower of the change log misses nothing", Run: followers},
	}
}

// requireNoneLost counts a user's quota up from many goroutines, over all the stores, which share one database.
func (r *rig) requireNoneLost(stores []stacksync.MetadataStore, callers, rounds int) {
	r.t.Helper()
	h := r.home()
	fs := make([]func() error, callers)
	for i := range fs {
		store := stores[i%len(stores)]
		fs[i] = func() error {
			for range rounds {
				if err := tryUpdate(r.ctx, store, func(c change) { addOne(c, []stacksync.UserID{h.user.ID}) }); err != nil {
					return err
				}
			}
			return nil
		}
	}
	r.together(fs...)
	h.user.QuotaUsed += int64(callers * rounds)
	r.view(func(l look) {
		sameSet(r.t, "of transactions that lock, read, count up and Put, none is lost", []stacksync.User{h.user}, l.users(h.user.ID))
	})
}

// addOne locks users, reads them, and Puts each with one more byte used.
func addOne(c change, ids []stacksync.UserID) {
	c.lock(stacksync.LockParams{Users: ids})
	users := slices.Clone(c.users(ids...)) // rows handed out may be shared
	for i := range users {
		users[i].QuotaUsed++
	}
	runtime.Gosched() // lets others come between
	c.put(stacksync.PutParams{Users: users})
}

func noLostUpdates(t T, s Suite) {
	r := newRig(t, s)
	r.requireNoneLost([]stacksync.MetadataStore{r.store}, 8, 20)
}

// wholeTransactions has writers on several workspaces save two items with one size in each transaction, while readers
// compare them.
func wholeTransactions(t T, s Suite) {
	r := newRig(t, s)
	const workspaces, leastWrites, leastReads = 3, 40, 100
	type pair struct {
		a, b      stacksync.ItemRow
		committed atomic.Int64 // the last size of which a writer knows that it was committed
	}
	pairs := make([]*pair, workspaces)
	var written, reads atomic.Int64 // writers that are done, Views
	var fs []func() error
	for i := range pairs {
		h := r.home()
		p := &pair{a: r.file(h.id(), stacksync.ItemID{}), b: r.file(h.id(), stacksync.ItemID{})}
		p.a.Size, p.b.Size = 0, 0
		r.save(putItems(p.a, p.b))
		pairs[i] = p
		fs = append(fs, func() error {
			defer written.Add(1)
			a, b := p.a, p.b
			for n := int64(1); n <= leastWrites || reads.Load() < leastReads; n++ {
				a.Version, a.Revision, a.Size = n+1, 100+2*n, n
				b.Version, b.Revision, b.Size = n+1, 101+2*n, n
				if err := tryUpdate(r.ctx, r.store, func(c change) {
					c.lock(lockWorkspaces(a.Workspace))
					c.put(putItems(a))
					c.put(putItems(b))
				}); err != nil {
					return err
				}
				p.committed.Store(n)
			}
			return nil
		})
	}
	for i := range 2 * workspaces {
		p := pairs[i%workspaces]
		fs = append(fs, func() error {
			for written.Load() < workspaces && r.ctx.Err() == nil {
				least := p.committed.Load()
				if err := tryView(r.ctx, r.store, func(l look) { readPair(l, p.a, p.b, least) }); err != nil {
					reads.Add(leastReads) // nobody needs to go on
					return err
				}
				reads.Add(1)
			}
			return r.ctx.Err()
		})
	}
	r.together(fs...)
}

// readPair reads a and b in several ways, and fails if they differ, or if a read sees less than the one before. The
// first must see at least least.
func readPair(l look, a, b stacksync.ItemRow, least int64) {
	for _, read := range []struct {
		method string
		rows   func() []stacksync.ItemRow
	}{
		{"Load.Items", func() []stacksync.ItemRow { return l.items(itemKeys(a, b)...) }},
		{"Changes", func() []stacksync.ItemRow {
			return l.changes(stacksync.ChangesParams{Workspace: a.Workspace, PageBound: stacksync.PageBound{Limit: 10}}).Items
		}},
		{"Children", func() []stacksync.ItemRow {
			return l.children(stacksync.ChildrenParams{Workspace: a.Workspace, PageBound: stacksync.PageBound{Limit: 10}})
		}},
		{"Load.Names", func() []stacksync.ItemRow { return l.named(nameKeyOf(a), nameKeyOf(b)) }},
	} {
		rows := read.rows()
		if len(rows) != 2 || rows[0].Size != rows[1].Size {
			panic(failure{fmt.Errorf("promised: Update is atomic and isolated\nbut %s saw half a transaction: %+v", read.method, rows)})
		}
		if rows[0].Size < least {
			panic(failure{fmt.Errorf("promised: each read of a View sees at least what the one before saw, and all that was committed before it began\n"+
				"but %s saw %d after %d", read.method, rows[0].Size, least)})
		}
		least = rows[0].Size
	}
}

// followers read the log of one workspace while writers append to it, each at the next revision, under the lock.
func followers(t T, s Suite) {
	r := newRig(t, s)
	const writers, commits, items = 4, 8, 3
	h := r.home()
	h.workspace.Revision = 0
	r.save(h.put())
	files := make([][]stacksync.ItemRow, writers)
	for i := range files {
		for range items {
			files[i] = append(files[i], r.file(h.id(), stacksync.ItemID{}))
		}
	}
	key := stacksync.LoadParams{Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, stacksync.DeviceID{})}}
	const last = writers * commits * items

	var written atomic.Int64 // writers that are done
	var fs []func() error
	for _, mine := range files {
		fs = append(fs, func() error {
			defer written.Add(1)
			for n := range int64(commits) {
				if err := tryUpdate(r.ctx, r.store, func(c change) {
					c.lock(lockWorkspaces(h.id()))
					w := c.load(key).Workspaces[0]
					var p stacksync.PutParams
					for _, row := range mine {
						w.Revision++
						row.Version, row.Revision = n+1, w.Revision
						p.Items = append(p.Items, row)
					}
					p.Workspaces = []stacksync.Workspace{w}
					runtime.Gosched() // lets others come between
					c.put(p)
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range 3 {
		fs = append(fs, func() error {
			seen, err := r.follow(h.id(), 1+3*i, func() bool { return written.Load() == writers })
			if err != nil {
				return err
			}
			for _, row := range slices.Concat(files...) {
				if seen[row.ID] != commits {
					return fmt.Errorf("a follower of the log, a page of %d at a time, has seen version %d of item %v instead of %d",
						1+3*i, seen[row.ID], row.ID, commits)
				}
			}
			return nil
		})
	}
	r.together(fs...)
	r.view(func(l look) {
		require.EqualValues(t, last, l.load(key).Workspaces[0].Revision, "revisions are taken under the lock, without a gap")
	})
}

// follow pages through the log until it has read to the end after over said so. It returns the versions it has seen last.
func (r *rig) follow(w stacksync.WorkspaceID, limit int, over func() bool) (map[stacksync.ItemID]int64, error) {
	seen := map[stacksync.ItemID]int64{}
	var after int64
	for r.ctx.Err() == nil {
		last := over()
		var page []stacksync.ItemRow
		if err := tryView(r.ctx, r.store, func(l look) {
			page = l.changes(stacksync.ChangesParams{Workspace: w, After: after, PageBound: stacksync.PageBound{Limit: limit}}).Items
		}); err != nil {
			return nil, err
		}
		for _, row := range page {
			if row.Revision <= after {
				return nil, fmt.Errorf("promised: Changes returns items by revision\nbut %d came after %d", row.Revision, after)
			}
			after, seen[row.ID] = row.Revision, row.Version
		}
		if last && len(page) < limit {
			return seen, nil
		}
	}
	return nil, r.ctx.Err()
}
