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

// Kernel is what the rooms of a service share. Its fields are set once, by service.New, and only
// read afterwards.
type Kernel struct {
	Store    stacksync.MetadataStore
	Storage  stacksync.StorageProvisioner // nil in a service without storage
	Accounts stacksync.AccountProvisioner // nil where users have no accounts at the storage
	Limits   stacksync.Limits             // complete
	FoldCase bool
	// RelayInterval is how often the relay looks for owed hints, and the worker for operations to
	// resume.
	RelayInterval time.Duration
	Log           *slog.Logger

	Clock   func() time.Time
	MakeID  func() (uuid.UUID, error)
	Closing context.Context // ends with ErrClosed when the service closes
	Running *sync.WaitGroup // counts what Close waits for
	// Publish hands hints over to be sent, and returns at once. Its caller is itself counted in
	// Running.
	Publish func(hints ...Hint)
	// Observe tells the host's Observer that op begins, and returns what tells it of the end.
	Observe func(ctx context.Context, op string) (context.Context, func(Seen))
}

// Seen is how a piece of work has ended, for the host's Observer.
type Seen struct {
	Err     error
	Items   int // proposals, hints or operations
	Commits int // of a batch
}

// Now is the time as every store can keep it.
func (k *Kernel) Now() time.Time { return k.Clock().UTC().Truncate(time.Microsecond) }

// NewID makes an id.
func (k *Kernel) NewID() (uuid.UUID, error) {
	id, err := k.MakeID()
	if err != nil {
		return id, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

// tries is how often Settle begins anew: more often than others change in earnest what a call has
// just read.
const tries = 100

// Settle calls f until it reports that it is settled, or fails. f is called again where others have
// changed what it read before; if they do so too often, the error is ErrBusy, and says what keeps
// changing.
func Settle(changing string, f func() (settled bool, err error)) error {
	for range tries {
		if settled, err := f(); err != nil || settled {
			return err
		}
	}
	return fmt.Errorf("%s keep changing: %w", changing, stacksync.ErrBusy)
}
