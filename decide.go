package stacksync

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// decider applies the rules of the commit to loaded state. It does no I/O and reads no clock; what it decides collects in its state,
// where later proposals see it.
type decider struct {
	now    time.Time
	policy func(ctx context.Context, r PolicyRequest) error
	depth  int // how many folders deep a folder may lie
}

// request is one commit as the decider needs it.
type request struct {
	ctx    context.Context // handed to the policy
	actor  Actor
	id     string
	atomic bool
	// keyGeneration is that of the key that was used.
	keyGeneration int64
	unchecked     bool // the service has no storage: nobody knows which chunks are stored
	proposals     []Proposal
	keys          []string // keys[i] is the NameKey of proposals[i]
	// invalid[i] is what is wrong with proposals[i] whatever is saved; empty when nothing is wrong at all.
	invalid map[int]error
	// known has the chunks, with sizes, that the chunk table had just before, and stored the others that the container had.
	known, stored map[string]int64
}

// decide answers each proposal of a commit, in order, and stages what is to be saved.
func (d decider) decide(sp *space, r *request) []Outcome {
	outcomes := make([]Outcome, len(r.proposals))
	if r.atomic {
		sp.record()
	}
	failed, saved := false, sp.Revision
	for i := range r.proposals {
		p := &r.proposals[i]
		outcomes[i] = d.decideOne(sp, r, i)
		if outcomes[i].Err != nil {
			outcomes[i].Err = &ItemError{Item: p.Item, Err: outcomes[i].Err}
			failed = true
		}
	}
	if !r.atomic {
		return outcomes
	}
	sp.stopRecording(failed)
	for i := range outcomes {
		if o := &outcomes[i]; failed && o.Item != nil && o.Item.Revision > saved {
			*o = sp.takenBack(&r.proposals[i], o)
		}
	}
	return outcomes
}

// takenBack returns the outcome that takes the place of one which tells of what was just taken back.
func (sp *space) takenBack(p *Proposal, o *Outcome) Outcome {
	current := sp.items[p.Item]
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

// decideOne applies the rules to r.proposals[i], in the order of docs/design.md.
func (d decider) decideOne(sp *space, r *request, i int) Outcome {
	p := &r.proposals[i]
	if err := r.invalid[i]; err != nil {
		return reject(err)
	}
	current := sp.items[p.Item]
	switch {
	case current == nil && (p.Version != 1 || p.Delete):
		return reject(ErrUnknownItem)
	case current == nil:
	case p.Version <= current.Version:
		stored := current
		if p.Version < current.Version {
			stored = sp.versions[VersionKey{sp.ID, p.Item, p.Version}]
		}
		if stored != nil && stored.proposedBy(p) {
			return already(current)
		}
		return conflict(current, current.elsewhere(ErrVersionConflict))
	case p.Version > current.Version+1:
		return conflict(current, current.elsewhere(ErrVersionConflict))
	case current.elsewhere(nil) != nil:
		return conflict(current, current.elsewhere(nil))
	}
	if p.Delete {
		return d.delete(sp, r, current)
	}
	return d.put(sp, r, i, current)
}

// put decides a version that is not a deletion. current is nil for a new item.
func (d decider) put(sp *space, r *request, i int, current *ItemRow) Outcome {
	p := &r.proposals[i]
	if current != nil && current.Kind != p.Kind {
		return reject(ErrKindChanged)
	}
	if err := sp.checkParent(p, d.depth); errors.Is(err, ErrMoved) {
		return conflict(sp.items[p.Parent], err)
	} else if err != nil {
		return reject(err)
	}
	if holder := sp.holder(p.Parent, r.keys[i]); holder != nil && holder.ID != p.Item {
		return conflict(holder, ErrNameTaken)
	}
	if !r.unchecked && (current == nil || !sameContent(&current.Item, p)) {
		if err := sp.checkChunks(p.Chunks, r); err != nil {
			return reject(err)
		}
	}
	row := sp.next(d, r, p, r.keys[i], current)
	if err := sp.owner.checkQuota(row.Size - liveSize(current)); err != nil {
		return reject(err)
	}
	if err := d.veto(r, current, row); err != nil {
		return reject(err)
	}
	sp.save(current, row)
	sp.learn(p.Chunks, r.stored)
	return Outcome{Result: Committed, Item: &row.Item}
}

// delete decides a tombstone. Those of a folder's subtree come first, deepest first, so that the change log can be applied in
// order.
func (d decider) delete(sp *space, r *request, current *ItemRow) Outcome {
	if current.Deleted {
		return reject(ErrAlreadyDeleted)
	}
	row := sp.tombstone(d, r, current)
	if err := d.veto(r, current, row); err != nil {
		return reject(err)
	}
	var subtree []*ItemRow
	if current.Kind == Folder {
		subtree = sp.subtree(current.ID)
	}
	for _, below := range subtree {
		if err := d.veto(r, below, sp.tombstone(d, r, below)); err != nil {
			return reject(err)
		}
	}
	for _, below := range subtree {
		sp.save(below, sp.tombstone(d, r, below))
	}
	sp.save(current, row)
	return Outcome{Result: Committed, Item: &row.Item}
}

func (d decider) veto(r *request, current, proposed *ItemRow) error {
	if d.policy == nil {
		return nil
	}
	// Copies, so that a policy can't save what the rules have not seen.
	after := proposed.Item
	pr := PolicyRequest{Actor: r.actor, RequestID: r.id, Workspace: proposed.Workspace, Proposed: &after}
	if current != nil {
		before := current.Item
		pr.Current = &before
	}
	if err := d.ask(r.ctx, pr); err != nil {
		return fmt.Errorf("%w: %w", ErrVetoed, err)
	}
	return nil
}

// ask calls the policy. One that panics has refused: it runs beside other callers' commits, which it must not take down.
func (d decider) ask(ctx context.Context, r PolicyRequest) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("policy panicked: %v", p)
		}
	}()
	return d.policy(ctx, r)
}

// checkParent applies the structure rules above the item.
func (sp *space) checkParent(p *Proposal, depth int) error {
	if p.Parent.IsZero() {
		return nil
	}
	parent := sp.items[p.Parent]
	switch {
	case parent == nil:
		return fmt.Errorf("%w: %v", ErrParentNotFound, p.Parent)
	case parent.Kind != Folder:
		return fmt.Errorf("%w: %v", ErrParentNotFolder, p.Parent)
	case parent.Deleted:
		return parent.elsewhere(fmt.Errorf("%w: %v", ErrParentDeleted, p.Parent))
	}
	if p.Kind != Folder {
		return nil // only a folder can have something below it
	}
	for at, above := parent, 1; at != nil; at, above = sp.items[at.Parent], above+1 {
		switch {
		case at.ID == p.Item:
			return fmt.Errorf("%w: %v lies below it", ErrCycle, p.Parent)
		case above >= depth: // also ends a cycle, should the store have one
			return &FieldError{Field: "Parent", Reason: fmt.Sprintf("makes the folder lie more than %d folders deep", depth), Err: ErrLimit}
		}
	}
	return nil
}

// checkChunks applies the rule that the chunks are stored, with the sizes that the proposal says.
func (sp *space) checkChunks(chunks []Chunk, r *request) error {
	var missing []string
	for i := range chunks {
		c := &chunks[i]
		size, ok := sp.chunks[c.Name]
		if !ok {
			size, ok = r.known[c.Name]
		}
		if !ok {
			size, ok = r.stored[c.Name]
		}
		switch {
		case !ok:
			missing = append(missing, c.Name)
		case size != c.Size:
			return fmt.Errorf("%w: chunk %q is stored with %d bytes, not %d", ErrSize, c.Name, size, c.Size)
		}
	}
	if len(missing) > 0 {
		return &ChunksMissingError{Names: unique(missing)}
	}
	return nil
}

// checkQuota applies the user's limit to what would be added. What shrinks is always welcome.
func (u *User) checkQuota(add int64) error {
	limit := u.QuotaLimit
	if limit == 0 {
		limit = math.MaxInt64
	}
	if add > 0 && add > limit-u.QuotaUsed {
		return &QuotaError{Owner: u.ID, Limit: limit, Used: u.QuotaUsed, Need: add}
	}
	return nil
}

func liveSize(row *ItemRow) int64 {
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

// unique returns the names without repetition, in order.
func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	kept := names[:0]
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			kept = append(kept, n)
		}
	}
	return kept
}
