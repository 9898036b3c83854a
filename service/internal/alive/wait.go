package alive

import (
	"context"
	"math/rand/v2"
	"time"
)

// Spread returns a random interval within ±20 % of d, so that goroutines with the same interval do
// not march in step. d is at most 50 years.
func Spread(d time.Duration) time.Duration { return d/5*4 + rand.N(d/5*2+1) }

// Sleep waits for d and reports true. When ctx ends first, it reports false at once.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
