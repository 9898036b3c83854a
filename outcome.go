package stacksync

// Result says what became of one proposal.
type Result string

// The results.
const (
	// Committed: saved, and durable.
	Committed Result = "committed"
	// AlreadyCommitted: the same proposal was saved before; nothing was saved now. Outcome.Item is the current version,
	// which may be a later one.
	AlreadyCommitted Result = "already committed"
	// InConflict: the proposal was made from a state that is no longer current; nothing was saved. Outcome.Item is what the server
	// has: the current version, or for ErrNameTaken the item that holds the name.
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
