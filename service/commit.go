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

// CommitInResult is the result of Service.CommitIn.
type CommitInResult struct {
	stacksync.CommitResult
	// Committed tells followers of the commit. The host calls it once its transaction has
	// committed. If the host does not come to call it, a relay tells the followers later: see
	// Config.RelayInterval. It is never nil, and does nothing if nothing was saved.
	Committed func()
}

// CommitIn is Commit inside a transaction of the host: the commit and the rows that the host itself
// writes to the same database are saved together or not at all. CommitIn checks all that Commit
// checks.
//
// tx must be a transaction on the database of this service's store, at isolation level READ
// COMMITTED; the store's package says how the host gets one. After an error the host must roll
// back. Without an error the host looks at the outcomes, which may be conflicts and rejections, and
// commits or rolls back.
//
// The workspace, its owner and the actor stay locked until the transaction ends. Other commits to
// the workspace wait meanwhile, or get ErrBusy. So the transaction should be short, and CommitIn
// the last thing in it. A host that commits to several workspaces in one transaction first locks
// all these workspaces and the actors with one tx.Lock: otherwise it may deadlock.
//
// Before it locks, CommitIn asks the storage about chunks that no commit has named yet. It asks
// Config.Policy inside the transaction. It gathers nothing: Commit is faster where no rows of the
// host have to be saved with it.
//
// Example:
//
//	res, err := svc.CommitIn(ctx, tx, request)
//	if err != nil {
//		return err // and roll back
//	}
//	// look at res.Outcomes; commit the transaction; then:
//	res.Committed()
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
