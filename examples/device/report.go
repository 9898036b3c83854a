package device

import (
	"maps"
	"slices"
	"sync"

	"github.com/stacksync/stacksync-go"
)

// Report counts what a Sync did.
type Report struct {
	// Rounds is how often the folder was scanned.
	Rounds int
	// ItemsRead were on pages of the change log, those that this device made included; ItemsApplied changed something here.
	ItemsRead, ItemsApplied int
	// Committed versions were saved by the server.
	Committed int
	// FilesHashed is how many files were read to learn their content.
	FilesHashed int
	// Content sent and fetched, and content taken from files that were here already.
	ChunksUploaded, ChunksDownloaded, ChunksReused int
	BytesUploaded, BytesDownloaded, BytesReused    int64
	// Via is how content was sent and fetched; empty where none was.
	Via stacksync.Via
	// Conflicts are the paths of the conflicted copies that were made.
	Conflicts []string
	// Aliases are the paths of items that were given another name here, since their own is impossible on this disk.
	Aliases []string
	// Skipped is how many things in the folder are neither files nor folders, or have a name that is not UTF-8.
	Skipped int
	// Problems are what could not be synced, by path.
	Problems []Problem
}

// Problem is an entry that could not be synced. The next Sync tries again.
type Problem struct {
	Path string // relative to the synced folder, with slashes
	Err  error
}

func (p Problem) String() string { return p.Path + ": " + p.Err.Error() }

// finish adds what was refused to the problems.
func (r *Report) finish(refused map[string]error) {
	for _, path := range slices.Sorted(maps.Keys(refused)) {
		r.Problems = append(r.Problems, Problem{path, refused[path]})
	}
}

// Progress tells how far a Sync is.
type Progress struct {
	Stage Stage
	// Done counts items of this stage. Total is 0 where it is not known.
	Done, Total int
	// Bytes were sent or fetched by this Sync.
	Bytes int64
}

// Stage is what a Sync is doing.
type Stage string

// The stages.
const (
	Receiving Stage = "receiving"
	Sending   Stage = "sending"
)

// counts guards the report, which workers write to.
type counts struct {
	mu     sync.Mutex
	report Report
}

func (c *counts) count(f func(r *Report)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.report)
}

func (j *job) tellProgress(stage Stage, total int) {
	j.count(func(r *Report) {
		done := r.ItemsApplied
		if stage == Sending {
			done = r.Committed
		}
		j.cfg.OnProgress(Progress{Stage: stage, Done: done, Total: total, Bytes: r.BytesUploaded + r.BytesDownloaded})
	})
}
