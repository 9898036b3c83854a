package stacksync

import (
	"context"
	"time"
)

// JournalReader reads operations.
type JournalReader interface {
	// Operations returns those with one of the IDs, those whose Workspace or Source is one of
	// Workspaces, and those of the Users: each once, newest first (CreatedAt, then id, descending),
	// at most Limit.
	Operations(ctx context.Context, p OperationsParams) (OperationsResult, error)
	// StoppedOperations returns those in the state OperationStopped, whoever's they are: oldest
	// first (CreatedAt, then id, ascending), at most Limit.
	StoppedOperations(ctx context.Context, p StoppedOperationsParams) (StoppedOperationsResult, error)
}

// Journal hands out operations to those who work on them. They are Put like all rows.
type Journal interface {
	// ClaimOperations picks running operations whose Due is not after Now, the longest due ones,
	// and returns them with Due set to Until and Fence one higher. It needs no lock, and passes
	// over what other transactions have locked.
	ClaimOperations(ctx context.Context, p ClaimOperationsParams) (ClaimOperationsResult, error)
}

// OperationsParams are those of JournalReader.Operations. Any list may be empty.
type OperationsParams struct {
	IDs        []OperationID
	Workspaces []WorkspaceID
	Users      []UserID
	// State, unless 0, leaves out those in other states.
	State OperationState
	Limit int // at least 1
}

// OperationsResult is that of JournalReader.Operations.
type OperationsResult struct{ Operations []Operation }

// StoppedOperationsParams are those of JournalReader.StoppedOperations.
type StoppedOperationsParams struct {
	Limit int // at least 1
}

// StoppedOperationsResult is that of JournalReader.StoppedOperations.
type StoppedOperationsResult struct{ Operations []Operation }

// ClaimOperationsParams are those of Journal.ClaimOperations.
type ClaimOperationsParams struct {
	Now, Until time.Time
	Limit      int // at least 1
}

// ClaimOperationsResult is that of Journal.ClaimOperations.
type ClaimOperationsResult struct{ Operations []Operation }
