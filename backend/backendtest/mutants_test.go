package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/internal/conformance"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

func TestMain(m *testing.M) {
	testsize.AtOnce(8)
	goleak.VerifyTestMain(m)
}

// TestMutants: each way to break the contract is found by the checks that are there for it. A skipped check must fail, so
// to name it among the skips is to say that it does.
func TestMutants(t *testing.T) {
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := Suite{patience: 100 * time.Millisecond, New: func(T) Instance {
				storage := newMutant(m.change)
				return Instance{Storage: storage, Reopen: func() stacksync.StorageProvisioner {
					if m.forgets {
						return memory.New(memory.Config{})
					}
					return storage
				}}
			}}
			for _, name := range m.caught {
				conformance.Run(t, suite, []check{checkNamed(t, name)}, map[string]string{name: "the mutant breaks it"})
			}
		})
	}
}

// TestMutantsUnchanged: what the mutants are made of passes.
func TestMutantsUnchanged(t *testing.T) {
	Run(t, Suite{New: func(T) Instance {
		storage := newMutant(func(*broken) {})
		return Instance{Storage: storage, Reopen: func() stacksync.StorageProvisioner { return storage }}
	}})
}

func TestEveryCheckCatchesAMutant(t *testing.T) {
	caught := map[string]bool{}
	for _, m := range mutants {
		for _, name := range m.caught {
			caught[name] = true
		}
	}
	for _, m := range cloudMutants() {
		for _, name := range m.caught {
			caught[name] = true
		}
	}
	caught["Capabilities"] = true // TestCapabilities
	for _, c := range checksOf(Suite{Signs: true, Origins: cloudOrigins, Accounts: true}) {
		require.True(t, caught[c.Name], c.Name)
	}
}

func checkNamed(t *testing.T, name string) check {
	t.Helper()
	for _, c := range checksOf(Suite{Signs: true, Origins: cloudOrigins, Accounts: true}) {
		if c.Name == name {
			return c
		}
	}
	require.FailNow(t, "no such check", name)
	return check{}
}

// mutant is a good back-end with one fault.
type mutant struct {
	change  func(*broken)
	forgets bool // what is written is gone in another instance
	caught  []string
}

// broken is a back-end whose methods can be changed.
type broken struct {
	*memory.Storage
	create call[stacksync.CreateContainerParams, stacksync.CreateContainerResult]
	drop   call[stacksync.DeleteContainerParams, stacksync.DeleteContainerResult]
	stat   call[stacksync.StatChunksParams, stacksync.StatChunksResult]
	copy   call[stacksync.CopyChunksParams, stacksync.CopyChunksResult]
	delete call[stacksync.DeleteChunksParams, stacksync.DeleteChunksResult]
	list   call[stacksync.ListChunksParams, stacksync.ListChunksResult]
	write  call[stacksync.WriteChunkParams, stacksync.WriteChunkResult]
	read   call[stacksync.ReadChunkParams, stacksync.ReadChunkResult]
}

type call[P, R any] func(context.Context, P) (R, error)

// before changes what a method is told.
func before[P, R any](c *call[P, R], change func(*P)) {
	around(c, func(ctx context.Context, next call[P, R], p P) (R, error) {
		change(&p)
		return next(ctx, p)
	})
}

// after changes what a method answers.
func after[P, R any](c *call[P, R], change func(P, *R)) {
	around(c, func(ctx context.Context, next call[P, R], p P) (R, error) {
		r, err := next(ctx, p)
		change(p, &r)
		return r, err
	})
}

// around changes what a method does.
func around[P, R any](c *call[P, R], do func(context.Context, call[P, R], P) (R, error)) {
	next := *c
	*c = func(ctx context.Context, p P) (R, error) { return do(ctx, next, p) }
}

func newMutant(change func(*broken)) *broken {
	s := memory.New(memory.Config{})
	b := &broken{
		Storage: s, create: s.CreateContainer, drop: s.DeleteContainer, stat: s.StatChunks, copy: s.CopyChunks,
		delete: s.DeleteChunks, list: s.ListChunks, write: s.WriteChunk, read: s.ReadChunk,
	}
	change(b)
	return b
}

func (b *broken) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	return b.create(ctx, p)
}

func (b *broken) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	return b.drop(ctx, p)
}

func (b *broken) StatChunks(ctx context.Context, p stacksync.StatChunksParams) (stacksync.StatChunksResult, error) {
	return b.stat(ctx, p)
}

func (b *broken) CopyChunks(ctx context.Context, p stacksync.CopyChunksParams) (stacksync.CopyChunksResult, error) {
	return b.copy(ctx, p)
}

func (b *broken) DeleteChunks(ctx context.Context, p stacksync.DeleteChunksParams) (stacksync.DeleteChunksResult, error) {
	return b.delete(ctx, p)
}

func (b *broken) ListChunks(ctx context.Context, p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
	return b.list(ctx, p)
}

func (b *broken) WriteChunk(ctx context.Context, p stacksync.WriteChunkParams) (stacksync.WriteChunkResult, error) {
	return b.write(ctx, p)
}

func (b *broken) ReadChunk(ctx context.Context, p stacksync.ReadChunkParams) (stacksync.ReadChunkResult, error) {
	return b.read(ctx, p)
}
