package service_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/service"
)

// gate is a store whose transactions the test holds up, counts and fails.
type gate struct {
	stacksync.MetadataStore
	updates atomic.Int64
	entered chan struct{}                   // gets a value when an Update begins, if not nil
	open    chan struct{}                   // an Update waits for a value, if not nil
	fail    func(stacksync.PutParams) error // fails a Put
	load    func(stacksync.LoadParams)      // sees each Load of an Update
}

func (g *gate) Unwrap() stacksync.MetadataStore { return g.MetadataStore }

func (g *gate) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) error {
	g.updates.Add(1)
	if g.entered != nil {
		g.entered <- struct{}{}
		<-g.open
	}
	return g.MetadataStore.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		return fn(ctx, &gateTx{tx, g})
	})
}

type gateTx struct {
	stacksync.Tx
	gate *gate
}

func (tx *gateTx) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	if tx.gate.load != nil {
		tx.gate.load(p)
	}
	return tx.Tx.Load(ctx, p)
}

func (tx *gateTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if tx.gate.fail != nil {
		if err := tx.gate.fail(p); err != nil {
			return stacksync.PutResult{}, err
		}
	}
	return tx.Tx.Put(ctx, p)
}

// quiet leaves a service without Notifier, so that it writes nothing beside what its callers ask for.
func quiet(c *service.Config) { c.Notifier = nil }

// hold makes transactions wait from here on.
func (g *gate) hold() {
	g.open = make(chan struct{})
	g.entered = make(chan struct{}, 1000)
}

func TestConcurrentCommitsShareTransactions(t *testing.T) {
	g := &gate{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, g, quiet, func(c *service.Config) { c.RelayInterval = time.Hour }) // nor looks for operations
	g.hold()
	before := g.updates.Load()
	var running sync.WaitGroup
	commit := func(p stacksync.Proposal) {
		running.Go(func() {
			res, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
			if err != nil || res.Outcomes[0].Err != nil {
				t.Errorf("commit: %v %v", err, res)
			}
		})
	}
	commit(w.folder(stacksync.ItemID{}, "first"))
	<-g.entered // it runs alone, as nothing else was there
	for i := range 64 {
		commit(w.folder(stacksync.ItemID{}, fmt.Sprint("folder ", i)))
	}
	w.svc.AwaitQueued(64)
	close(g.open)
	running.Wait()
	require.EqualValues(t, 2, g.updates.Load()-before)
	require.EqualValues(t, 65, w.snapshot().Revision)
}

// A commit that the store can't save fails alone.
func TestGatheredCommitsFailAlone(t *testing.T) {
	g := &gate{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, g)
	errDisk := errors.New("row does not fit")
	g.fail = func(p stacksync.PutParams) error {
		for _, it := range p.Items {
			if it.Name == "bad" {
				return errDisk
			}
		}
		return nil
	}
	var requests []stacksync.CommitRequest
	for _, name := range []string{"a", "bad", "b"} {
		requests = append(requests, stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{w.folder(stacksync.ItemID{}, name)}})
	}
	results, errs := w.svc.CommitTogether(t.Context(), requests)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], errDisk)
	require.NoError(t, errs[2])
	require.EqualValues(t, 1, results[0].Revision)
	require.EqualValues(t, 2, results[2].Revision)
	require.Len(t, w.snapshot().Items, 2)
}

// A panic in what the host has brought ends the call it happened in, and nothing else: not the process, not other callers, not Close.
func TestPanicsEndOneCall(t *testing.T) {
	g := &gate{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, g)
	commit := func(name string) error {
		p := w.folder(stacksync.ItemID{}, name)
		_, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
		return err
	}
	g.fail = func(stacksync.PutParams) error { panic("store is broken") }
	require.ErrorContains(t, commit("a"), "panicked: store is broken")
	g.fail = func(stacksync.PutParams) error { runtime.Goexit(); return nil }
	require.ErrorContains(t, commit("b"), "panicked")
	g.fail = nil
	require.NoError(t, commit("c"))
	require.Len(t, w.snapshot().Items, 1)
	require.PanicsWithValue(t, "reader is broken", func() {
		_, _ = w.svc.UploadChunk(t.Context(), stacksync.UploadChunkRequest{Actor: w.actor, Workspace: w.ws, Chunk: chunkOf("x"), Content: panicking{}})
	})
	require.NoError(t, w.svc.Close(), "Close waits for no call that is gone")
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("reader is broken") }

// A caller that goes away while it waits gets its context's error; what had not begun is then not done.
func TestCallerGoesAway(t *testing.T) {
	g := &gate{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, g, quiet)
	g.hold()
	errs := make(chan error)
	commit := func(ctx context.Context, name string) {
		p := w.folder(stacksync.ItemID{}, name)
		go func() {
			_, err := w.svc.Commit(ctx, stacksync.CommitRequest{Actor: w.actor, Workspace: w.ws, Proposals: []stacksync.Proposal{p}})
			errs <- err
		}()
	}
	running, leave := context.WithCancel(t.Context())
	commit(running, "running")
	<-g.entered
	waiting, leaveToo := context.WithCancel(t.Context())
	commit(waiting, "waiting")
	w.svc.AwaitQueued(1)
	leave()
	leaveToo()
	require.ErrorIs(t, <-errs, context.Canceled)
	require.ErrorIs(t, <-errs, context.Canceled)
	close(g.open)
	require.NoError(t, w.svc.Close(), "Close waits for the transaction that runs")
	rows := w.rows(stacksync.LoadParams{Access: []stacksync.AccessKey{{Workspace: w.ws, User: w.actor.User}}})
	require.EqualValues(t, 1, rows.Workspaces[0].Revision, "the one that ran was saved, the one that waited was not")
}

// What lies below a folder is read only where the folder is going to be deleted: a subtree may be large, and others wait for its lock.
func TestSubtreesAreReadForDeletionsOnly(t *testing.T) {
	g := &gate{MetadataStore: memory.New(memory.Config{})}
	w := newWorld(t, g)
	tr := newTree(w)
	stranger, _ := w.join("eve")
	read := 0
	g.load = func(p stacksync.LoadParams) { read += len(p.Subtrees) }
	renamed := next(tr.sub, func(p *stacksync.Proposal) { p.Name = "renamed" })
	for _, row := range []struct {
		name  string
		actor stacksync.Actor
		batch []stacksync.Proposal
		want  int
	}{
		{"a stranger's deletion", stranger, []stacksync.Proposal{deletion(tr.docs)}, 0},
		{"a rename, and the deletion of a file", w.actor, []stacksync.Proposal{renamed, deletion(tr.a)}, 0},
		{"a deletion that comes too late", w.actor, []stacksync.Proposal{deletion(tr.sub)}, 0},
		{"a deletion", w.actor, []stacksync.Proposal{deletion(tr.docs)}, 1},
	} {
		read = 0
		_, err := w.svc.Commit(t.Context(), stacksync.CommitRequest{Actor: row.actor, Workspace: w.ws, Proposals: row.batch})
		if row.actor == stranger {
			require.ErrorIs(t, err, stacksync.ErrWorkspaceNotFound)
		} else {
			require.NoError(t, err, row.name)
		}
		require.Equal(t, row.want, read, row.name)
	}
}
