package stacksync

import (
	"context"
	"time"
)

// JournalReader reads operations.
type JournalReader interface {
	// Operations returns the operations with one of the IDs, those whose Workspace or Source is one
	// of Workspaces, and those of the Users: each once, newest first (CreatedAt, then id,
	// descending), at most Limit.
	Operations(ctx context.Context, p OperationsParams) (OperationsResult, error)
	// StoppedOperations returns the operations of all users in the state OperationStopped, oldest
	// first (CreatedAt, then id, ascending), at most Limit.
	StoppedOperations(ctx context.Context, p StoppedOperationsParams) (StoppedOperationsResult, error)
}

// Journal hands out operations to the workers of services. New and changed operations are Put as
// other rows are.
type Journal interface {
	// ClaimOperations picks running operations whose Due is not after Now, those with the earliest
	// Due first, sets their Due to Until, adds 1 to their Fence, and returns them. It needs no
	// lock, and passes over rows that other transactions have locked.
	ClaimOperations(ctx context.Context, p ClaimOperationsParams) (ClaimOperationsResult, error)
}

// OperationsParams are the parameters of JournalReader.Operations. Any list may be empty.
type OperationsParams struct {
	IDs        []OperationID
	Workspaces []WorkspaceID
	Users      []UserID
	// State, unless 0, leaves out operations in other states.
	State OperationState
	Limit int // at least 1
}

// OperationsResult is the result of JournalReader.Operations.
type OperationsResult struct{ Operations []Operation }

// StoppedOperationsParams are the parameters of JournalReader.StoppedOperations.
type StoppedOperationsParams struct {
	Limit int // at least 1
}

// StoppedOperationsResult is the result of JournalReader.StoppedOperations.
type StoppedOperationsResult struct{ Operations []Operation }

// ClaimOperationsParams are the parameters of Journal.ClaimOperations.
type ClaimOperationsParams struct {
	Now, Until time.Time
	Limit      int // at least 1
}

// ClaimOperationsResult is the result of Journal.ClaimOperations.
type ClaimOperationsResult struct{ Operations []Operation }
