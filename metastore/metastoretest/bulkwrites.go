package metastoretest

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func bulkWriteChecks() []check {
	return []check{
		{Name: "thousands of operations in one ClaimOperations", Run: claimOperationsMany},
		{Name: "thousands of rows of a kind in one Remove", Run: removeMany},
		{Name: "thousands of rows in one Purge", Run: purgeMany},
	}
}

func claimOperationsMany(t T, s Suite) {
	r := newRig(t, s)
	n := s.many(t)
	now := r.time()
	until := now.Add(time.Hour)
	ops := r.due(slices.Repeat([]time.Time{now}, n)...)
	claimed := claimedUntil(until, ops...)
	sameOnce(t, "a ClaimOperations may pick 10,000 operations", claimed, r.claimOperations(now, until, n))
	r.view(func(l look) {
		sameOnce(t, "a ClaimOperations may pick 10,000 operations", claimed, l.operations(all(ops...)))
	})
}

func removeMany(t T, s Suite) {
	r := newRig(t, s)
	n := s.many(t)
	var p stacksync.PutParams
	var gone stacksync.RemoveParams
	for range n {
		u := r.user()
		w := r.workspace(u.ID)
		m, op := r.member(w.ID, u.ID, stacksync.Owner), r.operation(w.ID, u.ID)
		p.Users, p.Workspaces, p.Members = append(p.Users, u), append(p.Workspaces, w), append(p.Members, m)
		p.Devices, p.Operations = append(p.Devices, r.device(u.ID)), append(p.Operations, op)
		gone.Users, gone.Workspaces, gone.Operations = append(gone.Users, u.ID), append(gone.Workspaces, w.ID), append(gone.Operations, op.ID)
	}
	gone.Members = memberKeys(p.Members[:n-1]...)
	last := n - 1
	stay := home{p.Users[last], p.Workspaces[last], p.Members[last]}
	gone.Users, gone.Workspaces = gone.Users[:last], gone.Workspaces[:last]
	r.save(p)
	r.remove(gone)
	r.view(func(l look) {
		const promise = "methods are set-based: a Remove may have 10,000 keys"
		sameOnce(t, promise, []stacksync.User{stay.user}, l.users(append(gone.Users, stay.user.ID)...))
		sameOnce(t, promise, []stacksync.Member{stay.member}, l.members(append(gone.Workspaces, stay.id())...))
		sameOnce(t, promise, []stacksync.Workspace{stay.workspace}, l.workspaces(p.Workspaces...))
		require.Empty(t, l.operations(all(p.Operations...)), promise)
	})
}

func purgeMany(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	n := s.many(t)
	var p stacksync.PutParams
	for range n {
		old := r.file(h.id(), stacksync.ItemID{})
		row := r.next(old)
		row.NameKey = fmt.Sprintf("%05d", len(p.Items))
		p.Items, p.Superseded, p.Chunks = append(p.Items, row), append(p.Superseded, old), append(p.Chunks, r.chunk(h.id()))
	}
	r.save(p)
	for _, limit := range []int{n, n, 2 * n} {
		r.update(func(c change) {
			c.lock(lockWorkspaces(h.id()))
			deleted := c.purge(stacksync.PurgeParams{Workspace: h.id(), Limit: limit})
			require.LessOrEqual(t, deleted, limit, "a Purge deletes at most Limit rows")
		})
	}
	r.purgeToTheEnd(h.id(), 2*n)
	r.view(func(l look) { require.Zero(t, rowsLeft(l, p), "a Purge may delete 10,000 rows") })
}
