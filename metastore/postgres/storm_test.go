package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// journal is what commits were sent in a storm, and what was answered.
type journal struct {
	mu     sync.Mutex
	saved  []success
	failed []failure
}

type success struct {
	request stacksync.CommitRequest
	result  stacksync.CommitResult
}

type failure struct {
	request stacksync.CommitRequest
	err     error
}

// storm commits from many goroutines: new folders with files, and then their next versions. Each asks before each
// commit whether that is enough.
func (w *world) storm(writers int, enough func(writer int) bool) *journal {
	j := &journal{}
	var all sync.WaitGroup
	var stop atomic.Bool
	for writer := range writers {
		all.Go(func() {
			for !stop.Load() {
				folder, inside := w.tree(2)
				for _, proposals := range [][]stacksync.Proposal{append([]stacksync.Proposal{folder}, inside...), next(inside[:1])} {
					if enough(writer) {
						stop.Store(true)
					}
					if !j.send(w, w.request(proposals...)) {
						break
					}
				}
			}
		})
	}
	all.Wait()
	return j
}

// send notes what is answered.
func (j *journal) send(w *world, request stacksync.CommitRequest) (saved bool) {
	res, err := w.svc.Commit(context.Background(), request)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range res.Outcomes {
		err = errors.Join(err, o.Err)
	}
	if err != nil {
		j.failed = append(j.failed, failure{request, err})
		return false
	}
	j.saved = append(j.saved, success{request, res})
	return true
}

// check compares the answers with what is saved. It sends again what has failed.
func (j *journal) check(w *world) {
	w.t.Helper()
	t := w.t
	for _, f := range j.failed {
		if errors.Is(f.err, stacksync.ErrUncertain) {
			continue
		}
		for _, p := range f.request.Proposals {
			require.Less(t, w.version(p.Item), p.Version, "saved, though the answer was: %v", f.err)
		}
	}
	for _, f := range j.failed {
		res := w.commit(f.request.Proposals...)
		first := res.Outcomes[0].Result
		for _, o := range res.Outcomes {
			require.Equal(t, first, o.Result, "an atomic commit is there by half")
		}
		if !errors.Is(f.err, stacksync.ErrUncertain) {
			require.Equal(t, stacksync.Committed, first)
		}
		j.saved = append(j.saved, success{f.request, res})
	}
	acknowledged := map[stacksync.VersionKey]int64{}
	for _, s := range j.saved {
		for i, o := range s.result.Outcomes {
			key := stacksync.VersionKey{Item: s.request.Proposals[i].Item, Version: s.request.Proposals[i].Version}
			require.NotContains(t, acknowledged, key)
			acknowledged[key] = o.Item.Revision
		}
	}
	w.checkRows(acknowledged)
	for _, s := range j.saved[:min(len(j.saved), 20)] {
		for i, o := range w.commit(s.request.Proposals...).Outcomes {
			require.Equal(t, stacksync.AlreadyCommitted, o.Result, "proposal %d, sent again", i)
		}
	}
}

// version returns the current version of an item, 0 where there is none.
func (w *world) version(item stacksync.ItemID) int64 {
	w.t.Helper()
	res, err := w.svc.GetItem(w.t.Context(), stacksync.GetItemRequest{Actor: w.actor, Workspace: w.ws, Item: item})
	if errors.Is(err, stacksync.ErrItemNotFound) {
		return 0
	}
	require.NoError(w.t, err)
	return res.Item.Version
}

// checkRows wants exactly the acknowledged versions, each with its revision, a dense change log, and the charge of what is live.
func (w *world) checkRows(acknowledged map[stacksync.VersionKey]int64) {
	w.t.Helper()
	t := w.t
	require.NoError(t, w.store.View(t.Context(), func(ctx context.Context, r stacksync.Reader) error {
		rows, err := r.Load(ctx, stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ws, User: w.actor.User}}})
		require.NoError(t, err)
		log, err := r.Changes(ctx, stacksync.ChangesParams{Workspace: w.ws, PageBound: stacksync.PageBound{Limit: 1 << 30}})
		require.NoError(t, err)
		revisions := map[int64]bool{}
		var used int64
		for _, it := range log.Items {
			used += it.Size
			versions, err := r.Versions(ctx, stacksync.VersionsParams{Workspace: w.ws, Item: it.ID, PageBound: stacksync.PageBound{Limit: 1 << 30}})
			require.NoError(t, err)
			require.Len(t, versions.Items, int(it.Version))
			for i, v := range versions.Items {
				key := stacksync.VersionKey{Item: it.ID, Version: it.Version - int64(i)}
				require.Equal(t, key.Version, v.Version)
				require.Contains(t, acknowledged, key, "saved, and never acknowledged")
				require.Equal(t, acknowledged[key], v.Revision)
				delete(acknowledged, key)
				revisions[v.Revision] = true
			}
		}
		require.Empty(t, acknowledged, "acknowledged, and lost")
		require.Len(t, revisions, int(rows.Workspaces[0].Revision), "revisions are dense")
		require.Equal(t, used, rows.Owners[0].QuotaUsed)
		return nil
	}))
}

// commitRig is a store whose first COMMIT meets what a test wants.
type commitRig struct {
	proxy      *pgtest.Proxy
	store      *Store
	committing chan struct{} // closed when it is on its way
	watch      string        // in a statement
	asked      chan struct{} // closed when that comes
}

// newCommitRig opens a store that asks for so long for an outcome.
func newCommitRig(t *testing.T, server *pgtest.Server, asks time.Duration) *commitRig {
	t.Helper()
	r := &commitRig{proxy: pgtest.NewProxy(t, server), committing: make(chan struct{}), asked: make(chan struct{})}
	config := fresh(t, server)
	config.DSN = r.proxy.DSN() + "&idle_in_transaction_session_timeout=0" // the server is to wait for longer than the client
	config.StatementTimeout = 3 * time.Second
	var err error
	r.store, err = open(t.Context(), config, asking{most: asks, pause: time.Millisecond, patience: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.store.Close()) })
	return r
}

// onCommit asks what to do about the first COMMIT.
func (r *commitRig) onCommit(action func() pgtest.Action) {
	var commits, watched atomic.Int64
	r.proxy.OnMessage(func(m pgtest.Message) pgtest.Action {
		if r.watch != "" && strings.Contains(m.SQL(), r.watch) && watched.Add(1) == 1 {
			close(r.asked)
		}
		if strings.HasSuffix(m.SQL(), "; "+commit) && commits.Add(1) == 1 {
			close(r.committing)
			return action()
		}
		return pgtest.Pass
	})
}

// putting locks the rows' user, as the service does, and saves them.
func putting(runs *int, p stacksync.PutParams) func(ctx context.Context, tx stacksync.Tx) error {
	return func(ctx context.Context, tx stacksync.Tx) error {
		*runs++
		if _, err := tx.Lock(ctx, stacksync.LockParams{Users: []stacksync.UserID{p.Users[0].ID}}); err != nil {
			return err
		}
		_, err := tx.Put(ctx, p)
		return err
	}
}
