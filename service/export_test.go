package service

import (
	"context"
	"runtime"

	"github.com/stacksync/stacksync-go"
)

// CommitTogether runs commits as one gathered batch, as happens by chance when they come at the same moment.
func (s *Service) CommitTogether(ctx context.Context, requests []stacksync.CommitRequest) ([]stacksync.CommitResult, []error) {
	return s.committer.Together(ctx, requests)
}

// AwaitQueued returns when n commits wait for others that run.
func (s *Service) AwaitQueued(n int) {
	for queued, _ := s.committer.Counts(); queued < n; queued, _ = s.committer.Counts() {
		runtime.Gosched()
	}
}

// AwaitRunning returns when a commit runs.
func (s *Service) AwaitRunning() {
	for _, busy := s.committer.Counts(); busy == 0; _, busy = s.committer.Counts() {
		runtime.Gosched()
	}
}
