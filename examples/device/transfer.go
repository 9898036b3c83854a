package device

import (
	"context"
	"errors"
	"time"

	"github.com/stacksync/stacksync-go"
)

// errExpired says that the storage does not accept a signed request any more.
var errExpired = errors.New("signed request has expired")

// laterError says that the same may succeed later.
type laterError struct {
	after time.Duration // at the earliest, if the storage has said so
	err   error
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// transfer carries out a transfer whenever try can. What the storage can't do now it tries some more times, and what has expired it has
// prepared anew; what does not help is left to the next Sync.
func (j *job) transfer(ctx context.Context, q *queue, c stacksync.Chunk, try func(context.Context, *way) error) error {
	const mostTries, mostRenewals, mostWait = 6, 3, time.Minute
	for tries, renewals := 1, 0; ; {
		w, err := q.next(ctx, c)
		if err != nil || w == nil {
			return err
		}
		err = try(ctx, w)
		var later *laterError
		switch {
		case err == nil:
			q.done(c)
			return nil
		case errors.Is(err, errExpired) && renewals < mostRenewals:
			renewals++
			q.reject(w)
		case errors.As(err, &later) && tries < mostTries:
			if err := pause(ctx, max(backoff(tries), min(later.after, mostWait))); err != nil {
				return err
			}
			tries++
		default:
			return err
		}
	}
}
