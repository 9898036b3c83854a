package stacksync

import "fmt"

// MovedError names the workspace of an ErrMoved.
type MovedError struct {
	Item ItemID // the one that has moved: the proposal's, or its parent
	To   WorkspaceID
}

func (e *MovedError) Error() string { return fmt.Sprintf("%v: %v is in %v", ErrMoved, e.Item, e.To) }

// Unwrap returns ErrMoved.
func (e *MovedError) Unwrap() error { return ErrMoved }

// elsewhere returns a *MovedError if the item lives in another workspace now, and err otherwise.
func (row *ItemRow) elsewhere(err error) error {
	if row.MovedTo.IsZero() {
		return err
	}
	return &MovedError{Item: row.ID, To: row.MovedTo}
}
