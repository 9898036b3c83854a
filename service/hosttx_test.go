package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
	"github.com/stacksync/stacksync-go/service"
)

// hosted commits as a host does that saves a row of its own together with the commit; its row is a device here. It calls Committed once
// both are saved.
func (w *world) hosted(row stacksync.Device, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	var res service.CommitInResult
	err := w.store.Update(w.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		_, err := tx.Lock(ctx, stacksync.LockParams{Users: []stacksync.UserID{row.User}, Workspaces: []stacksync.WorkspaceID{r.Workspace}})
		if err != nil {
			return err
		}
		if _, err := tx.Put(ctx, stacksync.PutParams{Devices: []stacksync.Device{row}}); err != nil {
			return err
		}
		res, err = w.svc.CommitIn(ctx, tx, r)
		return err
	})
	if err == nil {
		res.Committed()
	}
	return res.CommitResult, err
}

// hostRow is a row that the host saves.
func (w *world) hostRow() stacksync.Device {
	return stacksync.Device{ID: stacksync.DeviceID{UUID: newID().UUID}, User: w.actor.User, Name: "row of the host", CreatedAt: time.Now()}
}

func (w *world) hasRow(row stacksync.Device) bool {
	w.Helper()
	key := stacksync.AccessKey{Workspace: w.ws, User: row.User, Device: row.ID}
	return len(w.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{key}}).Devices) == 1
}

func (w *world) request(proposals ...stacksync.Proposal) stacksync.CommitRequest {
	return stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: proposals}
}

// The host's rows and the commit land together, and followers are told when the host says so.
func TestCommitInLandsWithTheHostsRows(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, metastoretest.Twice(open(t)))
		f := w.follow(w.actor, "")
		f.next(t)
		row, folder := w.hostRow(), w.folder(stacksync.ItemID{}, "docs")
		res, err := w.hosted(row, w.request(folder, w.file(folder.Item, "f", "content")))
		require.NoError(t, err)
		require.EqualValues(t, 2, res.Revision)
		var items []stacksync.Item
		for _, o := range res.Outcomes {
			require.NoError(t, o.Err)
			items = append(items, *o.Item)
		}
		require.Equal(t, items, f.next(t).Items)
		require.True(t, w.hasRow(row))
		s := w.snapshot()
		require.Equal(t, s.charged(), s.Used)
	})
}

// Nobody is told before the host says that it has committed; if it never does, a relay tells them.
func TestCommitInTellsNobodyTooEarly(t *testing.T) {
	for _, said := range []bool{true, false} {
		t.Run(fmt.Sprint("the host says so: ", said), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				w := newWorld(t, memory.New(memory.Config{}), b.configure)
				var res service.CommitInResult
				require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) (err error) {
					res, err = w.svc.CommitIn(ctx, tx, w.request(w.folder(stacksync.ItemID{}, "a")))
					time.Sleep(time.Second) // the host's transaction takes its time
					require.Empty(t, b.of(w.ws))
					return err
				}))
				time.Sleep(time.Second)
				require.Empty(t, b.of(w.ws))
				if said {
					res.Committed()
					require.Equal(t, []int64{1}, b.of(w.ws))
				}
				time.Sleep(relayed)
				require.Equal(t, []int64{1}, b.of(w.ws), "once")
				w.requireOwed(false)
			})
		})
	}
}

// A host that calls Committed though it has an error tells nobody.
func TestCommitInTellsNobodyAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		var failing atomic.Bool
		w := newWorld(t, metastoretest.Faulty(memory.New(memory.Config{}), func(at metastoretest.Point) error {
			if at == metastoretest.AtPut && failing.Load() {
				return errFault
			}
			return nil
		}), b.configure)
		failing.Store(true)
		stranger := w.request(w.folder(stacksync.ItemID{}, "a"))
		stranger.User = "eve"
		for want, r := range map[error]stacksync.CommitRequest{errFault: w.request(w.folder(stacksync.ItemID{}, "a")), stacksync.ErrWorkspaceNotFound: stranger} {
			require.ErrorIs(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
				res, err := w.svc.CommitIn(ctx, tx, r)
				defer res.Committed()
				return err
			}), want)
		}
		require.Empty(t, b.of(w.ws))
	})
}

// What the host rolls back is not there, whether it does so by itself or after an error.
func TestCommitInRollsBackWithTheHost(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		var fail atomic.Pointer[func(metastoretest.Point) error]
		w := newWorld(t, metastoretest.Faulty(open(t), func(at metastoretest.Point) error {
			if f := fail.Load(); f != nil {
				return (*f)(at)
			}
			return nil
		}), quiet)
		tr := newTree(w)
		r := w.request(w.file(tr.docs.Item, "f", "fresh content"), deletion(tr.sub))
		row, before := w.hostRow(), w.snapshot()
		n := 1
		for ; ; n++ {
			f := metastoretest.FailNth(n, errFault)
			fail.Store(&f)
			res, err := w.hosted(row, r)
			fail.Store(nil)
			if err == nil {
				require.Equal(t, before.Revision+3, res.Revision)
				break
			}
			require.ErrorIs(t, err, errFault)
			if after := w.snapshot(); after.Revision != before.Revision {
				require.True(t, w.hasRow(row), "after a failure that came when all was saved both are there")
				require.Equal(t, before.Revision+3, after.Revision)
				break
			}
			require.False(t, w.hasRow(row))
			require.Equal(t, before, w.snapshot())
		}
		require.Greater(t, n, 8, "too few points to prove anything")

		saved, host := w.snapshot(), errors.New("the host has changed its mind")
		require.ErrorIs(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
			res, err := w.svc.CommitIn(ctx, tx, w.request(w.folder(stacksync.ItemID{}, "not kept")))
			require.NoError(t, err)
			require.NoError(t, res.Outcomes[0].Err)
			return host
		}), host)
		require.Equal(t, saved, w.snapshot())
	})
}

// CommitIn refuses what Commit refuses, with the same errors.
func TestCommitInChecksAll(t *testing.T) {
	errPolicy := errors.New("not on Sundays")
	w := newWorld(t, memory.New(memory.Config{}), func(c *service.Config) {
		c.Limits.Proposals = 2
		c.Policy = func(_ context.Context, r stacksync.PolicyRequest) error {
			if r.Proposed.Name == "vetoed" {
				return errPolicy
			}
			return nil
		}
	})
	stranger, _ := w.join("eve")
	revoked := w.device(w.actor.User)
	_, err := w.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: w.actor, ID: revoked.Device})
	require.NoError(t, err)
	good := w.folder(stacksync.ItemID{}, "good")
	as := func(actor stacksync.Actor) stacksync.CommitRequest {
		r := w.request(good)
		r.Actor = actor
		return r
	}
	missing := stacksync.Proposal{Item: w.id(), Version: 1, Name: "f", Kind: stacksync.File, Size: 3, Chunks: []stacksync.Chunk{{Name: "not there", Size: 3}}}
	for name, row := range map[string]struct {
		r       stacksync.CommitRequest
		err     error // of the call
		outcome error // of the first proposal
	}{
		"no device":      {r: as(stacksync.Actor{User: w.actor.User}), err: stacksync.ErrInvalid},
		"stranger":       {r: as(stranger), err: stacksync.ErrWorkspaceNotFound},
		"revoked device": {r: as(revoked), err: stacksync.ErrDeviceRevoked},
		"too many":       {r: w.request(good, good, good), err: stacksync.ErrLimit},
		"bad name":       {r: w.request(w.folder(stacksync.ItemID{}, "a/b")), outcome: stacksync.ErrName},
		"vetoed":         {r: w.request(w.folder(stacksync.ItemID{}, "vetoed")), outcome: errPolicy},
		"missing chunk":  {r: w.request(missing), outcome: stacksync.ErrChunksMissing},
		"conflict":       {r: w.request(next(good, func(p *stacksync.Proposal) { p.Version = 7 })), outcome: stacksync.ErrUnknownItem},
	} {
		hosted, err := w.hosted(w.hostRow(), row.r)
		plain, plainErr := w.svc.Commit(t.Context(), row.r)
		require.ErrorIs(t, err, row.err, name)
		require.ErrorIs(t, plainErr, row.err, name)
		require.Equal(t, plain, hosted, name)
		if row.outcome != nil {
			require.ErrorIs(t, hosted.Outcomes[0].Err, row.outcome, name)
		}
		require.Zero(t, w.snapshot().Revision, name)
	}
	require.NoError(t, w.svc.Close())
	_, err = w.hosted(w.hostRow(), w.request(good))
	require.ErrorIs(t, err, stacksync.ErrClosed)
}

// A service that closes while the host's transaction runs leaves the hint to others.
func TestCommitInOutlivesItsService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		w := newWorld(t, memory.New(memory.Config{}), b.configure)
		var res service.CommitInResult
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) (err error) {
			res, err = w.svc.CommitIn(ctx, tx, w.request(w.folder(stacksync.ItemID{}, "a")))
			require.NoError(t, w.svc.Close())
			return err
		}))
		res.Committed()
		require.Empty(t, b.of(w.ws))
		w.beside(b.configure)
		time.Sleep(relayed)
		require.Equal(t, []int64{1}, b.of(w.ws))
	})
}

// One transaction may hold several commits, each of which sees those before it.
func TestCommitInSeveralTimes(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		g := w.guest(t, 1)
		folder := w.folder(stacksync.ItemID{}, "docs")
		requests := []stacksync.CommitRequest{w.request(folder), g.request(g.folder(stacksync.ItemID{}, "theirs")), w.request(w.file(folder.Item, "f", "content"))}
		var committed []func()
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
			committed = nil
			for _, r := range requests {
				res, err := w.svc.CommitIn(ctx, tx, r)
				if err != nil {
					return err
				}
				require.NoError(t, res.Outcomes[0].Err)
				committed = append(committed, res.Committed)
			}
			return nil
		}))
		for _, done := range committed {
			done()
		}
		require.Len(t, w.snapshot().Items, 2)
		require.Len(t, g.snapshot().Items, 1)
		require.Equal(t, w.snapshot().charged(), w.snapshot().Used)
	})
}

// On a store of one writer commits wait for the host's transaction, and their lookups too: those of CommitIn must not wait for them.
func TestCommitInWaitsForNobody(t *testing.T) {
	w := newWorld(t, memory.New(memory.Config{}))
	file := w.file(stacksync.ItemID{}, "f", "content")
	answered := make(chan error)
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		commit := func() {
			_, err := w.svc.Commit(t.Context(), w.request(stacksync.Proposal{Item: newID(), Version: 1, Name: newID().String(), Kind: stacksync.Folder}))
			answered <- err
		}
		go commit()
		w.svc.AwaitRunning()
		go commit()
		w.svc.AwaitQueued(1)
		res, err := w.svc.CommitIn(ctx, tx, w.request(file))
		require.NoError(t, res.Outcomes[0].Err)
		return err
	}))
	require.NoError(t, <-answered)
	require.NoError(t, <-answered)
	require.Len(t, w.snapshot().Items, 3)
}
