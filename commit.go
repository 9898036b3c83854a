package stacksync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Commits saves metadata.
type Commits interface {
	// Commit checks a batch of proposals and saves the good ones in one transaction. It returns an
	// Outcome for each, in order. An error means that no proposal was decided: bad request, no
	// access, or the store failed. After an error of ctx, or of a store that can't tell, the commit
	// may have been saved: send it again, the answer is the same and nothing is saved twice. Needs
	// role Editor and a device.
	Commit(ctx context.Context, r CommitRequest) (CommitResult, error)
}

// CommitRequest is that of Commits.Commit.
type CommitRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	// RequestID goes into logs and to service.Config.Policy, for tracing; at most 255 bytes. It
	// decides nothing.
	RequestID string
	// KeyGeneration is that of the key with which the content of an encrypted workspace was
	// encrypted. If the workspace has another one by now, or its key was not handed out yet
	// (SetKeys), nothing is saved, and the error is ErrKeyGeneration. 0 in other workspaces.
	KeyGeneration int64
	// Atomic saves all proposals or none: if one is in conflict or rejected, the good ones are
	// rejected with ErrAborted.
	Atomic bool
	// Proposals are decided in order: one may name as parent an item made by an earlier one, or
	// propose the next version of the same item. At least one, at most Limits.Proposals.
	Proposals []Proposal
}

// CommitResult is that of Commits.Commit.
type CommitResult struct {
	Outcomes []Outcome // Outcomes[i] answers Proposals[i]
	// Revision is the workspace's after the commit.
	Revision int64
}

// Result says what became of one proposal.
type Result string

// The results.
const (
	// Committed: saved, and durable.
	Committed Result = "committed"
	// AlreadyCommitted: the same proposal was saved before; nothing was saved now. Outcome.Item is
	// the current version, which may be a later one.
	AlreadyCommitted Result = "already committed"
	// InConflict: the proposal was made from a state that is no longer current; nothing was saved.
	// Outcome.Item is what the server has: the current version, or for ErrNameTaken the item that
	// holds the name.
	InConflict Result = "conflict"
	// Rejected: the proposal breaks a rule; nothing was saved.
	Rejected Result = "rejected"
)

// Outcome answers one proposal.
type Outcome struct {
	Result Result
	// Item is what was saved, or what the server has; nil where Rejected.
	Item *Item
	// Err says why the proposal is InConflict or Rejected, as an *ItemError; nil otherwise.
	Err error
}

// OK reports whether the proposed version is saved, now or before.
func (o Outcome) OK() bool { return o.Result == Committed || o.Result == AlreadyCommitted }

// Decide applies the rules of the commit, in the order of docs/design.md, to what is loaded of a
// workspace. It answers each proposal of d, in order: Outcomes[i] is that of d.Proposals[i]. What
// is to be saved collects in l, where later proposals and later commits see it. Decide does no I/O
// and reads no clock: now is the time that saved versions get. ctx is handed to Policy. The caller
// has made sure that the actor may commit (AccessRows.Permit, Access.CheckOpen).
func (r *Rules) Decide(ctx context.Context, now time.Time, l *Ledger, d *Draft) []Outcome {
	c := commitment{Rules: r, ctx: ctx, now: now, ledger: l, draft: d}
	return c.decide()
}

// commitment is one commit while it is decided.
type commitment struct {
	*Rules
	ctx    context.Context // handed to Policy
	now    time.Time
	ledger *Ledger
	draft  *Draft
}

// decide answers each proposal of the commit, in order, and stages what is to be saved.
func (c *commitment) decide() []Outcome {
	l, d := c.ledger, c.draft
	outcomes := make([]Outcome, len(d.Proposals))
	if d.Atomic {
		l.record()
	}
	failed, saved := false, l.Workspace.Revision
	for i := range d.Proposals {
		p := &d.Proposals[i]
		outcomes[i] = c.decideOne(i)
		if outcomes[i].Err != nil {
			outcomes[i].Err = &ItemError{Item: p.Item, Err: outcomes[i].Err}
			failed = true
		}
	}
	if !d.Atomic {
		return outcomes
	}
	l.stopRecording(failed)
	for i := range outcomes {
		if o := &outcomes[i]; failed && o.Item != nil && o.Item.Revision > saved {
			*o = l.takenBack(&d.Proposals[i], o)
		}
	}
	return outcomes
}

// takenBack returns the outcome that takes the place of one which tells of what was just taken
// back.
func (l *Ledger) takenBack(p *Proposal, o *Outcome) Outcome {
	current := l.items[p.Item]
	switch {
	case o.Result == InConflict:
		return reject(o.Err) // with another proposal of the commit: the server has no such item
	case o.Result == AlreadyCommitted && current != nil && p.Version <= current.Version:
		return already(current)
	}
	return reject(&ItemError{Item: p.Item, Err: ErrAborted})
}

func reject(err error) Outcome { return Outcome{Result: Rejected, Err: err} }

// The outcomes below get an item of their own: the same one may go to several callers.

func conflict(current *ItemRow, err error) Outcome {
	it := current.Item
	return Outcome{Result: InConflict, Item: &it, Err: err}
}

func already(current *ItemRow) Outcome {
	it := current.Item
	return Outcome{Result: AlreadyCommitted, Item: &it}
}

// decideOne applies the rules to one proposal, in the order of docs/design.md.
func (c *commitment) decideOne(i int) Outcome {
	p := &c.draft.Proposals[i]
	if err := c.draft.invalid[i]; err != nil {
		return reject(err)
	}
	current := c.ledger.items[p.Item]
	switch {
	case current == nil && (p.Version != 1 || p.Delete):
		return reject(ErrUnknownItem)
	case current == nil:
	case p.Version <= current.Version:
		stored := current
		if p.Version < current.Version {
			stored = c.ledger.versions[VersionKey{c.ledger.Workspace.ID, p.Item, p.Version}]
		}
		if stored != nil && stored.proposedBy(p) {
			return already(current)
		}
		return conflict(current, cmp.Or(current.Moved(), ErrVersionConflict))
	case p.Version > current.Version+1:
		return conflict(current, cmp.Or(current.Moved(), ErrVersionConflict))
	case current.Moved() != nil:
		return conflict(current, current.Moved())
	}
	if p.Delete {
		return c.delete(current)
	}
	return c.put(i, current)
}

// put decides a version that is not a deletion. current is nil for a new item.
func (c *commitment) put(i int, current *ItemRow) Outcome {
	l, p, key := c.ledger, &c.draft.Proposals[i], c.draft.keys[i]
	if current != nil && current.Kind != p.Kind {
		return reject(ErrKindChanged)
	}
	if err := l.checkParent(p, c.Limits.Depth); errors.Is(err, ErrMoved) {
		return conflict(l.items[p.Parent], err)
	} else if err != nil {
		return reject(err)
	}
	if holder := l.holder(p.Parent, key); holder != nil && holder.ID != p.Item {
		return conflict(holder, ErrNameTaken)
	}
	if !c.Unchecked && (current == nil || !sameContent(&current.Item, p)) {
		if err := l.checkChunks(p.Chunks, c.draft); err != nil {
			return reject(err)
		}
	}
	row := c.newVersion(p, key, current)
	if err := l.Owner.CheckQuota(row.Size - current.LiveSize()); err != nil {
		return reject(err)
	}
	if err := c.veto(current, row); err != nil {
		return reject(err)
	}
	l.save(current, row)
	l.learn(p.Chunks, c.draft.Stored)
	return Outcome{Result: Committed, Item: &row.Item}
}

// delete decides a tombstone. Those of a folder's subtree come first, deepest first, so that the
// change log can be applied in order.
func (c *commitment) delete(current *ItemRow) Outcome {
	if current.Deleted {
		return reject(ErrAlreadyDeleted)
	}
	row := c.tombstone(current)
	if err := c.veto(current, row); err != nil {
		return reject(err)
	}
	var subtree []*ItemRow
	if current.Kind == Folder {
		subtree = c.ledger.subtree(current.ID)
	}
	for _, below := range subtree {
		if err := c.veto(below, c.tombstone(below)); err != nil {
			return reject(err)
		}
	}
	for _, below := range subtree {
		c.ledger.save(below, c.tombstone(below))
	}
	c.ledger.save(current, row)
	return Outcome{Result: Committed, Item: &row.Item}
}

// newVersion makes the row that a proposal asks for.
func (c *commitment) newVersion(p *Proposal, key string, current *ItemRow) *ItemRow {
	row := &ItemRow{Workspace: c.ledger.Workspace.ID, NameKey: key, Item: Item{
		ID: p.Item, Version: p.Version, Parent: p.Parent, Name: p.Name, Kind: p.Kind,
		Size: p.Size, Checksum: p.Checksum, Chunks: p.Chunks, MediaType: p.MediaType, ModifiedAt: p.ModifiedAt, Attrs: p.Attrs,
	}}
	return c.stamp(row, current)
}

// tombstone makes the row that deletes current, and keeps what it was.
func (c *commitment) tombstone(current *ItemRow) *ItemRow {
	row := *current
	row.Version++
	row.Deleted = true
	return c.stamp(&row, current)
}

func (c *commitment) stamp(row, current *ItemRow) *ItemRow {
	row.Status = status(current, row)
	row.User, row.Device, row.CommittedAt = c.draft.User, c.draft.Device, c.now
	return row
}

func (c *commitment) veto(current, proposed *ItemRow) error {
	if c.Policy == nil {
		return nil
	}
	// Copies, so that a policy can't save what the rules have not seen.
	after := proposed.Item
	pr := PolicyRequest{Actor: c.draft.Actor, RequestID: c.draft.RequestID, Workspace: proposed.Workspace, Proposed: &after}
	if current != nil {
		before := current.Item
		pr.Current = &before
	}
	if err := c.askPolicy(pr); err != nil {
		return fmt.Errorf("%w: %w", ErrVetoed, err)
	}
	return nil
}

// askPolicy calls the policy. A panic in it counts as a veto: the policy runs beside other callers'
// commits, which it must not take down.
func (c *commitment) askPolicy(r PolicyRequest) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("policy panicked: %v", p)
		}
	}()
	return c.Policy(c.ctx, r)
}

// checkParent applies the structure rules above the item.
func (l *Ledger) checkParent(p *Proposal, depth int) error {
	if p.Parent.IsZero() {
		return nil
	}
	parent := l.items[p.Parent]
	if err := CheckParent(p.Parent, parent); err != nil || p.Kind != Folder { // only a folder can have something below it
		return err
	}
	for at, above := parent, 1; at != nil; at, above = l.items[at.Parent], above+1 {
		switch {
		case at.ID == p.Item:
			return fmt.Errorf("%w: %v lies below it", ErrCycle, p.Parent)
		case above >= depth: // also ends a cycle, should the store have one
			return &FieldError{Field: "Parent", Reason: fmt.Sprintf("makes the folder lie more than %d folders deep", depth), Err: ErrLimit}
		}
	}
	return nil
}

// CheckParent applies the rule that a parent exists and is a live folder. row is the parent's
// current version, nil where the workspace has no such item. ErrParentNotFound, ErrParentNotFolder,
// ErrParentDeleted, or a *MovedError.
func CheckParent(id ItemID, row *ItemRow) error {
	switch {
	case row == nil:
		return fmt.Errorf("%w: %v", ErrParentNotFound, id)
	case row.Kind != Folder:
		return fmt.Errorf("%w: %v", ErrParentNotFolder, id)
	case row.Deleted:
		return cmp.Or(row.Moved(), fmt.Errorf("%w: %v", ErrParentDeleted, id))
	}
	return nil
}

// checkChunks applies the rule that the chunks are stored, with the sizes that the proposal says.
func (l *Ledger) checkChunks(chunks []Chunk, d *Draft) error {
	var missing []string
	named := make(map[string]bool) // in missing
	for i := range chunks {
		c := &chunks[i]
		size, ok := l.chunks[c.Name]
		if !ok {
			size, ok = d.Known[c.Name]
		}
		if !ok {
			size, ok = d.Stored[c.Name]
		}
		switch {
		case !ok && !named[c.Name]:
			named[c.Name] = true
			missing = append(missing, c.Name)
		case ok && size != c.Size:
			return fmt.Errorf("%w: chunk %q is stored with %d bytes, not %d", ErrSize, c.Name, size, c.Size)
		}
	}
	if len(missing) > 0 {
		return &ChunksMissingError{Names: missing}
	}
	return nil
}

// CheckQuota applies the user's limit to bytes that would be added, with a *QuotaError where they
// don't fit. What shrinks is always welcome.
func (u *User) CheckQuota(add int64) error {
	limit := u.QuotaLimit
	if limit == 0 {
		limit = math.MaxInt64
	}
	if add > 0 && add > limit-u.QuotaUsed {
		return &QuotaError{Owner: u.ID, Limit: limit, Used: u.QuotaUsed, Need: add}
	}
	return nil
}

// LiveSize returns what the row adds to its owner's QuotaUsed, in bytes: 0 for a tombstone, and for
// nil.
func (row *ItemRow) LiveSize() int64 {
	if row == nil || row.Deleted {
		return 0
	}
	return row.Size
}

// status derives how a version differs from the one before it.
func status(before, after *ItemRow) Status {
	switch {
	case after.Deleted:
		return StatusDeleted
	case before == nil || before.Deleted:
		return StatusNew
	case before.Parent != after.Parent:
		return StatusMoved
	case before.Name != after.Name:
		return StatusRenamed
	}
	return StatusChanged
}
