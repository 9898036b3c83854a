package stacksync

import (
	"context"
	"time"
)

// Operations are the journaled operations. They are seen by who asked for them, and by the owners
// of the workspaces they are about.
type Operations interface {
	// ListOperations returns operations, newest first.
	ListOperations(ctx context.Context, r ListOperationsRequest) (ListOperationsResult, error)
	// CancelOperation takes back a ShareFolder of which no item has moved yet.
	// ErrOperationNotFound; ErrConflict when it is too late, and for other kinds, which are done so
	// soon that there is nothing to cancel.
	CancelOperation(ctx context.Context, r CancelOperationRequest) (CancelOperationResult, error)
	// ResumeOperation goes on with an operation that has stopped, or that waits for its next try.
	// On one that is done it does nothing. ErrOperationNotFound.
	ResumeOperation(ctx context.Context, r ResumeOperationRequest) (ResumeOperationResult, error)
}

// Operation is a change that takes several transactions and calls of the storage, such as sharing a
// folder. It is recorded before its first step; each step may be repeated. Whatever process lives
// finishes it.
type Operation struct {
	ID   OperationID   `json:"id"`
	Kind OperationKind `json:"kind"`
	// User is who asked for it, or whom it is about where somebody else did. The user and the
	// workspaces may be gone by now.
	User UserID `json:"user"`
	// Workspace is the one it is about. Source is the one that items leave, zero where none do.
	Workspace WorkspaceID    `json:"workspace"`
	Source    WorkspaceID    `json:"source,omitzero"`
	State     OperationState `json:"state"`
	// Step is what it is doing, or would do next.
	Step string `json:"step"`
	// Done and Total count the items (files and folders) that the steps "copy" and "move" have
	// dealt with, and that there were. What others add meanwhile comes on top. 0 in other steps,
	// and where it is not known.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Tries is how often the present step has failed, and Error how it did last: a text for people,
	// at most 4 KiB. All texts of an operation are UTF-8 without NUL.
	Tries     int       `json:"tries,omitempty"`
	Error     string    `json:"error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	// Data is what the operation needs to be resumed: JSON that only the service reads, at most 1
	// MiB.
	Data string `json:"-"`
	// Due is when anybody may take it on, while it runs: the end of a lease, or of a wait before
	// another try.
	Due time.Time `json:"-"`
	// Fence counts those who have taken it on. Only the last one may change it.
	Fence int64 `json:"-"`
}

// OperationKind says what an operation does.
type OperationKind string

// The kinds of operation.
const (
	// OperationShare: ShareFolder.
	OperationShare OperationKind = "share"
	// OperationReturn: the folder of a workspace without other members returns to its owner.
	OperationReturn OperationKind = "return"
	// OperationAccess: the storage is told who reaches the container.
	OperationAccess OperationKind = "access"
	// OperationKey: the storage account of a user gets another secret, as a device was revoked.
	OperationKey OperationKind = "key"
	// OperationAccount: StorageAccount.
	OperationAccount OperationKind = "account"
	// OperationDelete: DeleteUser.
	OperationDelete OperationKind = "delete"
)

// OperationState says how far an operation is.
type OperationState uint8

// The states. Their numbers are stored: never renumber.
const (
	// OperationRunning: somebody works on it, or will soon.
	OperationRunning OperationState = 1
	// OperationDone: it has succeeded.
	OperationDone OperationState = 2
	// OperationStopped: it can't succeed as things are, Error says why. See ResumeOperation and
	// OperationsAdmin.
	OperationStopped OperationState = 3
	// OperationUndone: it was cancelled, or undone, and nothing is left of it.
	OperationUndone OperationState = 4
)

// ListOperationsRequest is that of Operations.ListOperations.
type ListOperationsRequest struct {
	Actor     `json:"-"`     // never from a body: the host has authenticated it
	Workspace WorkspaceID    `json:"workspace,omitzero"` // only those about this one
	State     OperationState `json:"state,omitzero"`     // only those in this state
	Limit     int            `json:"limit,omitempty"`    // 0 means 100; at most Limits.Page
}

// ListOperationsResult is that of Operations.ListOperations.
type ListOperationsResult struct {
	Operations []Operation `json:"operations"`
}

// CancelOperationRequest is that of Operations.CancelOperation.
type CancelOperationRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Operation OperationID `json:"operation"`
}

// CancelOperationResult is that of Operations.CancelOperation.
type CancelOperationResult struct {
	Operation Operation `json:"operation"`
}

// ResumeOperationRequest is that of Operations.ResumeOperation.
type ResumeOperationRequest struct {
	Actor     `json:"-"`  // never from a body: the host has authenticated it
	Operation OperationID `json:"operation"`
}

// ResumeOperationResult is that of Operations.ResumeOperation.
type ResumeOperationResult struct {
	Operation Operation `json:"operation"`
}

// OperationsAdmin are calls of the host itself, for its operators: a transport must not pass them
// on. When an operation stops, the log says so, too, at level Error.
type OperationsAdmin interface {
	// ListStoppedOperations returns anybody's operations that have stopped, oldest first
	// (CreatedAt, then id).
	ListStoppedOperations(ctx context.Context, r ListStoppedOperationsRequest) (ListStoppedOperationsResult, error)
	// GetOperation reads anybody's operation. ErrOperationNotFound.
	GetOperation(ctx context.Context, r GetOperationRequest) (GetOperationResult, error)
	// SettleOperation goes on with anybody's operation that has stopped, or that waits for its next
	// try, or takes it back. On one that is done, or undone, it does nothing. The error is an
	// *OperationError if it stops again. ErrOperationNotFound; ErrConflict where there is no way
	// back.
	SettleOperation(ctx context.Context, r SettleOperationRequest) (SettleOperationResult, error)
}

// ListStoppedOperationsRequest is that of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsRequest struct {
	Limit int // 0 means 100; at most Limits.Page
}

// ListStoppedOperationsResult is that of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsResult struct {
	Operations []Operation
	// More says that there are others, not as old as these.
	More bool
}

// GetOperationRequest is that of OperationsAdmin.GetOperation.
type GetOperationRequest struct{ Operation OperationID }

// GetOperationResult is that of OperationsAdmin.GetOperation.
type GetOperationResult struct{ Operation Operation }

// SettleOperationRequest is that of OperationsAdmin.SettleOperation.
type SettleOperationRequest struct {
	Operation OperationID
	// Undo takes back a ShareFolder: before items have moved as CancelOperation does, and
	// afterwards by bringing back those that have, for which the operation becomes an
	// OperationReturn. Other kinds only go forward.
	Undo bool
}

// SettleOperationResult is that of OperationsAdmin.SettleOperation.
type SettleOperationResult struct{ Operation Operation }
