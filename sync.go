package stacksync

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
)

// SyncService is what a host's transport calls, and what a remote client's stub can implement too. *Service implements it.
//
// Every request names who acts. Unless a method says otherwise:
//   - a workspace that does not exist, or that the actor is not a member of, is an ErrWorkspaceNotFound;
//   - a device that is not one of the actor's is an ErrDeviceNotFound, a revoked one an ErrDeviceRevoked;
//   - a role that is too low is an ErrRole; a bad field is a *FieldError, which wraps ErrInvalid, and nothing was saved;
//   - after Close every call returns ErrClosed.
//
// All methods may be called from many goroutines.
type SyncService interface {
	Accounts
	Devices
	Workspaces
	Commits
	Feed
	Items
	Transfers
	Sharing
	Operations
	OperationsAdmin
}

// Config configures a Service. Its zero value works: a service that checks and logs metadata, knows no storage, and
// whose followers poll.
type Config struct {
	// Storage holds the content. Clients must have a way to it: see Vias. Defaults to none: then chunks are the clients' own affair,
	// commits do not check that they are stored, and the calls of Transfers return errors.ErrUnsupported. New logs a warning about it.
	Storage StorageProvisioner

	// Vias are the ways by which clients may transfer content, the preferred one first. One that Storage can't offer makes New fail with
	// errors.ErrUnsupported. Defaults to all that it can, in the order ViaSigned, ViaHost, ViaAccount.
	Vias []Via

	// SignedLifetime is how long signed requests work: 1 second to 7 days. Who loses a right, by a revoked device or a changed role, can
	// use the requests that were handed out before for so long. Defaults to 15 minutes.
	SignedLifetime time.Duration

	// AccountKey is the secret from which those of users' accounts at the storage are derived, at least 32 random bytes, the same in every
	// process. They are never saved. Another key gives each account another secret when its user next asks for it. Defaults to none: then
	// there is no ViaAccount. Without the key, or with Vias that leave ViaAccount out, accounts that were made before stay as they are at
	// the storage, which then hears of no revocation: delete them there.
	AccountKey []byte

	// Notifier carries hints between those who commit and those who follow. The host closes it. A hint that can't be sent at once stays
	// owed: see RelayInterval. Defaults to none: Follow then finds changes by polling, and New logs a warning about it.
	Notifier Notifier

	// PollInterval is how often Follow looks at the change log without having been told to, in case a hint was lost on its way. Each
	// wait is spread by ±20 % so that followers do not march in step. Defaults to 1 minute; to 2 seconds without a Notifier.
	PollInterval time.Duration

	// RelayInterval is how often the service looks for hints that are owed: those whose sender has crashed, or found the Notifier
	// failing. Each wait is spread by ±20 %. Who commits has twice the interval to send the hint and to note that it was sent; then the
	// relay of any service with a Notifier sends it, in whatever process on the same store. So followers learn within about 3 intervals
	// of a commit whose process has crashed. Defaults to 5 seconds. Without a Notifier there is no relay. As often it looks for operations
	// that a process has left, with a Notifier or without one.
	RelayInterval time.Duration

	// Policy may veto a proposal that has passed all rules, inside the transaction: a non-nil error makes it
	// Rejected, with ErrVetoed and that error. It must be quick, since others wait for the workspace meanwhile, and may be asked
	// twice about the same proposal. It is also asked about each item that is deleted with a folder, and can save the folder by
	// that. Defaults to none.
	Policy func(ctx context.Context, r PolicyRequest) error

	// FindUser tells which user has an email address, for invitations; an error that wraps ErrNotFound says that nobody has. Defaults to
	// none: then invitations by email return errors.ErrUnsupported.
	FindUser func(ctx context.Context, email string) (UserID, error)

	// AskInvited makes invitations pending until the invited accept them. Defaults to false: who is invited is a member.
	AskInvited bool

	// QuotaLimit is that of new users, in bytes. Defaults to 0: no limit.
	QuotaLimit int64

	// FoldCase makes names that differ only in case clash (Unicode full case folding), as on most desktops' file systems.
	// Names always clash when they differ only in normalisation (NFC). It is part of what is stored: commits to a workspace
	// that was made with another setting are refused with ErrFoldCase. Defaults to false.
	FoldCase bool

	// ChunkHash says that chunk names are the lower-case hexadecimal hash of their content, so that UploadChunk and DownloadChunk can
	// check it. Defaults to nil: names mean nothing to the service.
	ChunkHash func() hash.Hash

	// Limits bounds what clients may ask for. Each zero field has the default that its comment says.
	Limits Limits

	// Logger gets what an operator should know. Identifiers are logged; names, content and credentials never are. Defaults to silence.
	Logger *slog.Logger

	// Observer is told of every call, for metrics and traces. Defaults to none.
	Observer Observer

	// Now is the clock. What it says is shown, and says when an owed hint is due: clocks that are apart let hints come late or twice.
	// It never orders anything else. Defaults to time.Now.
	Now func() time.Time

	// NewID makes the ids of workspaces and devices. Defaults to uuid.NewV7.
	NewID func() (uuid.UUID, error)
}

// Limits bounds what clients may ask for. Passing one is an ErrLimit (FileSize: an ErrSize), in a *FieldError that names it.
type Limits struct {
	Proposals int // proposals a commit; defaults to 10,000
	Chunks    int // chunks an item, and a Prepare call; defaults to 65,536
	// CommitChunks is the number of chunks all proposals of one commit may have together; defaults to 262,144.
	CommitChunks int
	FileSize     int64 // bytes an item; defaults to 2^50, and can't be more
	Attrs        int   // attributes an item; defaults to 64
	AttrBytes    int   // bytes of all attributes of an item together, keys and values; defaults to 8,192
	Page         int   // items a page; defaults to 10,000
	// PageChunks is the number of chunks at which a page ends early, with the item that reaches it, so that a page fits into
	// memory whatever clients have committed; defaults to 131,072.
	PageChunks int
	// Depth is how many folders deep a folder may lie that is made or moved, and the number of names in a path; defaults to
	// 1,024. What lies in a moved folder may come to lie deeper.
	Depth   int
	Devices int // devices a user may have, without revoked ones; defaults to 1,000
	Members int // members of a workspace, pending ones too; defaults to 1,000
}

const maxFileSize = 1 << 50

// maxInterval is as good as never, and what is reckoned from it still is a time that stores can keep.
const maxInterval = 50 * 365 * 24 * time.Hour

// Observer is told of every call of a Service. A Follow shows as the calls of Changes that it makes.
type Observer interface {
	// Begin is called at the start of op, which is the name of the method ("Commit"), or "commit.batch" for each
	// transaction that saves gathered commits, "relay" for each that looks for owed hints, "mark" for each that notes which hints were
	// sent, and "operations" for each that looks for operations to resume. The returned context is used for the call (a trace's span travels in it). The returned function, which must not be
	// nil, is called at its end.
	Begin(ctx context.Context, op string) (context.Context, func(Observation))
}

// Observation is how an operation ended.
type Observation struct {
	Err error
	// Items is how many proposals came in, items or chunks went out, or workspaces a relay or mark was about.
	Items int
	// Commits is how many Commit calls a commit.batch gathered.
	Commits int
}

// PolicyRequest is a proposal that Config.Policy may veto.
type PolicyRequest struct {
	Actor     Actor
	Workspace WorkspaceID
	RequestID string
	Current   *Item // nil for a new item
	Proposed  *Item // as it would be saved
}

// Service is the reference SyncService. Make one with New.
type Service struct {
	store   MetadataStore
	storage StorageProvisioner
	writer  ChunkWriter
	reader  ChunkReader
	signer  ChunkSigner
	cfg     Config

	vias     []Via              // how content may go; empty without storage
	accounts AccountProvisioner // nil without ViaAccount
	sha256   bool               // Config.ChunkHash is SHA-256

	log *slog.Logger

	lookups gatherer[*lookup]
	commits gatherer[*commitJob]
	hints   publisher
	marks   marker

	closing context.Context // ends with ErrClosed when Close is called
	shut    context.CancelCauseFunc
	mu      sync.Mutex // makes enter and Close exclude each other
	running sync.WaitGroup
}

var _ SyncService = (*Service)(nil)

// New makes a service on a store. It does no I/O, but starts goroutines that look for owed hints and for operations to resume, once every
// RelayInterval, until Close. The host keeps the store, storage and notifier, and closes them after the service.
func New(store MetadataStore, cfg Config) (*Service, error) {
	if store == nil {
		return nil, &FieldError{Field: "store", Reason: "is nil"}
	}
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{store: store, storage: cfg.Storage, cfg: cfg, log: cfg.Logger}
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
	s.gather()
	s.marks = marker{service: s, trouble: outage{log: s.log, what: "noting which hints were sent"}}
	s.hints = publisher{notifier: cfg.Notifier, closing: s.closing, wg: &s.running, sent: s.marks.add, trouble: outage{log: s.log, what: "publishing hints"}}
	if cfg.Notifier != nil {
		persist(&s.running, s.relay)
	}
	persist(&s.running, s.operate)
	return s, nil
}

// gather sets up how requests share transactions.
func (s *Service) gather() {
	writers, turn := 1, new(sync.Mutex)
	if m, ok := As[ManyWriters](s.store); ok && m.Writers() > 1 {
		writers, turn = m.Writers(), nil
	}
	s.lookups = gatherer[*lookup]{writers: 1, wg: &s.running, turn: turn, run: func(ctx context.Context, batch []*lookup, _ stage) bool {
		s.lookUpBatch(ctx, s.store, batch)
		return false
	}}
	s.commits = gatherer[*commitJob]{writers: writers, wg: &s.running, turn: turn, run: s.commitBatch}
	for stage := apart; stage < stages; stage++ {
		s.commits.slots[stage] = make(chan struct{}, writers)
	}
}

// Close refuses new calls with ErrClosed, ends every Follow, and waits for the calls that run, and for their hints: a notifier that hangs
// is given 10 seconds. It closes neither store, storage nor notifier. A second Close waits too.
func (s *Service) Close() error {
	s.mu.Lock()
	s.shut(ErrClosed)
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
		return ctx, nil, ErrClosed
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
	err = errPanicked // unless f returns
	defer func() { end(items, err) }()
	var res Res
	res, items, err = f(ctx)
	if err != nil {
		var none Res
		return none, fmt.Errorf("%s: %w", op, err)
	}
	return res, nil
}

// errPanicked is what an Observer sees of a call that a panic has ended, and what callers see whose batch it has.
var errPanicked = errors.New("panicked")

func (c *Config) setDefaults() error {
	for _, d := range []struct {
		name  string
		field *int
		value int
	}{
		{"Proposals", &c.Limits.Proposals, 10_000},
		{"Chunks", &c.Limits.Chunks, 1 << 16},
		{"CommitChunks", &c.Limits.CommitChunks, 1 << 18},
		{"Attrs", &c.Limits.Attrs, 64},
		{"AttrBytes", &c.Limits.AttrBytes, 8 << 10},
		{"Page", &c.Limits.Page, 10_000},
		{"PageChunks", &c.Limits.PageChunks, 1 << 17},
		{"Depth", &c.Limits.Depth, 1024},
		{"Devices", &c.Limits.Devices, 1000},
		{"Members", &c.Limits.Members, 1000},
	} {
		if *d.field < 0 {
			return &FieldError{Field: "Config.Limits." + d.name, Reason: "is negative"}
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	switch size := &c.Limits.FileSize; {
	case *size < 0 || *size > maxFileSize:
		return &FieldError{Field: "Config.Limits.FileSize", Reason: fmt.Sprintf("is not within 0 to %d", int64(maxFileSize))}
	case *size == 0:
		*size = maxFileSize
	}
	if c.QuotaLimit < 0 {
		return &FieldError{Field: "Config.QuotaLimit", Reason: "is negative"}
	}
	if c.PollInterval < 0 {
		return &FieldError{Field: "Config.PollInterval", Reason: "is negative"}
	}
	if c.RelayInterval < 0 {
		return &FieldError{Field: "Config.RelayInterval", Reason: "is negative"}
	}
	if len(c.AccountKey) < minAccountKey && c.AccountKey != nil {
		return &FieldError{Field: "Config.AccountKey", Reason: fmt.Sprintf("is shorter than %d bytes", minAccountKey)}
	}
	switch life := &c.SignedLifetime; {
	case *life == 0:
		*life = 15 * time.Minute
	case *life < time.Second || *life > 7*24*time.Hour:
		return &FieldError{Field: "Config.SignedLifetime", Reason: "is not within 1 second to 7 days"}
	}
	if c.RelayInterval == 0 {
		c.RelayInterval = 5 * time.Second
	}
	if c.PollInterval == 0 {
		c.PollInterval = time.Minute
		if c.Notifier == nil {
			c.PollInterval = 2 * time.Second
		}
	}
	c.PollInterval, c.RelayInterval = min(c.PollInterval, maxInterval), min(c.RelayInterval, maxInterval)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = uuid.NewV7
	}
	return nil
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
