package stacksync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Commits saves metadata.
type Commits interface {
	// Commit checks a batch of proposals and saves the good ones in one transaction. It returns an Outcome for each, in
	// order. An error means that no proposal was decided: bad request, no access, or the store failed. After an error of
	// ctx, or of a store that can't tell, the commit may have been saved: send it again, the answer is the same and
	// nothing is saved twice. Needs role Editor and a device.
	Commit(ctx context.Context, r CommitRequest) (CommitResult, error)
}

// CommitRequest is that of Commits.Commit.
type CommitRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	// RequestID goes into logs and to Config.Policy, for tracing; at most 255 bytes. It decides nothing.
	RequestID string
	// KeyGeneration is that of the key with which the content of an encrypted workspace was encrypted. If the workspace has another one by
	// now, or its key was not handed out yet (SetKeys), nothing is saved, and the error is ErrKeyGeneration. 0 in other workspaces.
	KeyGeneration int64
	// Atomic saves all proposals or none: if one is in conflict or rejected, the good ones are rejected with ErrAborted.
	Atomic bool
	// Proposals are decided in order: one may name as parent an item made by an earlier one, or propose the next version of
	// the same item. At least one, at most Limits.Proposals.
	Proposals []Proposal
}

// CommitResult is that of Commits.Commit.
type CommitResult struct {
	Outcomes []Outcome // Outcomes[i] answers Proposals[i]
	// Revision is the workspace's after the commit.
	Revision int64
}

// commitJob is a commit on its way through the gatherer.
type commitJob struct {
	job
	request
	result CommitResult
}

// Commit implements Commits.
func (s *Service) Commit(ctx context.Context, r CommitRequest) (CommitResult, error) {
	return call(ctx, s, "Commit", func(ctx context.Context) (CommitResult, int, error) {
		res, err := s.commit(ctx, r)
		return res, len(r.Proposals), err
	})
}

func (s *Service) commit(ctx context.Context, r CommitRequest) (CommitResult, error) {
	j, err := s.prepare(r)
	if err != nil {
		return CommitResult{}, err
	}
	// The storage is asked before the workspace is locked: it may be slow.
	if err := s.findChunks(ctx, j, s.lookups.do); err != nil {
		return CommitResult{}, err
	}
	if err := s.commits.do(ctx, j); err != nil {
		return CommitResult{}, err
	}
	return j.result, nil
}

// prepare checks all that needs no look at what is saved.
func (s *Service) prepare(r CommitRequest) (*commitJob, error) {
	limits := &s.cfg.Limits
	if err := r.Actor.check(toWrite); err != nil {
		return nil, err
	}
	if err := checkText("RequestID", r.RequestID, maxShort); err != nil {
		return nil, err
	}
	if n := len(r.Proposals); n == 0 || n > limits.Proposals {
		return nil, &FieldError{Field: "Proposals", Reason: fmt.Sprintf("are not 1 to %d", limits.Proposals), Err: ErrLimit}
	}
	j := &commitJob{job: job{workspace: r.Workspace}, request: request{
		actor: r.Actor, id: r.RequestID, atomic: r.Atomic, keyGeneration: r.KeyGeneration, unchecked: s.storage == nil,
		proposals: slices.Clone(r.Proposals), keys: make([]string, len(r.Proposals)),
	}}
	chunks := 0
	for i := range j.proposals {
		p := &j.proposals[i]
		if chunks += len(p.Chunks); chunks > limits.CommitChunks {
			return nil, &FieldError{Field: "Proposals", Reason: fmt.Sprintf("have more than %d chunks together", limits.CommitChunks), Err: ErrLimit}
		}
		if err := s.checkProposal(j, i); err != nil {
			if j.invalid == nil {
				j.invalid = make(map[int]error)
			}
			j.invalid[i] = err
		}
	}
	j.weight = len(j.proposals) + chunks
	return j, nil
}

// checkProposal checks and normalises one. Its field is named only where it is bad.
func (s *Service) checkProposal(j *commitJob, i int) error {
	p := &j.proposals[i]
	if p.check("", &s.cfg.Limits) != nil {
		return p.check(fmt.Sprintf("Proposals[%d]", i), &s.cfg.Limits)
	}
	if !p.Delete {
		p.normalise()
		j.keys[i] = nameKey(p.Name, s.cfg.FoldCase)
	}
	return nil
}

// patience is how long gathered commits wait for each of the locks that others have, before their workspaces are tried apart.
const patience = 100 * time.Millisecond

// commitBatch saves gathered commits in one transaction. If that fails, those of each workspace are tried apart, and if that fails too
// each commit alone, so that none can fail its neighbours. One that others hold locked is waited for last, for as long as the store does.
func (s *Service) commitBatch(ctx context.Context, batch []*commitJob, stage stage) (again bool) {
	wait := patience
	if stage == waiting {
		wait = 0
	}
	err := s.saveBatch(ctx, batch, wait)
	if err == nil {
		return false
	}
	busy := errors.Is(err, ErrBusy)
	if !busy && len(batch) > 1 {
		s.log.Warn("gathered commits failed: they are tried apart", "commits", len(batch), "error", err)
	}
	switch {
	case busy && stage < waiting, stage == together && len(batch) > 1:
		return true
	case busy || len(batch) == 1:
		failAll(batch, err) // not tried alone: each would wait for the workspace as long as all of them have
		return false
	}
	for i := range batch {
		err := s.saveBatch(batchContext(batch[i:i+1]), batch[i:i+1], 0)
		if errors.Is(err, ErrBusy) {
			failAll(batch[i:], err)
			break
		}
		if err != nil {
			batch[i].err = err
		}
	}
	return false
}

func failAll(batch []*commitJob, err error) {
	for _, j := range batch {
		j.err = err
	}
}

func (s *Service) saveBatch(ctx context.Context, batch []*commitJob, wait time.Duration) (err error) {
	ctx, end := s.observe(ctx, "commit.batch")
	defer func() {
		items := 0
		for _, j := range batch {
			items += len(j.proposals)
		}
		end(Observation{Err: err, Items: items, Commits: len(batch)})
	}()
	var hints []hint
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
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
func (s *Service) commitIn(ctx context.Context, tx Tx, batch []*commitJob, wait time.Duration) ([]hint, error) {
	if _, err := tx.Lock(ctx, lockParams(batch, wait)); err != nil {
		return nil, err
	}
	rows, err := tx.Load(ctx, loadParams(batch))
	if err != nil {
		return nil, err
	}
	for _, j := range batch {
		j.result = CommitResult{}
		acc, err := rows.permit(j.actor, j.workspace, toWrite)
		if err == nil {
			err = s.checkFolding(acc.workspace)
		}
		if err == nil {
			err = acc.checkOpen(j.keyGeneration, s.now())
		}
		j.err = err
	}
	if err := loadMore(ctx, tx, batch, &rows); err != nil {
		return nil, err
	}
	spaces := makeSpaces(&rows)
	d := decider{now: s.now(), policy: s.cfg.Policy, depth: s.cfg.Limits.Depth}
	for _, j := range batch {
		if j.err != nil {
			continue
		}
		j.request.ctx = j.job.ctx
		sp := spaces[j.workspace]
		j.result.Outcomes = d.decide(sp, &j.request)
		j.result.Revision = sp.Revision
	}
	return saveSpaces(ctx, tx, spaces, s.hintDue())
}

// checkOpen refuses commits with a key that was replaced, or that nobody has handed out yet, and for a moment all of them.
func (a access) checkOpen(keyGeneration int64, now time.Time) error {
	switch w := a.workspace; {
	case keyGeneration != w.KeyGeneration:
		return fmt.Errorf("%w: it is %d", ErrKeyGeneration, w.KeyGeneration)
	case a.key != w.KeyGeneration:
		return fmt.Errorf("%w: it is %d, whose key is yet to be handed out", ErrKeyGeneration, w.KeyGeneration)
	case w.FrozenUntil.After(now):
		return fmt.Errorf("%w: a folder is moving to another workspace", ErrBusy)
	}
	return nil
}

// saveSpaces saves what a batch has changed. Who commits has until hintDue to send the hints.
func saveSpaces(ctx context.Context, tx Tx, spaces map[WorkspaceID]*space, hintDue time.Time) ([]hint, error) {
	var put PutParams
	var hints []hint
	owners := make(map[UserID]bool)
	for _, sp := range spaces {
		if len(sp.changed) == 0 {
			continue
		}
		if sp.Notified >= sp.loaded { // else a hint is owed already, and due when it was
			sp.HintDue = hintDue
		}
		sp.writes(&put)
		if sp.owner.QuotaUsed != sp.charged && !owners[sp.owner.ID] {
			owners[sp.owner.ID] = true
			put.Users = append(put.Users, *sp.owner)
		}
		hints = append(hints, sp.hint())
	}
	if len(hints) == 0 {
		return nil, nil
	}
	if _, err := tx.Put(ctx, put); err != nil {
		return nil, err
	}
	return hints, nil
}
