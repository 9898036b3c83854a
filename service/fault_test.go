package service_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/metastoretest"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
	"github.com/stacksync/stacksync-go/service"
)

var errFault = errors.New("fault")

// TestCommitFailsWhole fails a commit at each point of the store in turn. After a failure before the transaction has committed nothing is
// there; after one that comes when all is saved, the same commit again gives the answer that was lost. Either way the repeat is
// all the client needs.
func TestCommitFailsWhole(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		var fail atomic.Pointer[func(metastoretest.Point) error]
		house := newWorld(t, metastoretest.Faulty(open(t), func(at metastoretest.Point) error {
			if f := fail.Load(); f != nil {
				return (*f)(at)
			}
			return nil
		}), quiet)
		for n := 1; ; n++ {
			w := house.guest(t, n)
			tr := newTree(w)
			r := stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{
				w.folder(stacksync.ItemID{}, "new"), w.file(tr.docs.Item, "f", "fresh content"), deletion(tr.sub), tr.deep1,
			}}
			before := w.snapshot()
			var last metastoretest.Point
			nth := metastoretest.FailNth(n, errFault)
			f := func(at metastoretest.Point) error {
				err := nth(at)
				if err != nil {
					last = at
				}
				return err
			}
			fail.Store(&f)
			res, err := w.svc.Commit(t.Context(), r)
			fail.Store(nil)
			if err == nil {
				require.Greater(t, n, 8, "too few points to prove anything")
				return // it passed all points
			}
			require.ErrorIs(t, err, errFault)
			saved := w.snapshot()
			if last != metastoretest.AfterCommit {
				require.Equal(t, before, saved, "failed at %s", last)
			}
			res, err = w.svc.Commit(t.Context(), r)
			require.NoError(t, err)
			want := stacksync.Committed
			if last == metastoretest.AfterCommit {
				want = stacksync.AlreadyCommitted
				require.Equal(t, saved, w.snapshot(), "nothing is saved twice")
			}
			for i, o := range res.Outcomes[:3] {
				require.Equal(t, want, o.Result, "outcome %d after a failure at %s: %v", i, last, o.Err)
			}
			after := w.snapshot()
			require.Equal(t, before.Revision+4, after.Revision)
			require.Equal(t, after.charged(), after.Used)
		}
	})
}

// A call that fails in the store gives the store's error, and leaves the service fit to go on.
func TestEveryCallReportsTheStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		var broken atomic.Bool
		w := newWorld(t, metastoretest.Faulty(open(t), func(metastoretest.Point) error {
			if broken.Load() {
				return errFault
			}
			return nil
		}))
		tr := newTree(w)
		ctx := t.Context()
		for name, call := range map[string]func() error{
			"PutUser": func() error {
				_, err := w.svc.PutUser(ctx, stacksync.PutUserRequest{User: "new"})
				return err
			},
			"RegisterDevice": func() error {
				_, err := w.svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: w.actor})
				return err
			},
			"Commit": func() error {
				_, err := w.svc.Commit(ctx, stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{tr.docs}})
				return err
			},
			"Changes": func() error {
				_, err := w.svc.Changes(ctx, stacksync.ChangesRequest{Actor: w.actor, Workspace: w.ws})
				return err
			},
			"ListChildren": func() error {
				_, err := w.svc.ListChildren(ctx, stacksync.ListChildrenRequest{Actor: w.actor, Workspace: w.ws})
				return err
			},
			"ListVersions": func() error {
				_, err := w.svc.ListVersions(ctx, stacksync.ListVersionsRequest{Actor: w.actor, Workspace: w.ws, Item: tr.docs.Item})
				return err
			},
			"ListWorkspaces": func() error {
				_, err := w.svc.ListWorkspaces(ctx, stacksync.ListWorkspacesRequest{Actor: w.actor})
				return err
			},
		} {
			broken.Store(true)
			err := call()
			require.ErrorIs(t, err, errFault, name)
			require.ErrorContains(t, err, name+":", "the error says what was being done")
			broken.Store(false)
			require.NoError(t, call(), name)
		}
	})
}

// Two services on the files of one database, as two processes have them: they share no memory, and still exactly one wins each version.
func TestTwoServicesOnOneDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	chunks := storage.New(storage.Config{})
	var worlds []*world
	for range 2 {
		store, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		require.NoError(t, err)
		worlds = append(worlds, newWorld(t, store, func(c *service.Config) { c.Storage = chunks }))
	}
	first := worlds[0]
	shared := first.folder(stacksync.ItemID{}, "shared")
	first.must(shared)
	const versions = 20
	var running sync.WaitGroup
	var wins [versions]atomic.Int64
	for n, w := range worlds {
		for k := range 4 {
			actor := w.device(w.actor.User)
			running.Go(func() {
				for v := range versions {
					p := shared
					p.Version, p.Name = int64(v)+2, fmt.Sprintf("by %d %d", n, k)
					for {
						res, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
						if err != nil {
							t.Errorf("commit: %v", err)
							return
						}
						if o := res.Outcomes[0]; o.Result == stacksync.Committed {
							wins[v].Add(1)
						} else if o.Item.Version < p.Version {
							continue // the version before it is not there yet
						}
						break
					}
				}
			})
		}
	}
	running.Wait()
	for v := range wins {
		require.EqualValues(t, 1, wins[v].Load(), "version %d", v+2)
	}
	require.Equal(t, worlds[0].snapshot(), worlds[1].snapshot())
	require.EqualValues(t, versions+1, first.snapshot().Revision)
}
