// Package memory keeps metadata in the memory of the process: for tests, for trying things out, and for hosts that can
// lose it. It needs no set-up, and passes metastoretest like the stores that keep theirs on disk.
//
// A store is a set of ordered maps whose nodes are shared between snapshots. A View reads the snapshot that was
// committed last when it began, and neither waits nor makes anyone wait. Updates run one at a time, each on a snapshot
// of its own, which becomes the committed one when its closure returns nil. What a page or a row costs grows with the
// logarithm of what is stored.
//
// Everything is gone when the process ends: Update is as atomic and isolated as the contract says, but durable only as
// long as the store is there.
package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/stacksync/stacksync-go"
)

var _ stacksync.MetadataStore = (*Store)(nil)

// Store is a stacksync.MetadataStore in memory. Its methods may be called from many goroutines.
type Store struct {
	committed atomic.Pointer[tables]
	writer    chan struct{} // holds an element while a closure of Update runs
	closing   chan struct{} // closed when Close begins

	mu      sync.Mutex // orders running.Add before running.Wait
	closed  bool
	running sync.WaitGroup // closures
}

// Config configures a Store. It has no settings so far.
type Config struct{}

// New returns an empty store. Close frees nothing: a store that is no longer referred to is simply collected.
func New(Config) *Store {
	s := &Store{writer: make(chan struct{}, 1), closing: make(chan struct{})}
	s.committed.Store(newTables())
	return s
}

// Update runs fn in a transaction, once, when those before it have ended; waiting ends with ctx. What fn Put is saved when
// fn returns nil and ctx has not ended by then. After an error or a panic of fn nothing is saved.
//
// fn must not call Update, which would wait for fn, and must not call Close. It may call View, which does not see what fn Put.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx stacksync.Tx) error) error {
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return stacksync.ErrClosed
	}
	defer func() { <-s.writer }()
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()

	tx := &tx{owner: new(owner)}
	tx.tables = *s.committed.Load()
	defer tx.ended.Store(true)
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	committed := tx.tables
	s.committed.Store(&committed)
	return nil
}

// View runs fn on a snapshot of all that was committed before it began. It never waits. fn must not call Close.
func (s *Store) View(ctx context.Context, fn func(ctx context.Context, r stacksync.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()

	r := &reader{tables: *s.committed.Load()}
	defer r.ended.Store(true)
	return fn(ctx, r)
}

// Load is a View of its own.
func (s *Store) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	return view(ctx, s, p, (*reader).Load)
}

// Changes is a View of its own.
func (s *Store) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	return view(ctx, s, p, (*reader).Changes)
}

// view is a View that calls one method.
func view[P, R any](ctx context.Context, s *Store, p P, method func(*reader, context.Context, P) (R, error)) (result R, err error) {
	if err := s.enter(ctx); err != nil {
		return result, err
	}
	defer s.running.Done()
	return method(&reader{tables: *s.committed.Load()}, ctx, p)
}

// enter counts a closure in, unless the store is closed or ctx has ended.
func (s *Store) enter(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return stacksync.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.running.Add(1)
	return nil
}

// Close waits for running closures. Updates that wait for their turn, and all later calls, return
// stacksync.ErrClosed. It always returns nil.
func (s *Store) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}
