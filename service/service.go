package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/alive"
	"github.com/stacksync/stacksync-go/service/internal/gather"
)

// Service is the reference SyncService. Make one with New.
type Service struct {
	store   stacksync.MetadataStore
	storage stacksync.StorageProvisioner
	writer  stacksync.ChunkWriter
	reader  stacksync.ChunkReader
	signer  stacksync.ChunkSigner
	cfg     Config

	rules    stacksync.Rules
	vias     []stacksync.Via              // how content may go; empty without storage
	accounts stacksync.AccountProvisioner // nil without ViaAccount
	sha256   bool                         // Config.ChunkHash is SHA-256

	log *slog.Logger

	lookups *gather.Gatherer[stacksync.WorkspaceID, *lookup]
	commits *gather.Gatherer[stacksync.WorkspaceID, *commitJob]
	hints   publisher
	marks   marker

	closing context.Context // ends with ErrClosed when Close is called
	shut    context.CancelCauseFunc
	mu      sync.Mutex // makes enter and Close exclude each other
	running sync.WaitGroup
}

var _ stacksync.SyncService = (*Service)(nil)

// New makes a service on a store. It does no I/O, but starts goroutines that look for owed hints and for operations to resume, once every
// RelayInterval, until Close. The host keeps the store, storage and notifier, and closes them after the service.
func New(store stacksync.MetadataStore, cfg Config) (*Service, error) {
	if store == nil {
		return nil, &stacksync.FieldError{Field: "store", Reason: "is nil"}
	}
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{store: store, storage: cfg.Storage, cfg: cfg, log: cfg.Logger}
	s.rules = stacksync.Rules{Limits: cfg.Limits, FoldCase: cfg.FoldCase, Unchecked: cfg.Storage == nil, Policy: cfg.Policy}
	if cfg.Storage != nil {
		if err := s.offer(); err != nil {
			return nil, err
		}
	} else {
		s.log.Warn("no Storage: chunks are not checked, and content is not transferred")
	}
	if cfg.Notifier == nil {
		s.log.Warn("no Notifier: followers poll", "interval", cfg.PollInterval)
	}
	s.closing, s.shut = context.WithCancelCause(context.Background())
	s.gatherers()
	s.marks = marker{service: s, trouble: alive.Outage{Log: s.log, What: "noting which hints were sent"}}
	s.hints = publisher{notifier: cfg.Notifier, closing: s.closing, wg: &s.running, sent: s.marks.add, trouble: alive.Outage{Log: s.log, What: "publishing hints"}}
	if cfg.Notifier != nil {
		alive.Persist(&s.running, s.relay)
	}
	alive.Persist(&s.running, s.operate)
	return s, nil
}

// gatherers sets up how requests share transactions.
func (s *Service) gatherers() {
	writers, turn := 1, new(sync.Mutex)
	if m, ok := stacksync.As[stacksync.ManyWriters](s.store); ok && m.Writers() > 1 {
		writers, turn = m.Writers(), nil
	}
	s.lookups = gather.New[stacksync.WorkspaceID, *lookup](1, &s.running, turn)
	s.commits = gather.New[stacksync.WorkspaceID, *commitJob](writers, &s.running, turn)
}

// Close refuses new calls with ErrClosed, ends every Follow, and waits for the calls that run, and for their hints: a notifier that hangs
// is given 10 seconds. It closes neither store, storage nor notifier. A second Close waits too.
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

// call runs one method of the service between its begin and its end, and says in the error what was being done.
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

// now is the time as every store can keep it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// newEpoch makes a number that no other history of the database has.
func newEpoch() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make an epoch: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}
