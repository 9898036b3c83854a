package alive

import (
	"errors"
	"fmt"
	"sync"
)

// Persist runs f in a goroutine that wg counts. If a function of the host ends the goroutine while
// f runs (runtime.Goexit), f begins anew in another goroutine. A panic in f is not contained: see
// Contain.
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

// Contain runs f, and turns a panic in it into an ErrPanicked. It is for code of the host that runs
// in goroutines of the service, where no caller could recover.
func Contain(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPanicked, v)
		}
	}()
	return f()
}

// ErrPanicked is the error that an Observer sees of a call that ended in a panic, and that callers
// get whose batch ended in a panic.
var ErrPanicked = errors.New("panicked")
