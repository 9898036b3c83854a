package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// CommitInResult is that of Service.CommitIn.
type CommitInResult struct {
	stacksync.CommitResult
	// Committed tells followers. The host calls it once it has committed; where it does not get to that, a relay tells them: see
	// Config.RelayInterval. It is never nil.
	Committed func()
}

// CommitIn is Commit inside a transaction of the host's: what it saves, and what the host itself writes to the same database, land
// together or not at all. All is checked as in Commit.
//
// The store's package says how the host gets a Tx. It must be of this service's store, and READ COMMITTED. An error means that the host
// must roll back. Without one the host looks at the outcomes, which may be conflicts and rejections, and commits or rolls back.
//
// The workspace, its owner and the actor stay locked until the transaction ends; who commits there meanwhile waits, or gets ErrBusy. So
// it should be short, and CommitIn the last thing in it. A host that commits to several workspaces in one transaction first locks
// all of them and the actors with one tx.Lock, as it may deadlock otherwise.
//
// Before the lock, the storage is asked about chunks that no commit has named yet. Config.Policy is asked inside the transaction.
// Nothing is gathered: Commit is faster where nothing else has to land with it.
func (s *Service) CommitIn(ctx context.Context, tx stacksync.Tx, r stacksync.CommitRequest) (CommitInResult, error) {
	var hints []hint
	res, err := call(ctx, s, "CommitIn", func(ctx context.Context) (stacksync.CommitResult, int, error) {
		j, err := s.prepare(r)
		if err != nil {
			return stacksync.CommitResult{}, len(r.Proposals), err
		}
		// All reads are of the transaction: it has a connection, and others may have none to spare.
		err = s.findChunks(ctx, j, func(ctx context.Context, l *lookup) error { return s.lookUpIn(ctx, tx, l) })
		if err != nil {
			return stacksync.CommitResult{}, len(r.Proposals), err
		}
		j.Ctx = ctx
		hints, err = s.commitIn(ctx, tx, []*commitJob{j}, 0)
		if err == nil {
			err = j.Err
		}
		return j.result, len(r.Proposals), err
	})
	return CommitInResult{res, func() {
		if s.enter() { // else the relay of another service sends them
			s.hints.publish(hints...)
			s.running.Done()
		}
	}}, err
}
