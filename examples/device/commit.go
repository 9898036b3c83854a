package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// commit proposes the steps and learns from the answers. Where the service finds fault with the request as a whole (the host may have
// set its limits low), it proposes fewer.
func (j *job) commit(ctx context.Context, steps []*step) error {
	f := &flight{RequestID: uuid.NewString()}
	for _, s := range steps {
		f.Proposals = append(f.Proposals, s.proposal)
		f.Stamps = append(f.Stamps, s.stamp)
	}
	j.state.setFlight(f)
	outcomes, err := j.send(ctx)
	if errors.Is(err, stacksync.ErrInvalid) {
		half := len(steps) / 2
		if half == 0 {
			j.failed(steps[0].path, err)
			return nil
		}
		if err := j.commit(ctx, steps[:half]); err != nil {
			return err
		}
		return j.commit(ctx, steps[half:])
	}
	if err != nil {
		return err
	}
	for i, s := range steps {
		if err := j.learn(f, i, outcomes[i]); err != nil {
			if err := j.objection(s, outcomes[i]); err != nil {
				return err
			}
		}
	}
	return j.state.save()
}

// land finishes a commit whose answer never came. What it refused is planned anew.
func (j *job) land(ctx context.Context) error {
	f := j.state.flight
	if f == nil {
		return nil
	}
	outcomes, err := j.send(ctx)
	if err != nil {
		return err
	}
	for i := range outcomes {
		if err := j.learn(f, i, outcomes[i]); err != nil {
			j.cfg.Logger.Info("commit is planned anew", "error", err)
		}
	}
	return j.state.save()
}

// send sends the commit in flight. Unless it is certain that nothing was saved, a commit that failed stays in flight, and is sent
// again by the next Sync: the same commit again gives the same answer, and nothing is saved twice.
func (j *job) send(ctx context.Context) ([]stacksync.Outcome, error) {
	if err := j.state.save(); err != nil {
		return nil, err
	}
	f := j.state.flight
	res, err := j.service.Commit(ctx, stacksync.CommitRequest{
		Actor: j.cfg.Actor, Workspace: j.cfg.Workspace, RequestID: f.RequestID, Proposals: f.Proposals,
	})
	switch {
	case errors.Is(err, stacksync.ErrInvalid), errors.Is(err, stacksync.ErrNotFound), errors.Is(err, stacksync.ErrForbidden):
		j.state.setFlight(nil)
		return nil, fmt.Errorf("commit: %w", err)
	case err != nil:
		return nil, fmt.Errorf("commit: %w", err)
	case len(res.Outcomes) != len(f.Proposals):
		return nil, fmt.Errorf("commit: %d outcomes for %d proposals", len(res.Outcomes), len(f.Proposals))
	}
	j.state.setFlight(nil)
	return res.Outcomes, nil
}

// learn notes the answer to a proposal. It returns why it was not saved.
func (j *job) learn(f *flight, i int, o stacksync.Outcome) error {
	p := &f.Proposals[i]
	if !o.OK() {
		return o.Err
	}
	j.report.Committed++
	if p.Delete {
		j.state.drop(p.Item)
		return nil
	}
	r := &record{Proposal: *p, Stamp: f.Stamps[i]}
	if old := j.state.records[p.Item]; old != nil && old.Name == r.Name {
		r.Alias = old.Alias
	}
	j.state.put(r)
	return nil
}

// objection deals with a proposal that was not saved.
func (j *job) objection(s *step, o stacksync.Outcome) error {
	if errors.Is(o.Err, stacksync.ErrNameTaken) && j.tries[s.path] > 0 && s.node != nil && o.Item != nil {
		// The one that has the name is known here, so nothing will come that frees it: to the server, two names are one.
		if r := j.state.records[o.Item.ID]; r != nil && r.Version == o.Item.Version {
			if err := j.setAside(s.node); err != nil && !errors.Is(err, errStale) {
				return err
			}
		}
	}
	j.failed(s.path, o.Err)
	return nil
}
