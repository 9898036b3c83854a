package commit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/content"
	"github.com/stacksync/stacksync-go/service/internal/gather"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// Committer saves commits. Its methods may be called from many goroutines.
type Committer struct {
	*session.Kernel
	rules    stacksync.Rules
	content  *content.Desk
	gatherer *gather.Gatherer[stacksync.WorkspaceID, *job]
}

// New makes a committer that saves up to writers batches at once. For turn see gather.New.
func New(k *session.Kernel, rules stacksync.Rules, desk *content.Desk, writers int, turn *sync.Mutex) *Committer {
	return &Committer{Kernel: k, rules: rules, content: desk, gatherer: gather.New[stacksync.WorkspaceID, *job](writers, k.Running, turn)}
}

// job is a commit on its way through the gatherer.
type job struct {
	gather.Job[stacksync.WorkspaceID]
	*stacksync.Draft
	result stacksync.CommitResult
}

// Commit checks and saves a commit, together with other commits that come at the same time.
func (c *Committer) Commit(ctx context.Context, r stacksync.CommitRequest) (stacksync.CommitResult, error) {
	j, err := c.prepare(r)
	if err != nil {
		return stacksync.CommitResult{}, err
	}
	// Ask the storage before the workspace is locked: the storage may be slow.
	if err := c.content.FindChunks(ctx, j.Draft); err != nil {
		return stacksync.CommitResult{}, err
	}
	if err := c.gatherer.Do(ctx, j, c.saveGathered); err != nil {
		return stacksync.CommitResult{}, err
	}
	return j.result, nil
}

// CommitIn checks and saves a commit in a transaction of the host. The caller publishes the
// returned hints once the transaction has committed.
func (c *Committer) CommitIn(ctx context.Context, tx stacksync.Tx, r stacksync.CommitRequest) (stacksync.CommitResult, []session.Hint, error) {
	j, err := c.prepare(r)
	if err != nil {
		return stacksync.CommitResult{}, nil, err
	}
	// Read through the transaction, which has a connection: the store may have no other connection
	// to spare.
	if err := c.content.FindChunksIn(ctx, tx, j.Draft); err != nil {
		return stacksync.CommitResult{}, nil, err
	}
	j.Ctx = ctx
	hints, err := c.commitIn(ctx, tx, []*job{j}, 0)
	if err == nil {
		err = j.Err
	}
	return j.result, hints, err
}

// Together runs commits as one gathered batch, as the gatherer does by chance when they come at the
// same moment. It is for tests. It panics if a request does not pass the checks before the batch.
func (c *Committer) Together(ctx context.Context, requests []stacksync.CommitRequest) (results []stacksync.CommitResult, errs []error) {
	batch := make([]*job, len(requests))
	for i, r := range requests {
		j, err := c.prepare(r)
		if err == nil {
			err = c.content.FindChunksIn(ctx, c.Store, j.Draft)
		}
		if err != nil {
			panic(err)
		}
		j.Ctx = ctx
		batch[i] = j
	}
	if c.saveGathered(ctx, batch, gather.Together) {
		for _, part := range gather.ByKey(batch) {
			c.saveGathered(ctx, part, gather.Waiting)
		}
	}
	for _, j := range batch {
		results, errs = append(results, j.result), append(errs, j.Err)
	}
	return results, errs
}

// Counts returns the counts of the gatherer of commits. It is for tests.
func (c *Committer) Counts() (queued, busy int) { return c.gatherer.Counts() }

// prepare makes the job of a commit, with all checks that need no saved data.
func (c *Committer) prepare(r stacksync.CommitRequest) (*job, error) {
	d, err := c.rules.Check(r)
	if err != nil {
		return nil, err
	}
	return &job{Job: gather.Job[stacksync.WorkspaceID]{Key: r.Workspace, Weight: d.Weight()}, Draft: d}, nil
}

// patience is how long gathered commits wait for each lock that another transaction holds, before
// their workspaces are tried apart.
const patience = 100 * time.Millisecond

// saveGathered saves a batch of gathered commits in one transaction. If that fails, the commits of
// each workspace are tried apart (again), and if that fails too, each commit alone: so no commit
// can fail its neighbours. A workspace that others hold locked is tried last, and then waited for
// as long as the store waits.
func (c *Committer) saveGathered(ctx context.Context, batch []*job, stage gather.Stage) (again bool) {
	wait := patience
	if stage == gather.Waiting {
		wait = 0
	}
	err := c.saveBatch(ctx, batch, wait)
	if err == nil {
		return false
	}
	busy := errors.Is(err, stacksync.ErrBusy)
	if !busy && len(batch) > 1 {
		c.Log.Warn("gathered commits failed: they are tried apart", "commits", len(batch), "error", err)
	}
	switch {
	case busy && stage < gather.Waiting, stage == gather.Together && len(batch) > 1:
		return true
	case busy || len(batch) == 1:
		// The commits are not tried alone: each would wait for the workspace as long as all of them
		// have.
		failAll(batch, err)
		return false
	}
	for i := range batch {
		err := c.saveBatch(gather.Context(batch[i:i+1]), batch[i:i+1], 0)
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

func failAll(batch []*job, err error) {
	for _, j := range batch {
		j.Err = err
	}
}

// saveBatch saves a batch in a transaction of its own, and publishes its hints.
func (c *Committer) saveBatch(ctx context.Context, batch []*job, wait time.Duration) (err error) {
	ctx, end := c.Observe(ctx, "commit.batch")
	defer func() {
		items := 0
		for _, j := range batch {
			items += len(j.Proposals)
		}
		end(session.Seen{Err: err, Items: items, Commits: len(batch)})
	}()
	var hints []session.Hint
	err = c.Store.Update(ctx, func(ctx context.Context, tx stacksync.Tx) error {
		var err error
		hints, err = c.commitIn(ctx, tx, batch, wait)
		return err
	})
	if err == nil {
		c.Publish(hints...)
	}
	return err
}

// commitIn does the whole commit of a batch in a transaction: load, decide, save. It may run again.
// The caller publishes the returned hints once the transaction has committed.
func (c *Committer) commitIn(ctx context.Context, tx stacksync.Tx, batch []*job, wait time.Duration) ([]session.Hint, error) {
	if _, err := tx.Lock(ctx, lockParams(batch, wait)); err != nil {
		return nil, err
	}
	rows, err := tx.Load(ctx, loadParams(batch))
	if err != nil {
		return nil, err
	}
	for _, j := range batch {
		j.result = stacksync.CommitResult{}
		acc, err := rows.Permit(j.Actor, j.Workspace, session.ToWrite)
		if err == nil {
			err = c.rules.CheckFolding(acc.Workspace)
		}
		if err == nil {
			err = acc.CheckOpen(j.KeyGeneration, c.Now())
		}
		j.Err = err
	}
	if err := loadMore(ctx, tx, batch, &rows); err != nil {
		return nil, err
	}
	ledgers := makeLedgers(&rows)
	now := c.Now()
	for _, j := range batch {
		if j.Err != nil {
			continue
		}
		l := ledgers[j.Workspace]
		j.result.Outcomes = c.rules.Decide(j.Ctx, now, l, j.Draft)
		j.result.Revision = l.Workspace.Revision
	}
	return c.saveLedgers(ctx, tx, ledgers)
}

// saveLedgers saves the changes of a batch, and returns the hints that are owed for them.
func (c *Committer) saveLedgers(ctx context.Context, tx stacksync.Tx, ledgers map[stacksync.WorkspaceID]*stacksync.Ledger) ([]session.Hint, error) {
	var put stacksync.PutParams
	var hints []session.Hint
	owners := make(map[stacksync.UserID]bool)
	for _, l := range ledgers {
		loaded, revision := l.Revisions()
		if revision == loaded {
			continue
		}
		c.OweWorkspace(l.Workspace, loaded)
		l.Writes(&put)
		if l.Charged() && !owners[l.Owner.ID] {
			owners[l.Owner.ID] = true
			put.Users = append(put.Users, *l.Owner)
		}
		hints = append(hints, session.WorkspaceHint(l.Workspace))
	}
	if len(hints) == 0 {
		return nil, nil
	}
	if _, err := tx.Put(ctx, put); err != nil {
		return nil, err
	}
	return hints, nil
}
