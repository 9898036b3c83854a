package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
)

// A service process reads commands from its standard input, a word a line, and ends when that does. It writes events to its
// standard output, a line of JSON each.

// The commands.
const (
	cmdSync   = "sync"   // sync the folder once, and say so: evAsked
	cmdPause  = "pause"  // follow no longer: evPaused
	cmdFollow = "follow" // follow again
	cmdStream = "stream" // write one file after the other and commit each, until killed: evAcknowledged
)

// kind says what an event is about.
type kind string

const (
	evReady        kind = "ready"        // the service runs, the device follows
	evSynced       kind = "synced"       // the device, following, has synced
	evAsked        kind = "asked"        // the device has synced because it was told to
	evPaused       kind = "paused"       // the device does nothing until it is told to
	evAcknowledged kind = "acknowledged" // the service has acknowledged a file of the stream
	evFailed       kind = "failed"
)

// event is what a service process says.
type event struct {
	Kind  kind               `json:"kind"`
	At    time.Time          `json:"at"`
	Error string             `json:"error,omitempty"`
	Path  string             `json:"path,omitempty"` // of what was acknowledged
	ID    stacksync.DeviceID `json:"device,omitzero"`

	// Revision is how far the device has applied the change log.
	Revision int64 `json:"revision,omitempty"`
	// Commits and Applied count what a sync sent and took over.
	Commits int `json:"commits,omitempty"`
	Applied int `json:"applied,omitempty"`
	// Last is the last commit of this process that was acknowledged.
	Last commit `json:"last,omitzero"`
}

// commit is an acknowledged commit: the revision of the workspace after it, and when the answer came.
type commit struct {
	Revision int64     `json:"revision"`
	At       time.Time `json:"at"`
}

// teller writes events. Its methods may be called from many goroutines.
type teller struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *teller) tell(e event) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err = t.w.Write(append(line, '\n'))
	return err
}
