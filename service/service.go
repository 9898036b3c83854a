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

// Service is the reference SyncService. Make one with New.
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
	mu      sync.Mutex // makes enter and Close exclude each other
	running sync.WaitGroup
}

var _ stacksync.SyncService = (*Service)(nil)

// New makes a service on a store. It does no I/O, but starts goroutines that look for owed hints
// and for operations to resume, once every RelayInterval, until Close. The host keeps the store,
// storage and notifier, and closes them after the service.
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

// writersOf returns how many batches of commits run at once on a store. Where it is one, look-ups
// and commits take turns.
func writersOf(store stacksync.MetadataStore) (writers int, turn *sync.Mutex) {
	if m, ok := stacksync.As[stacksync.ManyWriters](store); ok && m.Writers() > 1 {
		return m.Writers(), nil
	}
	return 1, new(sync.Mutex)
}

// Close refuses new calls with ErrClosed, ends every Follow, and waits for the calls that run, and
// for their hints: a notifier that hangs is given 10 seconds. It closes neither store, storage nor
// notifier. A second Close waits too.
func (s *Service) Close() error {
	s.mu.Lock()
	s.shut(stacksync.ErrClosed)
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// enter counts a call in, unless the service is closed. Who entered calls running.Done.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return false
	}
	s.running.Add(1)
	return true
}

// begin opens a call. Its end is called with the call's result.
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

// observe tells the Observer of op, and returns what tells it of the end.
func (s *Service) observe(ctx context.Context, op string) (context.Context, func(Observation)) {
	if s.cfg.Observer == nil {
		return ctx, func(Observation) {}
	}
	return s.cfg.Observer.Begin(ctx, op)
}

// observeSeen is observe for the rooms.
func (s *Service) observeSeen(ctx context.Context, op string) (context.Context, func(session.Seen)) {
	ctx, end := s.observe(ctx, op)
	return ctx, func(seen session.Seen) { end(Observation(seen)) }
}

// call runs one method of the service between its begin and its end, and says in the error what was
// being done.
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

// newEpoch makes a number that no other history of the database has.
func newEpoch() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make an epoch: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}
