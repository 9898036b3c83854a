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
			err = s.findChunks(ctx, j)
		}
		if err != nil {
			panic(err)
		}
		j.job.ctx = ctx
		batch[i] = j
	}
	s.commitBatch(ctx, batch)
	results := make([]CommitResult, len(requests))
	for i, j := range batch {
		results[i], errs[i] = j.result, j.err
	}
	return results, errs
}

// AwaitQueued returns when n commits wait for the running one.
func (s *Service) AwaitQueued(n int) {
	for {
		s.commits.mu.Lock()
		queued := len(s.commits.queue)
		s.commits.mu.Unlock()
		if queued >= n {
			return
		}
		runtime.Gosched()
	}
}
