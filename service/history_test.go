package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

// TestHistory has many goroutines commit to the same few items while followers page. Afterwards each version has exactly one winner,
// revisions are dense, the charge is right, and every follower has exactly the final tree, having seen folders first throughout.
func TestHistory(t *testing.T) {
	const writers, items = 16, 5
	rounds := testsize.Of(10, 30)
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		folder := w.folder(stacksync.ItemID{}, "folder")
		shared := make([]stacksync.Proposal, items)
		w.must(folder)
		for i := range shared {
			shared[i] = w.file(folder.Item, fmt.Sprint("item ", i), "v1")
			w.must(shared[i])
		}
		chunks := w.upload("v1", "a", "bb", "ccc")

		done := make(chan struct{})
		var writing, reading sync.WaitGroup
		var mu sync.Mutex
		winners := map[stacksync.VersionKey]string{}
		for n := range writers {
			actor, svc := w.device(w.actor.User), w.each[n%len(w.each)]
			writing.Go(func() {
				for round := range rounds {
					it := shared[(n+round)%items]
					now, err := svc.GetItem(t.Context(), stacksync.GetItemRequest{Actor: actor, Workspace: w.ws, Item: it.Item})
					if err != nil {
						t.Errorf("get: %v", err)
						return
					}
					who := fmt.Sprintf("writer %d round %d", n, round)
					c := chunks[(n+round)%len(chunks)]
					p := stacksync.Proposal{Item: it.Item, Version: now.Item.Version + 1, Parent: folder.Item, Name: it.Name, Kind: stacksync.File,
						Size: c.Size, Chunks: []stacksync.Chunk{c}, Attrs: map[string]string{"who": who}}
					res, err := svc.Commit(t.Context(), stacksync.CommitRequest{Actor: actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
					if err != nil {
						t.Errorf("commit: %v", err)
						return
					}
					switch o := res.Outcomes[0]; o.Result {
					case stacksync.Committed:
						mu.Lock()
						key := stacksync.VersionKey{Workspace: w.ws, Item: it.Item, Version: p.Version}
						if was, twice := winners[key]; twice {
							t.Errorf("version %d was won by %s and by %s", p.Version, was, who)
						}
						winners[key] = who
						mu.Unlock()
					case stacksync.InConflict:
						if !errors.Is(o.Err, stacksync.ErrVersionConflict) || o.Item.Version < p.Version {
							t.Errorf("conflict with version %d of the server: %v", o.Item.Version, o.Err)
						}
					default:
						t.Errorf("%s: %v", o.Result, o.Err)
					}
				}
			})
		}
		followers := make([]*follower, 4)
		for i := range followers {
			followers[i] = &follower{actor: w.device(w.actor.User), tree: map[stacksync.ItemID]stacksync.Item{}}
			reading.Go(func() { followWhile(t, w, followers[i], i+1, done) })
		}
		writing.Wait()
		close(done)
		reading.Wait()

		s := w.snapshot()
		require.Equal(t, s.charged(), s.Used)
		require.EqualValues(t, 1+items+len(winners), s.Revision, "each saved version took one revision, and nothing else did")
		for _, it := range s.Items {
			if it.Kind == stacksync.File {
				for v := it.Version; v > 1; v-- {
					res, err := w.svc.GetItem(t.Context(), stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: it.ID, Version: v})
					require.NoError(t, err)
					require.Equal(t, winners[stacksync.VersionKey{Workspace: w.ws, Item: it.ID, Version: v}], res.Item.Attrs["who"])
				}
			}
			for _, f := range followers {
				require.Equal(t, plain(it), f.tree[it.ID])
				require.Len(t, f.tree, len(s.Items))
			}
		}
	})
}

// followWhile pages until the writers are done and the log is read to its end.
func followWhile(t *testing.T, w *world, f *follower, limit int, done chan struct{}) {
	for {
		over := false
		select {
		case <-done:
			over = true
		default:
		}
		page, err := w.each[limit%len(w.each)].Changes(t.Context(), stacksync.ChangesRequest{Actor: f.actor, Workspace: w.ws, Cursor: f.cursor, Limit: limit})
		if err != nil {
			t.Errorf("changes: %v", err)
			return
		}
		for _, fault := range f.apply(page) {
			if fault != "" {
				t.Error(fault)
			}
		}
		if over && !page.More {
			return
		}
	}
}

// Crossed moves and folder deletions from many devices at once never leave a cycle, nor a live item in a deleted folder.
func TestTreeSurvivesCrossedMoves(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		var folders []stacksync.Proposal
		for i := range 6 {
			folders = append(folders, w.folder(stacksync.ItemID{}, fmt.Sprint("folder ", i)))
		}
		w.must(folders...)
		var running sync.WaitGroup
		var moved atomic.Int64
		for n := range 8 {
			actor, svc := w.device(w.actor.User), w.each[n%len(w.each)]
			running.Go(func() {
				for round := range 25 {
					from, to := folders[(n+round)%6], folders[(n*5+round*3+1)%6]
					now, err := svc.GetItem(t.Context(), stacksync.GetItemRequest{Actor: actor, Workspace: w.ws, Item: from.Item})
					if err != nil {
						t.Errorf("get: %v", err)
						return
					}
					p := from
					p.Version, p.Parent = now.Item.Version+1, to.Item
					if now.Item.Deleted {
						p.Parent = stacksync.ItemID{}
					}
					p.Delete = round%10 == 9
					res, err := svc.Commit(t.Context(), stacksync.CommitRequest{Actor: actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
					if err != nil {
						t.Errorf("commit: %v", err)
						return
					}
					if res.Outcomes[0].OK() {
						moved.Add(1)
					}
				}
			})
		}
		running.Wait()
		require.Greater(t, moved.Load(), int64(20), "too few moves to prove anything")
		requireTree(t, w.snapshot())
	})
}

// The quota holds whoever uploads at once: of 64 files of 10 bytes, ten fit 100.
func TestQuotaHoldsUnderConcurrency(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		limit := int64(100)
		_, err := w.svc.PutUser(t.Context(), stacksync.PutUserRequest{User: w.actor.User, QuotaLimit: &limit})
		require.NoError(t, err)
		var files []stacksync.Proposal
		for i := range 64 {
			files = append(files, w.file(stacksync.ItemID{}, fmt.Sprint("file ", i), "0123456789"))
		}
		var fit, refused atomic.Int64
		var running sync.WaitGroup
		for i, f := range files {
			running.Go(func() {
				res, err := w.each[i%len(w.each)].Commit(t.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{f}})
				switch {
				case err != nil:
					t.Errorf("commit: %v", err)
				case res.Outcomes[0].OK():
					fit.Add(1)
				case errors.Is(res.Outcomes[0].Err, stacksync.ErrQuotaExceeded):
					refused.Add(1)
				}
			})
		}
		running.Wait()
		require.EqualValues(t, 10, fit.Load())
		require.EqualValues(t, 54, refused.Load())
		require.EqualValues(t, 100, w.snapshot().Used)
	})
}

// Once a revocation has returned, no commit of that device is saved, also none that was on its way.
func TestNothingIsSavedAfterRevocation(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		w := newWorld(t, open(t))
		for range 10 {
			lost := w.device(w.actor.User)
			ctx, stop := context.WithCancel(t.Context())
			started := make(chan struct{})
			var running sync.WaitGroup
			var once sync.Once
			for n := range 4 {
				running.Go(func() {
					for ctx.Err() == nil {
						p := stacksync.Proposal{Item: newID(), Version: 1, Name: newID().String(), Kind: stacksync.Folder}
						_, err := w.each[n%len(w.each)].Commit(t.Context(), stacksync.CommitRequest{Actor: lost, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
						if err != nil && !errors.Is(err, stacksync.ErrDeviceRevoked) {
							t.Errorf("commit: %v", err)
						}
						once.Do(func() { close(started) })
					}
				})
			}
			<-started
			_, err := w.svc.RevokeDevice(t.Context(), stacksync.RevokeDeviceRequest{Actor: w.actor, ID: lost.Device})
			require.NoError(t, err)
			after := w.snapshot().Revision
			stop()
			running.Wait()
			require.Equal(t, after, w.snapshot().Revision)
		}
	})
}
