package stacksync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Commits saves new versions of items.
type Commits interface {
	// Commit checks a batch of proposals and saves the good ones in one transaction. It returns an
	// Outcome for each proposal, in order. Needs role Editor and a device.
	//
	// An error means that no proposal was decided: the request is bad (a *FieldError, such as
	// ErrLimit), the actor has no access, the key of the workspace is another one
	// (ErrKeyGeneration), the service compares names in another way than the workspace
	// (ErrFoldCase), others hold the workspace for too long or the last items of a folder are
	// moving out of it (ErrBusy), or the store failed.
	//
	// After an error of ctx, and after an ErrUncertain, the commit may have been saved. Send it
	// again: the answer is the same, and nothing is saved twice.
	//
	// Example: a device has version 3 of a file and proposes version 4. If the answer is lost and
	// the device sends the same proposal again, its outcome is AlreadyCommitted. If another device
	// has saved version 4 first, the outcome is InConflict with that version.
	Commit(ctx context.Context, r CommitRequest) (CommitResult, error)
}

// CommitRequest is the request of Commits.Commit.
type CommitRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	// RequestID goes to service.Config.Policy and into logs, for tracing; at most 255 bytes. It
	// decides nothing.
	RequestID string
	// KeyGeneration is the generation of the key that the content of an encrypted workspace was
	// encrypted with. If the workspace has another generation by now, or the key of its generation
	// was not handed out to the actor yet (SetKeys), the call fails with ErrKeyGeneration and
	// nothing is saved. In other workspaces it is 0.
	KeyGeneration int64
	// Atomic saves all proposals or none: if one proposal is in conflict or rejected, the good
	// proposals are rejected with ErrAborted.
	Atomic bool
	// Proposals are decided in order. A proposal may name as its parent an item that an earlier
	// proposal makes, and may propose the next version of an item that an earlier proposal changes.
	// At least 1, at most Limits.Proposals.
	Proposals []Proposal
}

// CommitResult is the result of Commits.Commit.
type CommitResult struct {
	Outcomes []Outcome // Outcomes[i] answers Proposals[i]
	// Revision is the last revision of the workspace after the commit.
	Revision int64
}

// Result says how one proposal was decided.
type Result string

// The results of a proposal.
const (
	// Committed: the version was saved and is durable.
	Committed Result = "committed"
	// AlreadyCommitted: the same proposal was saved before, and nothing was saved now. Outcome.Item
	// is the current version of the item, which may be a later one than the proposed version.
	AlreadyCommitted Result = "already committed"
	// InConflict: the proposal was made from a state that is no longer current, and nothing was
	// saved. Outcome.Item is the item that stands in the way: the current version of the proposed
	// item; for ErrNameTaken the item that holds the name; for ErrMoved the tombstone of the item,
	// or of the parent, that has moved.
	InConflict Result = "conflict"
	// Rejected: the proposal breaks a rule, and nothing was saved.
	Rejected Result = "rejected"
)

// Outcome answers one proposal.
type Outcome struct {
	Result Result
	// Item is the saved version, or the item that the server has: see Result. nil for Rejected.
	Item *Item
	// Err says why the proposal is InConflict or Rejected, as an *ItemError; nil otherwise.
	Err error
}

// OK reports whether the proposed version is saved, now or before.
func (o Outcome) OK() bool { return o.Result == Committed || o.Result == AlreadyCommitted }

// Decide applies the rules of the commit, in the order of docs/design/commit.md, to the loaded part of a
// workspace. It answers each proposal of d, in order: Outcomes[i] answers d.Proposals[i]. Decide
// stages the rows to save in l, where later proposals and later commits of the batch see them.
//
// Decide does no I/O and reads no clock: now becomes the CommittedAt of the saved versions. ctx is
// handed to Policy. Before the call the caller must have checked that the actor may commit
// (AccessRows.Permit, Access.CheckOpen).
func (r *Rules) Decide(ctx context.Context, now time.Time, l *Ledger, d *Draft) []Outcome {
	c := commitment{Rules: r, ctx: ctx, now: now, ledger: l, draft: d}
	return c.decide()
}

// commitment is one commit while it is being decided.
type commitment struct {
	*Rules
	ctx    context.Context // handed to Policy
	now    time.Time
	ledger *Ledger
	draft  *Draft
}

// decide answers each proposal of the commit, in order, and stages the rows to save.
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

// takenBack returns the outcome that replaces o, where o tells of a version that stopRecording has
// just taken back.
func (l *Ledger) takenBack(p *Proposal, o *Outcome) Outcome {
	current := l.items[p.Item]
	switch {
	case o.Result == InConflict:
		// The conflict was with another proposal of the commit: the server has no such item.
		return reject(o.Err)
	case o.Result == AlreadyCommitted && current != nil && p.Version <= current.Version:
		return already(current)
	}
	return reject(&ItemError{Item: p.Item, Err: ErrAborted})
}

func reject(err error) Outcome { return Outcome{Result: Rejected, Err: err} }

// The functions below give each outcome a copy of the item, since the same row may go to several
// callers.

func conflict(current *ItemRow, err error) Outcome {
	it := current.Item
	return Outcome{Result: InConflict, Item: &it, Err: err}
}

func already(current *ItemRow) Outcome {
	it := current.Item
	return Outcome{Result: AlreadyCommitted, Item: &it}
}

// decideOne applies the rules to one proposal, in the order of docs/design/commit.md.
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

// delete decides a tombstone. The tombstones of a folder's subtree come first, deepest first, so
// that a client can apply the change log in order.
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

// tombstone makes the row that deletes current. It keeps the name, place and content of current.
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
	// The policy gets copies, so that it can't change what the rules have checked.
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

// askPolicy calls the policy. A panic of the policy counts as a veto: the policy runs beside the
// commits of other callers, and must not end these.
func (c *commitment) askPolicy(r PolicyRequest) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("policy panicked: %v", p)
		}
	}()
	return c.Policy(c.ctx, r)
}

// checkParent applies the rules about the folders above the item: the parent, cycles, and depth.
func (l *Ledger) checkParent(p *Proposal, depth int) error {
	if p.Parent.IsZero() {
		return nil
	}
	parent := l.items[p.Parent]
	// Only a folder can have the parent below itself, or be too deep.
	if err := CheckParent(p.Parent, parent); err != nil || p.Kind != Folder {
		return err
	}
	for at, above := parent, 1; at != nil; at, above = l.items[at.Parent], above+1 {
		switch {
		case at.ID == p.Item:
			return fmt.Errorf("%w: %v lies below it", ErrCycle, p.Parent)
		// The bound also ends the loop if the store holds a cycle.
		case above >= depth:
			return &FieldError{Field: "Parent", Reason: fmt.Sprintf("makes the folder lie more than %d folders deep", depth), Err: ErrLimit}
		}
	}
	return nil
}

// CheckParent applies the rule that a parent exists and is a live folder. row is the current
// version of the parent id, nil where the workspace has no such item. Its errors are
// ErrParentNotFound, ErrParentNotFolder, ErrParentDeleted, or a *MovedError for a parent that lives
// in another workspace now.
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

// checkChunks applies the rule that the chunks are stored, with the sizes that the proposal names:
// *ChunksMissingError, ErrSize.
func (l *Ledger) checkChunks(chunks []Chunk, d *Draft) error {
	var missing []string
	named := make(map[string]bool) // the names in missing
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

// CheckQuota checks that add more bytes fit into the user's quota: a *QuotaError otherwise. Adding
// 0 or fewer bytes always succeeds, even over the limit.
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

// LiveSize returns how many bytes the row adds to its owner's QuotaUsed: 0 for a tombstone and for
// nil.
func (row *ItemRow) LiveSize() int64 {
	if row == nil || row.Deleted {
		return 0
	}
	return row.Size
}

// status derives how a version differs from the one before it. before is nil for a new item.
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
