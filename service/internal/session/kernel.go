package session

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// Kernel is what the rooms of a service share. service.New sets the fields once; afterwards they
// are only read.
type Kernel struct {
	Store    stacksync.MetadataStore
	Storage  stacksync.StorageProvisioner // nil in a service without storage
	Accounts stacksync.AccountProvisioner // nil where users have no accounts at the storage
	Limits   stacksync.Limits             // with its defaults filled in
	FoldCase bool                         // service.Config.FoldCase
	// RelayInterval is how often the relay looks for owed hints, and the engine for operations to
	// resume.
	RelayInterval time.Duration
	Log           *slog.Logger

	Clock   func() time.Time          // service.Config.Now
	MakeID  func() (uuid.UUID, error) // service.Config.NewID
	Closing context.Context           // ends with ErrClosed when the service closes
	Running *sync.WaitGroup           // counts the calls and goroutines that Close waits for
	// Publish hands hints over to be sent, and returns at once. The caller must be counted in
	// Running.
	Publish func(hints ...Hint)
	// Observe tells the host's Observer that op begins, and returns the function that tells it of
	// the end.
	Observe func(ctx context.Context, op string) (context.Context, func(Seen))
}

// Seen says how a piece of work has ended, for the host's Observer.
type Seen struct {
	Err     error
	Items   int // proposals, hints or operations
	Commits int // commits of a batch
}

// Now returns the time in the form that every store can keep: UTC, to the microsecond.
func (k *Kernel) Now() time.Time { return k.Clock().UTC().Truncate(time.Microsecond) }

// NewID makes an id.
func (k *Kernel) NewID() (uuid.UUID, error) {
	id, err := k.MakeID()
	if err != nil {
		return id, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

// tries is how often Settle calls f. In practice others never change the same rows that often.
const tries = 100

// Settle calls f until f reports that it is settled, or fails. f returns false when others have
// changed the rows that it had read before it locked them. After 100 calls the error is ErrBusy,
// and names changing as what keeps changing.
func Settle(changing string, f func() (settled bool, err error)) error {
	for range tries {
		if settled, err := f(); err != nil || settled {
			return err
		}
	}
	return fmt.Errorf("%s keep changing: %w", changing, stacksync.ErrBusy)
}
