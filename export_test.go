package stacksync

import (
	"context"
	"runtime"
)

// CommitTogether runs commits as one gathered batch, as happens by chance when they come at the same moment.
func (s *Service) CommitTogether(ctx context.Context, requests []CommitRequest) ([]CommitResult, []error) {
	batch := make([]*commitJob, len(requests))
	errs := make([]error, len(requests))
	for i, r := range requests {
		j, err := s.prepare(r)
		if err == nil {
			err = s.findChunks(ctx, j, s.lookUp)
		}
		if err != nil {
			panic(err)
		}
		j.job.ctx = ctx
		batch[i] = j
	}
	if s.commitBatch(ctx, batch, together) {
		for _, part := range byWorkspace(batch) {
			s.commitBatch(ctx, part, waiting)
		}
	}
	results := make([]CommitResult, len(requests))
	for i, j := range batch {
		results[i], errs[i] = j.result, j.err
	}
	return results, errs
}

// AwaitQueued returns when n commits wait for others that run.
func (s *Service) AwaitQueued(n int) {
	for {
		s.commits.mu.Lock()
		queued := 0
		for _, l := range s.commits.lanes {
			queued += len(l.queue)
		}
		s.commits.mu.Unlock()
		if queued >= n {
			return
		}
		runtime.Gosched()
	}
}

// AwaitRunning returns when a commit runs.
func (s *Service) AwaitRunning() {
	for {
		s.commits.mu.Lock()
		running := false
		for _, l := range s.commits.lanes {
			running = running || l.busy
		}
		s.commits.mu.Unlock()
		if running {
			return
		}
		runtime.Gosched()
	}
}
