package alive

import (
	"errors"
	"fmt"
	"sync"
)

// Persist runs f in a goroutine that wg counts. Should a host's function in it end the goroutine
// (runtime.Goexit), f begins anew in another.
func Persist(wg *sync.WaitGroup, f func()) {
	wg.Go(func() {
		ended := false
		defer func() {
			if !ended {
				Persist(wg, f)
			}
		}()
		f()
		ended = true
	})
}

// Contain makes an error of a panic in what the host has brought, for goroutines that belong to
// nobody who could recover.
func Contain(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPanicked, v)
		}
	}()
	return f()
}

// ErrPanicked is what an Observer sees of a call that a panic has ended, and what callers see whose
// batch it has.
var ErrPanicked = errors.New("panicked")
