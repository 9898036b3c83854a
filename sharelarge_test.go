package stacksync_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// gauge measures the transactions of a store that hold a workspace.
type gauge struct {
	stacksync.MetadataStore

	mu      sync.Mutex
	source  stacksync.WorkspaceID // zero: nothing is measured
	rows    int                   // most that one read has returned
	items   int                   // most that one transaction of a move has put
	hold    time.Duration         // longest of a transaction of a move, from Lock to its end
	moves   []time.Time           // when each transaction ended that items left the source in
	commits map[stacksync.WorkspaceID][]time.Time
}

func (g *gauge) Unwrap() stacksync.MetadataStore { return g.MetadataStore }

func (g *gauge) Writers() int {
	if m, ok := stacksync.As[stacksync.ManyWriters](g.MetadataStore); ok {
		return m.Writers()
	}
	return 1
}

func (g *gauge) read(rows int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.source.IsZero() {
		g.rows = max(g.rows, rows)
	}
}

func (g *gauge) measure(source stacksync.WorkspaceID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.source = source
}

func (g *gauge) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	var tx gaugedTx
	err := g.MetadataStore.Update(ctx, func(ctx context.Context, below stacksync.Tx) error {
		tx = gaugedTx{Tx: below, gauge: g}
		return fn(ctx, &tx)
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil && tx.moved > 0 && tx.source == g.source {
		g.moves = append(g.moves, time.Now())
		g.items = max(g.items, tx.put)
		g.hold = max(g.hold, time.Since(tx.locked))
	}
	return err
}

func (g *gauge) View(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
	return g.MetadataStore.View(ctx, func(ctx context.Context, r stacksync.Reader) error { return fn(ctx, gaugedReader{r, g}) })
}

func (g *gauge) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	res, err := g.MetadataStore.Load(ctx, p)
	g.read(len(res.Items) + len(res.Versions) + len(res.Chunks))
	return res, err
}

type gaugedReader struct {
	stacksync.Reader
	gauge *gauge
}

func (r gaugedReader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	res, err := r.Reader.Load(ctx, p)
	r.gauge.read(len(res.Items) + len(res.Versions) + len(res.Chunks))
	return res, err
}

func (r gaugedReader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	res, err := r.Reader.Children(ctx, p)
	r.gauge.read(len(res.Items))
	return res, err
}

type gaugedTx struct {
	stacksync.Tx
	gauge      *gauge
	locked     time.Time
	put, moved int // items
	source     stacksync.WorkspaceID
}

func (tx *gaugedTx) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	res, err := tx.Tx.Lock(ctx, p)
	tx.locked = time.Now()
	return res, err
}

func (tx *gaugedTx) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return gaugedReader{tx.Tx, tx.gauge}.Load(ctx, p)
}

func (tx *gaugedTx) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	return gaugedReader{tx.Tx, tx.gauge}.Children(ctx, p)
}

func (tx *gaugedTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	tx.put += len(p.Items)
	for i := range p.Items {
		if !p.Items[i].MovedTo.IsZero() {
			tx.moved++
			tx.source = p.Items[i].Workspace
		}
	}
	return tx.Tx.Put(ctx, p)
}

// A large folder is shared in small transactions: others commit to the workspace that it leaves, and to others, while it moves, and no read
// or write of it is larger than some pages, however large it is.
func TestShareLargeFolder(t *testing.T) {
	const (
		batch   = 10_000 // items a commit
		folders = 40
		most    = 1100 // items a transaction of the move may write: 500 that leave, as many that arrive, and the folders above them
		page    = 2500 // rows a read may have: 500 items, and for each those few above it
	)
	total := 20_000
	if os.Getenv("STACKSYNC_TEST_LARGE") != "" {
		total = 100_000
	}
	onEachStore(t, func(t *testing.T, open func(testing.TB) stacksync.MetadataStore) {
		g := &gauge{MetadataStore: open(t), commits: map[stacksync.WorkspaceID][]time.Time{}}
		w := newWorld(t, g)
		bob, bobs := w.join("bob")
		root, elsewhere := w.folder(stacksync.ItemID{}, "large"), w.folder(stacksync.ItemID{}, "elsewhere")
		parents := []stacksync.ItemID{root.Item}
		var all []stacksync.Proposal
		for n := range folders { // four deep
			p := w.folder(parents[max(0, n-folders/4)], fmt.Sprint("folder ", n))
			parents, all = append(parents, p.Item), append(all, p)
		}
		for n := range total - folders {
			p := stacksync.Proposal{Item: w.id(), Version: 1, Parent: parents[n%len(parents)], Name: fmt.Sprint(n), Kind: stacksync.File}
			all = append(all, p)
		}
		w.must(root, elsewhere)
		var commit time.Duration
		for some := range slices.Chunk(all, batch) {
			start := time.Now()
			w.must(some...)
			commit = max(commit, time.Since(start))
		}

		g.measure(w.ws)
		done := make(chan struct{})
		var others sync.WaitGroup
		for actor, at := range map[stacksync.Actor]stacksync.ItemKey{w.actor: {Workspace: w.ws, Item: elsewhere.Item}, bob: {Workspace: bobs}} {
			others.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					case <-time.After(time.Millisecond):
					}
					p := stacksync.Proposal{Item: newID(), Version: 1, Parent: at.Item, Name: fmt.Sprint("other ", n), Kind: stacksync.File}
					res, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: actor, Workspace: at.Workspace, Proposals: []stacksync.Proposal{p}})
					if err != nil || res.Outcomes[0].Err != nil {
						t.Errorf("commit beside the move: %v %v", err, res.Outcomes)
						return
					}
					g.mu.Lock()
					g.commits[at.Workspace] = append(g.commits[at.Workspace], time.Now())
					g.mu.Unlock()
				}
			})
		}
		start := time.Now()
		res := w.share(root.Item, stacksync.Invitee{User: "bob"})
		took := time.Since(start)
		close(done)
		others.Wait()
		g.measure(stacksync.WorkspaceID{})

		require.Greater(t, len(g.moves), total/most, "it moves in many transactions")
		require.LessOrEqual(t, g.items, most)
		require.LessOrEqual(t, g.rows, page)
		for ws, times := range g.commits {
			between := 0
			for _, at := range times {
				if at.After(g.moves[0]) && at.Before(g.moves[len(g.moves)-1]) {
					between++
				}
			}
			t.Logf("%d commits to workspace %v during the move", between, ws)
			require.Greater(t, between, 5)
		}
		t.Logf("%d items: shared within %v, in %d transactions, of which the longest held the workspace for %v, with %d items; the largest read had %d rows; a commit of %d items takes %v",
			total, took, len(g.moves), g.hold, g.items, g.rows, batch, commit)

		live := 0
		for _, page := range w.at(bob, res.Workspace.ID).pages("", 5000) {
			live += len(page.Items)
		}
		require.Equal(t, total, live)
	})
}
