package stacksync

import "context"

// CommitIn is Commit inside a transaction of the host's: what it saves, and what the host itself writes to the same database, land
// together or not at all. All is checked as in Commit. How the host gets a Tx, the store's package says; it must be of this service's
// store, and in the isolation level READ COMMITTED.
//
// An error means that the host must roll back. Without one the host looks at the outcomes, which may be conflicts and rejections, and
// commits or rolls back. Once it has committed it calls committed, which never is nil, and followers are told. Where it does not get to
// that, a relay tells them: see Config.RelayInterval. After a rollback committed must not be called: it would note hints as sent that
// later commits owe.
//
//   - The workspace, its owner and the actor are locked until the transaction ends; who commits there meanwhile waits, or gets ErrBusy. So
//     keep it short, and CommitIn the last thing in it. One that commits to several workspaces first of all locks them and the actors with
//     one tx.Lock; otherwise it may deadlock with other commits.
//   - The actor, device and workspace must have been committed before, and the chunks stored. The storage is asked about chunks that no
//     commit has named yet, before the workspace is locked.
//   - Config.Policy is asked inside the transaction. Nothing is gathered: Commit is faster where nothing else has to land with it.
func (s *Service) CommitIn(ctx context.Context, tx Tx, r CommitRequest) (res CommitResult, committed func(), err error) {
	var hints []hint
	res, err = call(ctx, s, "CommitIn", func(ctx context.Context) (CommitResult, int, error) {
		j, err := s.prepare(r)
		if err != nil {
			return CommitResult{}, len(r.Proposals), err
		}
		// Not gathered: gathered lookups may wait for commits, and these for the host's transaction.
		if err := s.findChunks(ctx, j, s.lookUp); err != nil {
			return CommitResult{}, len(r.Proposals), err
		}
		j.job.ctx = ctx
		hints, err = s.commitIn(ctx, tx, []*commitJob{j}, 0)
		if err == nil {
			err = j.err
		}
		return j.result, len(r.Proposals), err
	})
	return res, func() {
		if s.enter() { // else the relay of another service sends them
			s.hints.publish(hints...)
			s.running.Done()
		}
	}, err
}
