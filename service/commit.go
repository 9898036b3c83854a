package service

import (
	"context"
	"errors"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/gather"
)

// commitJob is a commit on its way through the gatherer.
type commitJob struct {
	gather.Job[stacksync.WorkspaceID]
	*stacksync.Draft
	result stacksync.CommitResult
}

// Commit implements Commits.
func (s *Service) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	return call(ctx, s, "Commit", func(ctx context.Context) (stacksync.CommitResult, int, error) {
		res, err := s.commit(ctx, r)
		return res, len(r.Proposals), err
	})
}

func (s *Service) commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	j, err := s.prepare(r)
	if err != nil {
		return stacksync.CommitResult{}, err
	}
	// The storage is asked before the workspace is locked: it may be slow.
	if err := s.findChunks(ctx, j, func(ctx context.Context, l *lookup) error { return s.lookups.Do(ctx, l, s.runLookups) }); err != nil {
		return stacksync.CommitResult{}, err
	}
	if err := s.commits.Do(ctx, j, s.commitBatch); err != nil {
		return stacksync.CommitResult{}, err
	}
	return j.result, nil
}

// prepare checks all that needs no look at what is saved.
func (s *Service) prepare(r stacksync.CommitRequest) (*commitJob, error) {
	d, err := s.rules.Check(r)
	if err != nil {
		return nil, err
	}
	return &commitJob{Job: gather.Job[stacksync.WorkspaceID]{Key: r.Workspace, Weight: d.Weight()}, Draft: d}, nil
}

// patience is how long gathered commits wait for each of the locks that others have, before their workspaces are tried apart.
const patience = 100 * time.Millisecond

// commitBatch saves gathered commits in one transaction. If that fails, those of each workspace are tried apart, and if that fails too
// each commit alone, so that none can fail its neighbours. One that others hold locked is waited for last, for as long as the store does.
func (s *Service) commitBatch(ctx context.Context, batch []*commitJob, stage gather.Stage) (again bool) {
	wait := patience
	if stage == gather.Waiting {
		wait = 0
	}
	err := s.saveBatch(ctx, batch, wait)
	if err == nil {
		return false
	}
	busy := errors.Is(err, stacksync.ErrBusy)
	if !busy && len(batch) > 1 {
		s.log.Warn("gathered commits failed: they are tried apart", "commits", len(batch), "error", err)
	}
	switch {
	case busy && stage < gather.Waiting, stage == gather.Together && len(batch) > 1:
		return true
	case busy || len(batch) == 1:
		failAll(batch, err) // not tried alone: each would wait for the workspace as long as all of them have
		return false
	}
	for i := range batch {
		err := s.saveBatch(gather.Context(batch[i:i+1]), batch[i:i+1], 0)
		if errors.Is(err, stacksync.ErrBusy) {
			failAll(batch[i:], err)
			break
		}
		if err != nil {
			batch[i].Err = err
		}
	}
	return false
}

func failAll(batch []*commitJob, err error) {
	for _, j := range batch {
		j.Err = err
	}
}

func (s *Service) saveBatch(ctx context.Context, batch []*commitJob, wait time.Duration) (err error) {
	ctx, end := s.observe(ctx, "commit.batch")
	defer func() {
		items := 0
		for _, j := range batch {
			items += len(j.Proposals)
		}
		end(Observation{Err: err, Items: items, Commits: len(batch)})
	}()
	var hints []hint
	err = s.store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		var err error
		hints, err = s.commitIn(ctx, tx, batch, wait)
		return err
	})
	if err == nil {
		s.hints.publish(hints...)
	}
	return err
}

// commitIn is the whole commit of a batch: load, decide, save. It may run again. What it returns is to be published once the transaction
// has committed.
func (s *Service) commitIn(ctx context.Context, tx stacksync.Tx, batch []*commitJob, wait time.Duration) ([]hint, error) {
	if _, err := tx.Lock(ctx, lockParams(batch, wait)); err != nil {
		return nil, err
	}
	rows, err := tx.Load(ctx, loadParams(batch))
	if err != nil {
		return nil, err
	}
	for _, j := range batch {
		j.result = stacksync.CommitResult{}
		acc, err := rows.Permit(j.Actor, j.Workspace, toWrite)
		if err == nil {
			err = s.rules.CheckFolding(acc.Workspace)
		}
		if err == nil {
			err = acc.CheckOpen(j.KeyGeneration, s.now())
		}
		j.Err = err
	}
	if err := loadMore(ctx, tx, batch, &rows); err != nil {
		return nil, err
	}
	ledgers := makeLedgers(&rows)
	now := s.now()
	for _, j := range batch {
		if j.Err != nil {
			continue
		}
		l := ledgers[j.Workspace]
		j.result.Outcomes = s.rules.Decide(j.Ctx, now, l, j.Draft)
		j.result.Revision = l.Workspace.Revision
	}
	return saveLedgers(ctx, tx, ledgers, s.hintDue())
}

// saveLedgers saves what a batch has changed. Who commits has until hintDue to send the hints.
func saveLedgers(ctx context.Context, tx stacksync.Tx, ledgers map[stacksync.WorkspaceID]*stacksync.Ledger, hintDue time.Time) ([]hint, error) {
	var put stacksync.PutParams
	var hints []hint
	owners := make(map[stacksync.UserID]bool)
	for _, l := range ledgers {
		loaded, revision := l.Revisions()
		if revision == loaded {
			continue
		}
		if l.Workspace.Notified >= loaded { // else a hint is owed already, and due when it was
			l.Workspace.HintDue = hintDue
		}
		l.Writes(&put)
		if l.Charged() && !owners[l.Owner.ID] {
			owners[l.Owner.ID] = true
			put.Users = append(put.Users, *l.Owner)
		}
		hints = append(hints, workspaceHint(l.Workspace))
	}
	if len(hints) == 0 {
		return nil, nil
	}
	if _, err := tx.Put(ctx, put); err != nil {
		return nil, err
	}
	return hints, nil
}
