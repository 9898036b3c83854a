package alive

import (
	"log/slog"
	"sync"
)

// Outage logs when something begins to fail, and when it works again, and nothing in between. Its
// methods may be called from many goroutines.
type Outage struct {
	Log  *slog.Logger
	What string // what may fail; it begins the messages: "publishing hints"

	mu      sync.Mutex
	failing bool
}

// Report notes how a try has ended. Do not report a try that failed because the service closes.
func (o *Outage) Report(err error) {
	o.mu.Lock()
	was := o.failing
	o.failing = err != nil
	o.mu.Unlock()
	switch {
	case err != nil && !was:
		o.Log.Warn(o.What+" fails, which is not logged again until it works", "error", err)
	case err == nil && was:
		o.Log.Info(o.What + " works again")
	}
}
