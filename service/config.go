package service

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// Config configures a Service. Its zero value works: such a service checks metadata and keeps the
// change logs, knows no storage, and its followers poll. A bad field makes New fail, with a
// *stacksync.FieldError unless the field's comment says otherwise.
type Config struct {
	// Storage holds the content. Clients must have a way to that content: see Vias. Defaults to
	// none: then chunks are the clients' own affair, commits do not check that chunks are stored,
	// and the calls of Transfers return errors.ErrUnsupported. New logs a warning about that.
	Storage stacksync.StorageProvisioner

	// Vias are the ways by which clients may transfer content, the preferred way first. New fails
	// with errors.ErrUnsupported if Storage can't offer one of them, or offers no way at all. nil
	// means all ways that Storage can offer, in the order ViaSigned, ViaHost, ViaAccount.
	Vias []stacksync.Via

	// SignedLifetime is how long signed requests work: 1 second to 7 days. When a device is revoked
	// or a role changed, the requests that were handed out before still work until their lifetime
	// is over. Defaults to 15 minutes.
	SignedLifetime time.Duration

	// AccountKey is the secret that the service derives the secrets of users' storage accounts
	// from: at least 32 random bytes, the same in every process. Neither AccountKey nor a derived
	// secret is ever saved. With another AccountKey each account gets another secret when its user
	// next asks for the account.
	//
	// Defaults to none: then there is no ViaAccount. New fails with errors.ErrUnsupported if
	// AccountKey is set and Storage is no AccountProvisioner. If AccountKey is dropped later, or
	// ViaAccount is left out of Vias, the accounts that were made before stay as they are at the
	// storage, which then hears of no revocation: delete them there.
	AccountKey []byte

	// Notifier carries hints from the processes that commit to the followers. The host closes it. A
	// hint that can't be sent at once stays owed: see RelayInterval. Defaults to none: then Follow
	// and FollowWorkspaces find changes by polling, and New logs a warning about that.
	Notifier stacksync.Notifier

	// PollInterval is how often Follow and FollowWorkspaces look for changes without a hint, in
	// case a hint was lost on its way. Each wait is spread by ±20 %, so that followers do not march
	// in step. Defaults to 1 minute; without a Notifier to 2 seconds. At most 50 years.
	PollInterval time.Duration

	// RelayInterval is how often the service looks for owed hints: hints whose sender has crashed,
	// or found the Notifier failing. Each wait is spread by ±20 %. The committing process has two
	// intervals to send its hint and to note that the hint was sent. After that, the relay of any
	// service with a Notifier on the same store sends the hint, in whatever process. So after a
	// crash of the committing process followers learn of the commit within about 3 intervals.
	// Without a Notifier there is no relay.
	//
	// As often, with or without a Notifier, the service looks for operations whose worker has gone.
	// Defaults to 5 seconds. At most 50 years.
	RelayInterval time.Duration

	// Policy may veto a proposal that has passed all rules. A non-nil error makes the proposal
	// Rejected, with ErrVetoed and that error; a panic counts as a veto. Policy runs inside the
	// transaction, so it must be quick: other commits to the workspace wait for it. It may be asked
	// twice about the same proposal. It is also asked about each item that is deleted together with
	// a folder, and a veto there keeps the folder from being deleted. Called from many goroutines.
	// Defaults to none.
	Policy func(ctx context.Context, r stacksync.PolicyRequest) error

	// FindUser returns the user who has an email address, for invitations. An error that wraps
	// ErrNotFound says that no user has the address; any other error makes the call fail. Called
	// from many goroutines. Defaults to none: then invitations by email return
	// errors.ErrUnsupported.
	FindUser func(ctx context.Context, email string) (stacksync.UserID, error)

	// AskInvited makes invitations pending until the invited users accept them. Defaults to false:
	// then an invited user is a member at once.
	AskInvited bool

	// QuotaLimit is the quota limit of new users, in bytes. Defaults to 0: no limit.
	QuotaLimit int64

	// FoldCase makes names clash that differ only in case (Unicode full case folding), as on most
	// desktops' file systems. Names that differ only in normalisation (NFC) always clash. Stores
	// keep the folded names, so FoldCase must not change: commits to a workspace that was made with
	// another value are refused with ErrFoldCase. Defaults to false.
	FoldCase bool

	// ChunkHash makes a hash. If it is set, the name of each chunk must be the lower-case
	// hexadecimal hash of its content. UploadChunk and DownloadChunk check that. For signed uploads
	// the storage checks it, if the hash is SHA-256 and the storage can. Called from many
	// goroutines. Defaults to nil: then names mean nothing to the service.
	ChunkHash func() hash.Hash

	// Limits bounds what clients may ask for. A field that is 0 has the default that the field's
	// comment names.
	Limits stacksync.Limits

	// Logger gets what an operator should know. The service logs identifiers, and never names,
	// content or credentials. Defaults to silence.
	Logger *slog.Logger

	// Observer is told of every call, for metrics and traces. Defaults to none.
	Observer Observer

	// Now is the clock, called from many goroutines. Its times are shown (CommittedAt, JoinedAt and
	// the like) and kept as deadlines: of owed hints (HintDue), of the leases of operations, and of
	// the moment for which commits are held off (FrozenUntil). If the clocks of two processes
	// differ, hints may come late or twice, and a lease may end early. Clocks never order versions
	// or revisions. Defaults to time.Now.
	Now func() time.Time

	// NewID makes ids: of workspaces, operations and, where the client names none, devices, and of
	// a folder that returns to another owner than the first. Called from many goroutines. Defaults
	// to uuid.NewV7.
	NewID func() (uuid.UUID, error)
}

// maxInterval bounds the intervals. It is as good as never, and the deadlines that are reckoned
// from it are times that stores can keep.
const maxInterval = 50 * 365 * 24 * time.Hour

// Observer is told of every call of a Service, and of the work that the service does by itself. A
// Follow shows as the calls of Changes that it makes, a FollowWorkspaces as calls of
// ListWorkspaces. Methods are called from many goroutines.
type Observer interface {
	// Begin is called when op begins. op is the name of the called method ("Commit"), or the name
	// of a transaction: "commit.batch" saves gathered commits, "relay" looks for owed hints, "mark"
	// notes which hints were sent, and "operations" looks for operations to resume. The service
	// uses the returned context for the work (a trace's span travels in it), and calls the returned
	// function, which must not be nil, when the work ends.
	Begin(ctx context.Context, op string) (context.Context, func(Observation))
}

// Observation says how a call or a transaction has ended.
type Observation struct {
	Err error
	// Items is how much the work was about: proposals of a commit or a commit.batch, items or
	// chunks of other calls, workspaces and users of a relay or mark, operations of an operations.
	Items int
	// Commits is how many calls of Commit a commit.batch has saved together. 0 for all else.
	Commits int
}

// minAccountKey is the least length of Config.AccountKey in bytes: the length of a SHA-256.
const minAccountKey = sha256.Size

func (c *Config) setDefaults() error {
	limits, err := c.Limits.WithDefaults()
	if err != nil {
		return err
	}
	c.Limits = limits
	if c.QuotaLimit < 0 {
		return &stacksync.FieldError{Field: "Config.QuotaLimit", Reason: "is negative"}
	}
	if c.PollInterval < 0 {
		return &stacksync.FieldError{Field: "Config.PollInterval", Reason: "is negative"}
	}
	if c.RelayInterval < 0 {
		return &stacksync.FieldError{Field: "Config.RelayInterval", Reason: "is negative"}
	}
	if len(c.AccountKey) < minAccountKey && c.AccountKey != nil {
		return &stacksync.FieldError{Field: "Config.AccountKey", Reason: fmt.Sprintf("is shorter than %d bytes", minAccountKey)}
	}
	switch life := &c.SignedLifetime; {
	case *life == 0:
		*life = 15 * time.Minute
	case *life < time.Second || *life > 7*24*time.Hour:
		return &stacksync.FieldError{Field: "Config.SignedLifetime", Reason: "is not within 1 second to 7 days"}
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
