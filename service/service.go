package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/commit"
	"github.com/stacksync/stacksync-go/service/internal/content"
	"github.com/stacksync/stacksync-go/service/internal/grant"
	"github.com/stacksync/stacksync-go/service/internal/hint"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Service is the reference implementation of stacksync.SyncService and stacksync.HostService. Make
// one with New. All methods may be called from many goroutines.
type Service struct {
	cfg   Config
	store stacksync.MetadataStore
	rules stacksync.Rules

	kernel    *session.Kernel
	content   *content.Desk
	committer *commit.Committer
	engine    *operation.Engine
	granter   *grant.Granter

	closing context.Context // ends with ErrClosed when Close is called
	shut    context.CancelCauseFunc
	mu      sync.Mutex     // keeps enter from counting a call in while Close begins to wait
	running sync.WaitGroup // counts the calls and goroutines that Close waits for
}

var (
	_ stacksync.SyncService = (*Service)(nil)
	_ stacksync.HostService = (*Service)(nil)
)

// New makes a service on a store. It does no I/O. It starts goroutines that look for owed hints
// (with a Notifier) and for operations to resume, once every RelayInterval, until Close. The store,
// storage and notifier stay the host's, which closes them after the service. *stacksync.FieldError:
// store is nil, or a field of cfg is bad. errors.ErrUnsupported: see Config.Vias and
// Config.AccountKey.
func New(store stacksync.MetadataStore, cfg Config) (*Service, error) {
	if store == nil {
		return nil, &stacksync.FieldError{Field: "store", Reason: "is nil"}
	}
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	var ways content.Ways
	if cfg.Storage != nil {
		var err error
		if ways, err = content.Offer(cfg.Storage, cfg.Vias, cfg.AccountKey != nil); err != nil {
			return nil, err
		}
	} else {
		cfg.Logger.Warn("no Storage: chunks are not checked, and content is not transferred")
	}
	if cfg.Notifier == nil {
		cfg.Logger.Warn("no Notifier: followers poll", "interval", cfg.PollInterval)
	}
	s := &Service{cfg: cfg, store: store}
	s.closing, s.shut = context.WithCancelCause(context.Background())
	s.rules = stacksync.Rules{Limits: cfg.Limits, FoldCase: cfg.FoldCase, Unchecked: cfg.Storage == nil, Policy: cfg.Policy}
	s.kernel = &session.Kernel{
		Store: store, Storage: cfg.Storage, Accounts: ways.Accounts, Limits: cfg.Limits, FoldCase: cfg.FoldCase, RelayInterval: cfg.RelayInterval,
		Log: cfg.Logger, Clock: cfg.Now, MakeID: cfg.NewID, Closing: s.closing, Running: &s.running, Observe: s.observeSeen,
	}
	hints := hint.New(s.kernel, cfg.Notifier)
	s.kernel.Publish = hints.Publish
	writers, turn := writersOf(store)
	s.content = content.New(s.kernel, ways, content.Config{Lifetime: cfg.SignedLifetime, Hash: cfg.ChunkHash}, turn)
	s.committer = commit.New(s.kernel, s.rules, s.content, writers, turn)
	s.engine = &operation.Engine{Kernel: s.kernel}
	s.granter = grant.New(s.engine, cfg.AccountKey)
	s.engine.Plans = s.plans()
	hints.Start()
	alive.Persist(&s.running, s.engine.Work)
	return s, nil
}

// writersOf returns how many batches of commits may run at once on a store. Where that is 1, it
// also makes the mutex with which look-ups of chunks and batches of commits take turns.
func writersOf(store stacksync.MetadataStore) (writers int, turn *sync.Mutex) {
	if m, ok := stacksync.As[stacksync.ManyWriters](store); ok && m.Writers() > 1 {
		return m.Writers(), nil
	}
	return 1, new(sync.Mutex)
}

// Close makes new calls fail with ErrClosed, ends every Follow, and waits for running calls, for
// their hints and for the workers of operations, which leave their operations to another process. A
// notifier that hangs is given 10 seconds, as is a store for each page of notes about hints and for
// what a worker notes. Close leaves the store, storage and notifier open. It always returns nil. A
// second Close waits too. A call of the service that calls Close, in Config.Policy say, waits for
// itself.
func (s *Service) Close() error {
	s.mu.Lock()
	s.shut(stacksync.ErrClosed)
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// enter counts a call in, unless the service is closed. After true the caller must call
// running.Done.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return false
	}
	s.running.Add(1)
	return true
}

// begin opens a call. The caller must call the returned function with the result of the call.
func (s *Service) begin(ctx context.Context, op string) (context.Context, func(items int, err error), error) {
	if !s.enter() {
		return ctx, nil, stacksync.ErrClosed
	}
	ctx, observed := s.observe(ctx, op)
	return ctx, func(items int, err error) {
		observed(Observation{Err: err, Items: items})
		s.running.Done()
	}, nil
}

// observe tells the Observer that op begins, and returns the function that tells it of the end.
func (s *Service) observe(ctx context.Context, op string) (context.Context, func(Observation)) {
	if s.cfg.Observer == nil {
		return ctx, func(Observation) {}
	}
	return s.cfg.Observer.Begin(ctx, op)
}

// observeSeen is observe in the form that the rooms use.
func (s *Service) observeSeen(ctx context.Context, op string) (context.Context, func(session.Seen)) {
	ctx, end := s.observe(ctx, op)
	return ctx, func(seen session.Seen) { end(Observation(seen)) }
}

// call runs one method of the service between its begin and its end. It puts the method's name
// before the error.
func call[Res any](ctx context.Context, s *Service, op string, f func(ctx context.Context) (Res, int, error)) (Res, error) {
	ctx, end, err := s.begin(ctx, op)
	if err != nil {
		var none Res
		return none, fmt.Errorf("%s: %w", op, err)
	}
	items := 0
	err = alive.ErrPanicked // unless f returns
	defer func() { end(items, err) }()
	var res Res
	res, items, err = f(ctx)
	if err != nil {
		var none Res
		return none, fmt.Errorf("%s: %w", op, err)
	}
	return res, nil
}

// newEpoch makes a random number: no other history of the database has it.
func newEpoch() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make an epoch: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}
