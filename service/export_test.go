package service

import (
	"context"
	"runtime"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/gather"
)

// CommitTogether runs commits as one gathered batch, as happens by chance when they come at the same moment.
func (s *Service) CommitTogether(ctx context.Context, requests []stacksync.CommitRequest) ([]stacksync.CommitResult, []error) {
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
		j.Ctx = ctx
		batch[i] = j
	}
	if s.commitBatch(ctx, batch, gather.Together) {
		for _, part := range gather.ByKey(batch) {
			s.commitBatch(ctx, part, gather.Waiting)
		}
	}
	results := make([]stacksync.CommitResult, len(requests))
	for i, j := range batch {
		results[i], errs[i] = j.result, j.Err
	}
	return results, errs
}

// AwaitQueued returns when n commits wait for others that run.
func (s *Service) AwaitQueued(n int) {
	for queued, _ := s.commits.Counts(); queued < n; queued, _ = s.commits.Counts() {
		runtime.Gosched()
	}
}

// AwaitRunning returns when a commit runs.
func (s *Service) AwaitRunning() {
	for _, busy := s.commits.Counts(); busy == 0; _, busy = s.commits.Counts() {
		runtime.Gosched()
	}
}
