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

// Config configures a Service. Its zero value works: a service that checks and logs metadata, knows
// no storage, and whose followers poll.
type Config struct {
	// Storage holds the content. Clients must have a way to it: see Vias. Defaults to none: then
	// chunks are the clients' own affair, commits do not check that they are stored, and the calls
	// of Transfers return errors.ErrUnsupported. New logs a warning about it.
	Storage stacksync.StorageProvisioner

	// Vias are the ways by which clients may transfer content, the preferred one first. One that
	// Storage can't offer makes New fail with errors.ErrUnsupported. Defaults to all that it can,
	// in the order ViaSigned, ViaHost, ViaAccount.
	Vias []stacksync.Via

	// SignedLifetime is how long signed requests work: 1 second to 7 days. Who loses a right, by a
	// revoked device or a changed role, can use the requests that were handed out before for so
	// long. Defaults to 15 minutes.
	SignedLifetime time.Duration

	// AccountKey is the secret from which those of users' accounts at the storage are derived, at
	// least 32 random bytes, the same in every process. They are never saved. Another key gives
	// each account another secret when its user next asks for it. Defaults to none: then there is
	// no ViaAccount. Without the key, or with Vias that leave ViaAccount out, accounts that were
	// made before stay as they are at the storage, which then hears of no revocation: delete them
	// there.
	AccountKey []byte

	// Notifier carries hints between those who commit and those who follow. The host closes it. A
	// hint that can't be sent at once stays owed: see RelayInterval. Defaults to none: Follow then
	// finds changes by polling, and New logs a warning about it.
	Notifier stacksync.Notifier

	// PollInterval is how often Follow looks at the change log without having been told to, in case
	// a hint was lost on its way. Each wait is spread by ±20 % so that followers do not march in
	// step. Defaults to 1 minute; to 2 seconds without a Notifier.
	PollInterval time.Duration

	// RelayInterval is how often the service looks for hints that are owed: those whose sender has
	// crashed, or found the Notifier failing. Each wait is spread by ±20 %. Who commits has twice
	// the interval to send the hint and to note that it was sent; then the relay of any service
	// with a Notifier sends it, in whatever process on the same store. So followers learn within
	// about 3 intervals of a commit whose process has crashed. Defaults to 5 seconds. Without a
	// Notifier there is no relay. As often it looks for operations that a process has left, with a
	// Notifier or without one.
	RelayInterval time.Duration

	// Policy may veto a proposal that has passed all rules, inside the transaction: a non-nil error
	// makes it Rejected, with ErrVetoed and that error. It must be quick, since others wait for the
	// workspace meanwhile, and may be asked twice about the same proposal. It is also asked about
	// each item that is deleted with a folder, and can save the folder by that. Defaults to none.
	Policy func(ctx context.Context, r stacksync.PolicyRequest) error

	// FindUser tells which user has an email address, for invitations; an error that wraps
	// ErrNotFound says that nobody has. Defaults to none: then invitations by email return
	// errors.ErrUnsupported.
	FindUser func(ctx context.Context, email string) (stacksync.UserID, error)

	// AskInvited makes invitations pending until the invited accept them. Defaults to false: who is
	// invited is a member.
	AskInvited bool

	// QuotaLimit is that of new users, in bytes. Defaults to 0: no limit.
	QuotaLimit int64

	// FoldCase makes names that differ only in case clash (Unicode full case folding), as on most
	// desktops' file systems. Names always clash when they differ only in normalisation (NFC). It
	// is part of what is stored: commits to a workspace that was made with another setting are
	// refused with ErrFoldCase. Defaults to false.
	FoldCase bool

	// ChunkHash says that chunk names are the lower-case hexadecimal hash of their content, so that
	// UploadChunk and DownloadChunk can check it. Defaults to nil: names mean nothing to the
	// service.
	ChunkHash func() hash.Hash

	// Limits bounds what clients may ask for. Each zero field has the default that its comment
	// says.
	Limits stacksync.Limits

	// Logger gets what an operator should know. Identifiers are logged; names, content and
	// credentials never are. Defaults to silence.
	Logger *slog.Logger

	// Observer is told of every call, for metrics and traces. Defaults to none.
	Observer Observer

	// Now is the clock. What it says is shown, and says when an owed hint is due: clocks that are
	// apart let hints come late or twice. It never orders anything else. Defaults to time.Now.
	Now func() time.Time

	// NewID makes the ids of workspaces and devices. Defaults to uuid.NewV7.
	NewID func() (uuid.UUID, error)
}

// maxInterval is as good as never, and what is reckoned from it still is a time that stores can
// keep.
const maxInterval = 50 * 365 * 24 * time.Hour

// Observer is told of every call of a Service. A Follow shows as the calls of Changes that it
// makes.
type Observer interface {
	// Begin is called at the start of op, which is the name of the method ("Commit"), or
	// "commit.batch" for each transaction that saves gathered commits, "relay" for each that looks
	// for owed hints, "mark" for each that notes which hints were sent, and "operations" for each
	// that looks for operations to resume. The returned context is used for the call (a trace's
	// span travels in it). The returned function, which must not be nil, is called at its end.
	Begin(ctx context.Context, op string) (context.Context, func(Observation))
}

// Observation is how an operation ended.
type Observation struct {
	Err error
	// Items is how many proposals came in, items or chunks went out, or workspaces a relay or mark
	// was about.
	Items int
	// Commits is how many Commit calls a commit.batch gathered.
	Commits int
}

// minAccountKey is the least length of Config.AccountKey in bytes: that of the hash.
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
