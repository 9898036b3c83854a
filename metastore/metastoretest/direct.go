package metastoretest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func directChecks() []check {
	return []check{
		{Name: "Load and Changes of the store bring what those of a View do", Run: directAsView},
		{Name: "Load and Changes of the store see what was committed before them", Run: directAfterUpdate},
		{Name: "Load and Changes of the store don't wait for an open Update, and see nothing of it", Run: directBesideUpdate},
		{Name: "Load and Changes of the store don't run with a ctx that has ended", Run: directEndedContext},
		{Name: "Changes of the store refuses a Limit below 1", Run: directLimitBelowOne},
		{Name: "a Load is one snapshot, of the store too", Run: loadSnapshot},
		{Name: "the access rows of a Changes are of the page's snapshot", Run: changesSnapshot},
	}
}

// directAsView asks for everything there is, in one call.
func directAsView(t T, s Suite) {
	sc := newScene(t, s)
	sc.save(sc.change)
	w := sc.h.id()
	top := sc.folder(w, stacksync.ItemID{})
	deep := sc.file(w, top.ID)
	top.Revision = sc.rev + 1
	sc.save(putItems(top, deep))
	load := stacksync.LoadParams{
		Access:    []stacksync.AccessKey{accessKey(w, sc.h.user.ID, sc.d.ID), accessKey(w, "nobody", sc.d.ID)},
		Items:     itemKeys(sc.a, sc.b),
		Names:     []stacksync.NameKey{nameKeyOf(sc.new), nameKeyOf(sc.a)},
		Ancestors: itemKeys(deep),
		Versions:  []stacksync.VersionKey{versionKeyOf(sc.a)},
		Chunks:    []stacksync.ChunkKey{chunkKeyOf(sc.c)},
	}
	changes := stacksync.ChangesParams{
		Workspace: w, After: sc.b.Revision, Access: load.Access[0], PageBound: stacksync.PageBound{Limit: 3},
	}
	access := stacksync.AccessRows{
		Workspaces: sc.change.Workspaces, Owners: sc.change.Users[:1], Members: sc.change.Members, Devices: sc.change.Devices,
	}
	look := func(l look) {
		got := l.load(load)
		const promise = "Load of the store is that of a View of its own"
		sameAccess(t, promise, access, got.AccessRows)
		sameSet(t, promise, []stacksync.ItemRow{sc.a2, sc.b, sc.new, top}, got.Items)
		sameSet(t, promise, []stacksync.ItemRow{sc.a}, got.Versions)
		sameSet(t, promise, []stacksync.ChunkRow{sc.c}, got.Chunks)
		page := l.changes(changes)
		sameAccess(t, "Changes of the store is that of a View of its own", access, page.AccessRows)
		sameList(t, "Changes of the store is that of a View of its own", []stacksync.ItemRow{sc.a2, sc.new, deep}, page.Items)
		sameSet(t, "Changes of the store is that of a View of its own", []stacksync.ItemRow{top}, page.Ancestors)
	}
	sc.view(look)
	sc.direct(look)
}

func directAfterUpdate(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	row := r.file(h.id(), stacksync.ItemID{})
	r.save(putItems(row))
	for range 50 {
		row = r.next(row)
		r.save(putItems(row))
		r.direct(func(l look) {
			const promise = "each sees all that was committed before it began"
			sameSet(t, promise, []stacksync.ItemRow{row}, l.items(itemKeys(row)...))
			sameList(t, promise, []stacksync.ItemRow{row}, l.changes(stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: 10}}).Items)
		})
	}
}

// directBesideUpdate needs no goroutine: it looks from inside the closure of an open Update.
func directBesideUpdate(t T, s Suite) {
	sc := newScene(t, s)
	sc.update(func(c change) {
		c.lock(locksOf(sc.change))
		c.put(sc.change)
		err := tryDirect(sc.ctx, sc.store, func(l look) {
			const promise = "nobody sees a row before the transaction that Put it has committed"
			sameSet(t, promise, []stacksync.ItemRow{sc.a, sc.b}, l.items(itemKeys(sc.a, sc.b, sc.new)...))
			got := l.changes(stacksync.ChangesParams{
				Workspace: sc.h.id(), Access: accessKey(sc.h.id(), sc.h.user.ID, sc.d.ID), PageBound: stacksync.PageBound{Limit: 10},
			})
			sameAccess(t, promise, stacksync.AccessRows{
				Workspaces: []stacksync.Workspace{sc.h.workspace}, Owners: []stacksync.User{sc.h.user}, Members: []stacksync.Member{sc.h.member},
			}, got.AccessRows)
			sameList(t, promise, []stacksync.ItemRow{sc.a, sc.b}, got.Items)
		})
		require.NoError(t, err, "readers never wait for writers: a Load inside the closure of an Update")
	})
}

func directEndedContext(t T, s Suite) {
	r := newRig(t, s)
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := r.store.Load(ctx, stacksync.LoadParams{})
	require.ErrorIs(t, err, context.Canceled, "Load returns the error of a ctx that has ended")
	_, err = r.store.Changes(ctx, stacksync.ChangesParams{PageBound: stacksync.PageBound{Limit: 1}})
	require.ErrorIs(t, err, context.Canceled, "Changes returns the error of a ctx that has ended")
}

func directLimitBelowOne(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	for _, limit := range []int{0, -1} {
		_, err := r.store.Changes(r.ctx, stacksync.ChangesParams{Workspace: h.id(), PageBound: stacksync.PageBound{Limit: limit}})
		var field *stacksync.FieldError
		require.ErrorAs(t, err, &field, "a Limit below 1 is a *FieldError")
		require.Equal(t, "Limit", field.Field, "the *FieldError names the field")
	}
}

// loadSnapshot has one writer Put the same number in rows of all kinds, while others load them.
func loadSnapshot(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	old := r.file(h.id(), stacksync.ItemID{})
	row, c, d := r.next(old), r.chunk(h.id()), r.device(h.user.ID)
	at := func(n int64) stacksync.PutParams {
		h.user.QuotaUsed, h.workspace.Epoch, old.Size, row.Size, c.Size = n, n, n, n, n
		h.member.MountName, d.Name = fmt.Sprint(n), fmt.Sprint(n)
		p := h.put()
		p.Devices, p.Items, p.Superseded, p.Chunks = []stacksync.Device{d}, []stacksync.ItemRow{row}, []stacksync.ItemRow{old}, []stacksync.ChunkRow{c}
		return p
	}
	locks := locksOf(at(0))
	p := stacksync.LoadParams{
		Access: []stacksync.AccessKey{accessKey(h.id(), h.user.ID, d.ID)}, Items: itemKeys(row),
		Versions: []stacksync.VersionKey{versionKeyOf(old)}, Chunks: []stacksync.ChunkKey{chunkKeyOf(c)},
	}
	r.requireSnapshots(func(c change, n int64) {
		c.lock(locks)
		c.put(at(n))
	}, func(l look) (read []string) {
		got := l.load(p)
		for _, w := range got.Workspaces {
			read = append(read, fmt.Sprint(w.Epoch))
		}
		for _, u := range got.Owners {
			read = append(read, fmt.Sprint(u.QuotaUsed))
		}
		for _, m := range got.Members {
			read = append(read, m.MountName)
		}
		for _, d := range got.Devices {
			read = append(read, d.Name)
		}
		for _, row := range slices.Concat(got.Items, got.Versions) {
			read = append(read, fmt.Sprint(row.Size))
		}
		for _, c := range got.Chunks {
			read = append(read, fmt.Sprint(c.Size))
		}
		return read
	}, 7)
}

// changesSnapshot has one writer Put new versions, while others compare the end of the log with the workspace's Revision.
func changesSnapshot(t T, s Suite) {
	r := newRig(t, s)
	h := r.home()
	rows := []stacksync.ItemRow{r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{}), r.file(h.id(), stacksync.ItemID{})}
	r.save(putItems(rows...))
	p := stacksync.ChangesParams{
		Workspace: h.id(), Access: accessKey(h.id(), h.user.ID, stacksync.DeviceID{}), PageBound: stacksync.PageBound{Limit: len(rows) + 1},
	}
	const first = 1000 // above the revisions before
	r.requireSnapshots(func(c change, n int64) {
		c.lock(lockWorkspaces(h.id()))
		w, row := h.workspace, rows[n%int64(len(rows))]
		w.Revision, row.Version, row.Revision = first+n, n+2, first+n
		c.put(stacksync.PutParams{Workspaces: []stacksync.Workspace{w}, Items: []stacksync.ItemRow{row}})
	}, func(l look) (read []string) {
		got := l.changes(p)
		for _, w := range got.Workspaces {
			read = append(read, fmt.Sprint(w.Revision-first))
		}
		if len(got.Items) == len(rows) {
			read = append(read, fmt.Sprint(got.Items[len(rows)-1].Revision-first))
		}
		return read
	}, 2)
}

// requireSnapshots has one writer save with rising numbers, while others read in Views and from the store itself, until
// each has seen many of them. read returns all numbers that it finds, parts of them: they must be one number, and no less
// than what was committed before.
func (r *rig) requireSnapshots(write func(c change, n int64), read func(l look) []string, parts int) {
	r.t.Helper()
	const enough, readers = 30, 4
	require.NoError(r.t, tryUpdate(r.ctx, r.store, func(c change) { write(c, 1) }))
	var committed, done atomic.Int64 // the last number, readers
	committed.Store(1)
	ctx, stop := context.WithCancel(r.ctx)
	defer stop()
	fs := []func() error{func() error {
		defer stop() // also after an error: the readers wait
		for n := int64(2); done.Load() < readers; n++ {
			if err := tryUpdate(r.ctx, r.store, func(c change) { write(c, n) }); err != nil {
				return err
			}
			committed.Store(n)
		}
		return nil
	}}
	for i := range readers {
		look1 := tryDirect
		if i == 0 {
			look1 = tryView
		}
		fs = append(fs, func() error {
			defer done.Add(1) // also after an error: the writer waits
			var last int64
			for seen := 0; seen < enough; {
				least := committed.Load()
				var n int64
				if err := look1(ctx, r.store, func(l look) { n = oneNumber(read(l), parts, least) }); err != nil {
					return err
				}
				if n != last {
					seen++
				}
				last = n
			}
			return nil
		})
	}
	r.together(fs...)
}

func oneNumber(read []string, parts int, least int64) (n int64) {
	if len(read) != parts || len(slices.Compact(slices.Clone(read))) != 1 {
		panic(failure{fmt.Errorf("promised: a call reads one snapshot\nbut its rows are of several transactions: %v", read)})
	}
	if _, err := fmt.Sscan(read[0], &n); err != nil || n < least {
		panic(failure{fmt.Errorf("promised: a call sees all that was committed before it began\nbut it saw %v after %d", read[0], least)})
	}
	return n
}
