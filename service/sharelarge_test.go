package service_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

// bigBatch is how many items the commits have that a move is compared with: at full size as many as a commit may.
var bigBatch = testsize.Measured(2_500, 10_000)

// gauge measures the transactions of a store that hold a workspace.
type gauge struct {
	stacksync.MetadataStore
	within func() // called in each transaction of a move, before it ends
	read   func() // called after each large read

	mu      sync.Mutex
	source  stacksync.WorkspaceID // whose moves are measured; zero: none
	rows    int                   // most that one read has returned
	items   int                   // most that one transaction of a move has put
	moves   []time.Time           // when each transaction ended that items left the source in
	holds   []time.Duration       // how long each held the workspace, from Lock to its end
	commits []time.Duration       // how long each commit of a whole batch did
}

func newGauge(store stacksync.MetadataStore) *gauge {
	return &gauge{MetadataStore: store, within: func() {}, read: func() {}}
}

func (g *gauge) Unwrap() stacksync.MetadataStore { return g.MetadataStore }

func (g *gauge) Writers() int {
	if m, ok := stacksync.As[stacksync.ManyWriters](g.MetadataStore); ok {
		return m.Writers()
	}
	return 1
}

func (g *gauge) note(rows int) {
	g.mu.Lock()
	measured := !g.source.IsZero()
	if measured {
		g.rows = max(g.rows, rows)
	}
	g.mu.Unlock()
	if measured && rows > 100 {
		g.read()
	}
}

func (g *gauge) measure(source stacksync.WorkspaceID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.source = source
}

func (g *gauge) moving() stacksync.WorkspaceID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.source
}

func (g *gauge) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	var tx gaugedTx
	err := g.MetadataStore.Update(ctx, func(ctx context.Context, below stacksync.Tx) error {
		tx = gaugedTx{Tx: below, gauge: g}
		return fn(ctx, &tx)
	})
	hold := time.Since(tx.locked)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
	case tx.moved > 0 && tx.source == g.source:
		g.moves, g.holds = append(g.moves, time.Now()), append(g.holds, hold)
		g.items = max(g.items, tx.put)
	case tx.moved == 0 && tx.put >= bigBatch:
		g.commits = append(g.commits, hold)
	}
	return err
}

func (g *gauge) View(ctx context.Context, fn func(context.Context, stacksync.Reader) error) error {
	return g.MetadataStore.View(ctx, func(ctx context.Context, r stacksync.Reader) error { return fn(ctx, gaugedReader{r, g}) })
}

func (g *gauge) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	res, err := g.MetadataStore.Load(ctx, p)
	g.note(len(res.Items) + len(res.Versions) + len(res.Chunks))
	return res, err
}

type gaugedReader struct {
	stacksync.Reader
	gauge *gauge
}

func (r gaugedReader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	res, err := r.Reader.Load(ctx, p)
	r.gauge.note(len(res.Items) + len(res.Versions) + len(res.Chunks))
	return res, err
}

func (r gaugedReader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	res, err := r.Reader.Children(ctx, p)
	r.gauge.note(len(res.Items))
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
	res, err := tx.Tx.Put(ctx, p)
	tx.put += len(p.Items)
	for i := range p.Items {
		if !p.Items[i].MovedTo.IsZero() {
			tx.moved++
			tx.source = p.Items[i].Workspace
		}
	}
	if tx.moved > 0 && tx.source == tx.gauge.moving() {
		tx.gauge.within()
	}
	return res, err
}

// fill makes a folder with so many items, four deep, one in 25 of them a folder, and the others files of one chunk each, of 7 bytes.
func (w *world) fill(total int, store func(container string, c stacksync.Chunk, content string)) stacksync.Proposal {
	w.Helper()
	root := w.folder(stacksync.ItemID{}, "large")
	w.must(root)
	container, folders := w.workspace().Container, total/25
	parents := []stacksync.ItemID{root.Item}
	var all []stacksync.Proposal
	for n := range folders {
		p := w.folder(parents[max(0, n-folders/4)], fmt.Sprint("folder ", n))
		parents, all = append(parents, p.Item), append(all, p)
	}
	for n := range total - folders {
		content := fmt.Sprintf("%07d", n)
		c := chunkOf(content)
		store(container, c, content)
		all = append(all, stacksync.Proposal{
			Item: w.id(), Version: 1, Parent: parents[n%len(parents)], Name: fmt.Sprint(n), Kind: stacksync.File, Size: c.Size, Checksum: c.Name, Chunks: []stacksync.Chunk{c},
		})
	}
	for some := range slices.Chunk(all, bigBatch) {
		w.must(some...)
	}
	return root
}

// lodger commits to one workspace again and again, and measures how long that takes.
type lodger struct {
	*world
	parent stacksync.ItemID
	ends   []time.Time
	took   []time.Duration
}

func (l *lodger) commit() error {
	start := time.Now()
	err := l.commitErr(stacksync.Proposal{Item: newID(), Version: 1, Parent: l.parent, Name: fmt.Sprint("other ", newID()), Kind: stacksync.File})
	if err == nil {
		l.ends, l.took = append(l.ends, time.Now()), append(l.took, time.Since(start))
	}
	return err
}

// until commits until it is told to stop, or so often.
func (l *lodger) until(stop <-chan struct{}, most int) {
	for range most {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		err := l.commit()
		if errors.Is(err, stacksync.ErrBusy) { // held off from the workspace for the last pass: it has added too much for the others
			continue
		}
		if err != nil {
			l.Errorf("commit to workspace %v: %v", l.ws, err)
			return
		}
	}
}

// lodge has lodgers commit while f runs.
func lodge(lodgers []*lodger, most int, f func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, l := range lodgers {
		l.ends, l.took = nil, nil
		all.Go(func() { l.until(stop, most) })
	}
	f()
	if most > 1<<20 {
		close(stop)
	}
	all.Wait()
}

// quantile is what so many of all are not above, in hundredths.
func quantile[T cmp.Ordered](all []T, hundredths int) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*hundredths/100]
}

// A large folder is shared in small transactions: others commit to the workspace that it leaves while it moves, and to others as if it did
// not. No transaction or read is larger than some pages, however large the folder is, nor holds the workspace as long as a large commit.
func TestShareLargeFolder(t *testing.T) {
	const (
		most = 1100 // items a transaction of the move may write: 500 that leave, as many that arrive, and the folders above them
		page = 2500 // rows a read may have: 500 items, and for each those few above it
	)
	total := testsize.Measured(5_000, 100_000)
	for name, open := range stores { // one after the other: they are measured
		t.Run(name, func(t *testing.T) {
			g := newGauge(open(t))
			w := newWorld(t, g)
			bob, bobs := w.join("bob")
			eve, eves := w.join("eve")
			elsewhere := w.folder(stacksync.ItemID{}, "elsewhere")
			w.must(elsewhere)
			root := w.fill(total, func(container string, c stacksync.Chunk, content string) {
				_, err := w.storage.CreateContainer(t.Context(), stacksync.CreateContainerParams{Container: container})
				require.NoError(t, err)
				_, err = w.storage.WriteChunk(t.Context(), stacksync.WriteChunkParams{Container: container, Chunk: c, Content: strings.NewReader(content)})
				require.NoError(t, err)
			})
			beside, other := &lodger{world: w, parent: elsewhere.Item}, &lodger{world: w.at(bob, bobs)}
			lodgers := []*lodger{beside, other}
			lodge(lodgers, 50, func() {})
			alone := quantile(other.took, 50)

			inside := 0
			if g.Writers() > 1 {
				third := &lodger{world: w.at(eve, eves)}
				g.within = func() { // is held up for ever if it waits for the transaction that it is called in
					inside++
					if err := third.commit(); err != nil {
						t.Errorf("commit to another workspace inside a transaction of the move: %v", err)
					}
				}
			}
			g.measure(w.ws)
			var res stacksync.ShareFolderResult
			start := time.Now()
			lodge(lodgers, 1<<30, func() { res = w.share(root.Item, stacksync.Invitee{User: "bob"}) })
			took := time.Since(start)
			g.measure(stacksync.WorkspaceID{})

			hold, longest, commit := quantile(g.holds, 90), slices.Max(g.holds), quantile(g.commits, 50)
			t.Logf("%d items: shared within %v, in %d transactions, of which the longest had %d items; the largest read had %d rows", total, took, len(g.moves), g.items, g.rows)
			t.Logf("9 in 10 held the workspace for less than %v, and the longest for %v; the median of commits of %d items does for %v", hold, longest, bigBatch, commit)
			t.Logf("the median of %d commits to another workspace: %v; without the move: %v", len(other.took), quantile(other.took, 50), alone)

			require.Greater(t, len(g.moves), total/most, "it moves in many transactions")
			require.LessOrEqual(t, g.items, most)
			require.LessOrEqual(t, g.rows, page)
			if g.Writers() > 1 { // on a store with one writer, whoever comes waits for the transaction that runs, and perhaps for the next
				require.GreaterOrEqual(t, inside, len(g.moves), "others commit inside every transaction of the move")
			}
			for _, l := range lodgers {
				between := 0
				for _, at := range l.ends {
					if at.After(g.moves[0]) && at.Before(g.moves[len(g.moves)-1]) {
						between++
					}
				}
				require.Greater(t, between, 5, "commits to workspace %v during the move", l.ws)
			}

			live, chunks := 0, map[string]bool{}
			for _, page := range w.at(bob, res.Workspace.ID).pages("", 5000) {
				live += len(page.Items)
				for i := range page.Items {
					for _, c := range page.Items[i].Chunks {
						chunks[c.Name] = true
					}
				}
			}
			require.Equal(t, total, live)
			stored, err := w.storage.StatChunks(t.Context(), stacksync.StatChunksParams{Container: res.Workspace.Container, Names: slices.Collect(maps.Keys(chunks))})
			require.NoError(t, err)
			require.Len(t, stored.Chunks, total-total/25, "all content has come along")
		})
	}
}
