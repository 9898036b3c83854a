package stacksync

import (
	"context"
	"time"
)

// Operation is a change that takes several transactions and calls of the storage, such as sharing a folder. It is recorded before its
// first step; each step may be repeated. Whatever process lives finishes it.
type Operation struct {
	ID   OperationID   `json:"id"`
	Kind OperationKind `json:"kind"`
	// User is who asked for it, or whom it is about where somebody else did. The user and the workspaces may be gone by now.
	User UserID `json:"user"`
	// Workspace is the one it is about. Source is the one that items leave, zero where none do.
	Workspace WorkspaceID    `json:"workspace"`
	Source    WorkspaceID    `json:"source,omitzero"`
	State     OperationState `json:"state"`
	// Step is what it is doing, or would do next.
	Step string `json:"step"`
	// Done and Total count the items (files and folders) that the steps "copy" and "move" have dealt with, and that there were. What others
	// add meanwhile comes on top. 0 in other steps, and where it is not known.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Tries is how often the present step has failed, and Error how it did last: a text for people, at most 4 KiB. All texts of an operation
	// are UTF-8 without NUL.
	Tries     int       `json:"tries,omitempty"`
	Error     string    `json:"error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	// Data is what the operation needs to be resumed: JSON that only the service reads, at most 1 MiB.
	Data string `json:"-"`
	// Due is when anybody may take it on, while it runs: the end of a lease, or of a wait before another try.
	Due time.Time `json:"-"`
	// Fence counts those who have taken it on. Only the last one may change it.
	Fence int64 `json:"-"`
}

// OperationKind says what an operation does.
type OperationKind string

// OperationState says how far an operation is.
type OperationState uint8

// The states. Their numbers are stored: never renumber.
const (
	// OperationRunning: somebody works on it, or will soon.
	OperationRunning OperationState = 1
	// OperationDone: it has succeeded.
	OperationDone OperationState = 2
	// OperationStopped: it can't succeed as things are, Error says why. See ResumeOperation and OperationsAdmin.
	OperationStopped OperationState = 3
	// OperationUndone: it was cancelled, or undone, and nothing is left of it.
	OperationUndone OperationState = 4
)

// JournalReader reads operations.
type JournalReader interface {
	// Operations returns those with one of the IDs, those whose Workspace or Source is one of Workspaces, and those of the Users: each once,
	// newest first (CreatedAt, then id, descending), at most Limit.
	Operations(ctx context.Context, p OperationsParams) (OperationsResult, error)
	// StoppedOperations returns those in the state OperationStopped, whoever's they are: oldest first (CreatedAt, then id, ascending), at most
	// Limit.
	StoppedOperations(ctx context.Context, p StoppedOperationsParams) (StoppedOperationsResult, error)
}

// Journal hands out operations to those who work on them. They are Put like all rows.
type Journal interface {
	// ClaimOperations picks running operations whose Due is not after Now, the longest due ones, and returns them with Due set to Until and
	// Fence one higher. It needs no lock, and passes over what other transactions have locked.
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
