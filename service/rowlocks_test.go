package service_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/metastore/memory"
)

// rowLocks makes a store of many writers of one that runs its transactions one by one: they wait for each other in Lock, and a
// transaction below begins only when a Tx has what it locks.
type rowLocks struct {
	stacksync.MetadataStore
	writers int
	bound   time.Duration // how long a Lock waits that does not say

	mu      sync.Mutex
	locked  map[any]chan struct{}           // ids; the channel is closed when the id is free
	locks   []stacksync.LockParams          // of all Locks
	running int                             // Updates
	most    int                             // that have run at once
	before  func(stacksync.LockParams)      // is called by each Lock, if not nil
	put     func(stacksync.PutParams) error // fails a Put, if not nil
}

func manyWriters(writers int) *rowLocks {
	return &rowLocks{MetadataStore: memory.New(memory.Config{}), writers: writers, bound: time.Hour, locked: make(map[any]chan struct{})}
}

func (s *rowLocks) Writers() int                    { return s.writers }
func (s *rowLocks) Unwrap() stacksync.MetadataStore { return s.MetadataStore }

// lock waits for the ids in order, and returns what frees them.
func (s *rowLocks) lock(ctx context.Context, wait time.Duration, ids ...any) (free func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, stacksync.ErrBusy)
	defer cancel()
	var held []any
	free = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range held {
			close(s.locked[id])
			delete(s.locked, id)
		}
	}
	for _, id := range ids {
		for {
			s.mu.Lock()
			other, taken := s.locked[id]
			if !taken {
				s.locked[id] = make(chan struct{})
				held = append(held, id)
			}
			s.mu.Unlock()
			if !taken {
				break
			}
			select {
			case <-other:
			case <-ctx.Done():
				free()
				return nil, context.Cause(ctx)
			}
		}
	}
	return free, nil
}

// hold locks a workspace as somebody else does who takes long.
func (s *rowLocks) hold(t testing.TB, w stacksync.WorkspaceID) (free func()) {
	free, err := s.lock(t.Context(), s.bound, w)
	require.NoError(t, err)
	return free
}

func (s *rowLocks) Update(ctx context.Context, fn func(context.Context, stacksync.Tx) error) (err error) {
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	tx := &rowTx{store: s, free: func() {}, end: func(err error) error { return err }}
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
		tx.free()
	}()
	ended := false
	defer func() {
		if !ended { // fn has panicked
			_ = tx.end(errors.New("panic"))
		}
	}()
	err = fn(ctx, tx)
	ended = true
	return tx.end(err)
}

type rowTx struct {
	stacksync.Tx // once it has begun
	store        *rowLocks
	free         func()
	end          func(error) error
}

// begin opens the transaction below.
func (tx *rowTx) begin(ctx context.Context) error {
	if tx.Tx != nil {
		return nil
	}
	began, end, done := make(chan stacksync.Tx), make(chan error), make(chan error, 1)
	go func() {
		done <- tx.store.MetadataStore.Update(ctx, func(_ context.Context, below stacksync.Tx) error {
			began <- below
			return <-end
		})
	}()
	select {
	case tx.Tx = <-began:
		tx.end = func(err error) error {
			end <- err
			return <-done
		}
		return nil
	case err := <-done:
		return err
	}
}

func (tx *rowTx) Lock(ctx context.Context, p stacksync.LockParams) (stacksync.LockResult, error) {
	s := tx.store
	s.mu.Lock()
	s.locks = append(s.locks, p)
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(p)
	}
	var ids []any
	for _, w := range slices.SortedFunc(slices.Values(p.Workspaces), func(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }) {
		ids = append(ids, w)
	}
	for _, u := range slices.Sorted(slices.Values(p.Users)) {
		ids = append(ids, u)
	}
	free, err := s.lock(ctx, cmp.Or(p.Wait, s.bound), slices.Compact(ids)...)
	if err != nil {
		return stacksync.LockResult{}, err
	}
	tx.free = free
	return stacksync.LockResult{}, tx.begin(ctx)
}

func (tx *rowTx) ClaimHints(ctx context.Context, p stacksync.ClaimHintsParams) (stacksync.ClaimHintsResult, error) {
	if err := tx.begin(ctx); err != nil {
		return stacksync.ClaimHintsResult{}, err
	}
	return tx.Tx.ClaimHints(ctx, p)
}

func (tx *rowTx) Put(ctx context.Context, p stacksync.PutParams) (stacksync.PutResult, error) {
	if tx.store.put != nil {
		if err := tx.store.put(p); err != nil {
			return stacksync.PutResult{}, err
		}
	}
	return tx.Tx.Put(ctx, p)
}
