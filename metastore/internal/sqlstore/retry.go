package sqlstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// Attempts is how often Retry runs what fails.
	Attempts = 10

	firstPause   = 4 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// Retry runs fn until it succeeds or says that its error is final, at most Attempts times, with growing random pauses
// between, of a second together. It stops waiting when ctx ends.
func Retry(ctx context.Context, fn func() (again bool, err error)) error {
	for n := 1; ; n++ {
		again, err := fn()
		if err == nil || !again {
			return err
		}
		if n == Attempts {
			return fmt.Errorf("gave up after %d attempts: %w", n, err)
		}
		timer := time.NewTimer(pause(n))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w while waiting to try again after: %w", ctx.Err(), err)
		}
	}
}

// pause doubles with each attempt. Half of it is random, so that those who failed together don't meet again.
func pause(attempt int) time.Duration {
	d := min(firstPause<<(attempt-1), longestPause)
	return d/2 + rand.N(d/2)
}
