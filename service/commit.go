package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Commit implements Commits.
func (s *Service) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	return call(ctx, s, "Commit", func(ctx context.Context) (stacksync.CommitResult, int, error) {
		res, err := s.committer.Commit(ctx, r)
		return res, len(r.Proposals), err
	})
}

// CommitInResult is that of Service.CommitIn.
type CommitInResult struct {
	stacksync.CommitResult
	// Committed tells followers. The host calls it once it has committed; where it does not get to
	// that, a relay tells them: see Config.RelayInterval. It is never nil.
	Committed func()
}

// CommitIn is Commit inside a transaction of the host's: what it saves, and what the host itself
// writes to the same database, land together or not at all. All is checked as in Commit.
//
// The store's package says how the host gets a Tx. It must be of this service's store, and READ
// COMMITTED. An error means that the host must roll back. Without one the host looks at the
// outcomes, which may be conflicts and rejections, and commits or rolls back.
//
// The workspace, its owner and the actor stay locked until the transaction ends; who commits there
// meanwhile waits, or gets ErrBusy. So it should be short, and CommitIn the last thing in it. A
// host that commits to several workspaces in one transaction first locks all of them and the actors
// with one tx.Lock, as it may deadlock otherwise.
//
// Before the lock, the storage is asked about chunks that no commit has named yet. Config.Policy is
// asked inside the transaction. Nothing is gathered: Commit is faster where nothing else has to
// land with it.
func (s *Service) CommitIn(ctx context.Context, tx stacksync.Tx, r stacksync.CommitRequest) (CommitInResult, error) {
	var hints []session.Hint
	res, err := call(ctx, s, "CommitIn", func(ctx context.Context) (stacksync.CommitResult, int, error) {
		res, owed, err := s.committer.CommitIn(ctx, tx, r)
		hints = owed
		return res, len(r.Proposals), err
	})
	return CommitInResult{res, func() {
		if s.enter() { // else the relay of another service sends them
			s.kernel.Publish(hints...)
			s.running.Done()
		}
	}}, err
}
