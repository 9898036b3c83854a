package stacksync

import (
	"context"
	"time"
)

// Operations shows journaled operations and acts on them. An actor sees an operation about a
// workspace that the actor owns, or that the actor's items leave, and an operation about the
// actor's own storage account; all others are an ErrOperationNotFound. No role and no device is
// needed.
type Operations interface {
	// ListOperations returns the operations that the actor sees, newest first (CreatedAt, then id).
	// For a workspace that the actor does not own the list is empty: that is no error.
	ListOperations(ctx context.Context, r ListOperationsRequest) (ListOperationsResult, error)
	// CancelOperation takes back a ShareFolder of which no item has moved yet.
	// ErrOperationNotFound. ErrConflict: items have moved already, or the operation is done, or is
	// of another kind. Operations of other kinds are done so soon that there is nothing to cancel.
	// An operation that is undone already stays so.
	CancelOperation(ctx context.Context, r CancelOperationRequest) (CancelOperationResult, error)
	// ResumeOperation takes up an operation that has stopped or waits for its next try, and works
	// on it until it is done. An operation that is done or undone stays as it is.
	// ErrOperationNotFound. *OperationError: the operation has stopped again, or ctx has ended.
	ResumeOperation(ctx context.Context, r ResumeOperationRequest) (ResumeOperationResult, error)
}

// Operation is a change that takes several transactions and calls of the storage, such as sharing a
// folder. The service records it before its first step. Each step may be repeated, so after a crash
// any process with a service on the same store can finish the operation.
type Operation struct {
	ID   OperationID   `json:"id"`
	Kind OperationKind `json:"kind"`
	// User is the user whose change it is: the owner of the workspace for the kinds share, return
	// and access, and otherwise the user whose storage account, or whose deletion, it is about. The
	// user and the workspaces may be gone by now.
	User UserID `json:"user"`
	// Workspace is the workspace that the operation is about, or that items move to; zero for the
	// kinds key and account. Source is the workspace that items leave; zero where no items move.
	Workspace WorkspaceID    `json:"workspace"`
	Source    WorkspaceID    `json:"source,omitzero"`
	State     OperationState `json:"state"`
	// Step is the name of the present step, or of the next one.
	Step string `json:"step"`
	// Done is how many items (files and folders) the step "copy" or "move" has dealt with. Total is
	// how many items there are to move, as the step "copy" has counted them; 0 where that is not
	// known yet. Items that others add meanwhile come on top. Both are 0 in all other steps.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Tries is how often the present step has failed. Error says how it failed last: a text for
	// people, at most 4 KiB. All texts of an operation are UTF-8 without NUL.
	Tries     int       `json:"tries,omitempty"`
	Error     string    `json:"error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	// Data is what the operation needs to be resumed: JSON that only the service reads, at most 1
	// MiB.
	Data string `json:"-"`
	// Due is when any process may claim the operation, while it is running: the end of the worker's
	// lease, or of the wait before the next try.
	Due time.Time `json:"-"`
	// Fence counts the workers that have claimed the operation. Only the last of them may change
	// it.
	Fence int64 `json:"-"`
}

// OperationKind says what an operation does.
type OperationKind string

// The kinds of operation.
const (
	// OperationShare is a call of ShareFolder.
	OperationShare OperationKind = "share"
	// OperationReturn moves the folder of a workspace that has no other members back to its owner.
	OperationReturn OperationKind = "return"
	// OperationAccess tells the storage which accounts reach the container of a workspace.
	OperationAccess OperationKind = "access"
	// OperationKey gives the storage account of a user another secret, since a device was revoked.
	OperationKey OperationKind = "key"
	// OperationAccount is a call of StorageAccount.
	OperationAccount OperationKind = "account"
	// OperationDelete is a call of DeleteUser.
	OperationDelete OperationKind = "delete"
)

// OperationState says how far an operation is.
type OperationState uint8

// The states of an operation. Their numbers are stored: never renumber.
const (
	// OperationRunning: a worker has the operation, or will claim it.
	OperationRunning OperationState = 1
	// OperationDone: the operation has succeeded.
	OperationDone OperationState = 2
	// OperationStopped: the operation can't succeed as things are, and Error says why. See
	// ResumeOperation and OperationsAdmin.
	OperationStopped OperationState = 3
	// OperationUndone: the operation was cancelled or undone, and nothing is left of its changes.
	OperationUndone OperationState = 4
)

// ListOperationsRequest is the request of Operations.ListOperations.
type ListOperationsRequest struct {
	Actor `json:"-"` // set by the host, which authenticated the actor; never read from a body
	// Workspace asks only for operations about this workspace, or whose items leave it. Zero: about
	// any workspace.
	Workspace WorkspaceID    `json:"workspace,omitzero"`
	State     OperationState `json:"state,omitzero"`  // only operations in this state; 0: in any
	Limit     int            `json:"limit,omitempty"` // 0 means 100; at most Limits.Page
}

// ListOperationsResult is the result of Operations.ListOperations.
type ListOperationsResult struct {
	Operations []Operation `json:"operations"`
}

// CancelOperationRequest is the request of Operations.CancelOperation.
type CancelOperationRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Operation OperationID `json:"operation"`
}

// CancelOperationResult is the result of Operations.CancelOperation.
type CancelOperationResult struct {
	Operation Operation `json:"operation"`
}

// ResumeOperationRequest is the request of Operations.ResumeOperation.
type ResumeOperationRequest struct {
	Actor     `json:"-"`  // set by the host, which authenticated the actor; never read from a body
	Operation OperationID `json:"operation"`
}

// ResumeOperationResult is the result of Operations.ResumeOperation.
type ResumeOperationResult struct {
	Operation Operation `json:"operation"`
}

// OperationsAdmin are calls of the host itself, for its operators: a transport must not pass them
// on. When an operation stops, the log says so at level Error.
type OperationsAdmin interface {
	// ListStoppedOperations returns the operations of all users that have stopped, oldest first
	// (CreatedAt, then id).
	ListStoppedOperations(ctx context.Context, r ListStoppedOperationsRequest) (ListStoppedOperationsResult, error)
	// GetOperation reads an operation of any user. ErrOperationNotFound.
	GetOperation(ctx context.Context, r GetOperationRequest) (GetOperationResult, error)
	// SettleOperation takes up an operation of any user that has stopped or waits for its next try,
	// or takes it back (SettleOperationRequest.Undo). An operation that is done or undone stays as
	// it is. ErrOperationNotFound. *OperationError: the operation has stopped again, or ctx has
	// ended. ErrConflict: Undo is set and the operation can't be taken back.
	SettleOperation(ctx context.Context, r SettleOperationRequest) (SettleOperationResult, error)
}

// ListStoppedOperationsRequest is the request of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsRequest struct {
	Limit int // 0 means 100; at most Limits.Page
}

// ListStoppedOperationsResult is the result of OperationsAdmin.ListStoppedOperations.
type ListStoppedOperationsResult struct {
	Operations []Operation
	// More says that there are further operations, none of them older than these.
	More bool
}

// GetOperationRequest is the request of OperationsAdmin.GetOperation.
type GetOperationRequest struct{ Operation OperationID }

// GetOperationResult is the result of OperationsAdmin.GetOperation.
type GetOperationResult struct{ Operation Operation }

// SettleOperationRequest is the request of OperationsAdmin.SettleOperation.
type SettleOperationRequest struct {
	Operation OperationID
	// Undo takes back a ShareFolder. Before items have moved, it does what CancelOperation does.
	// Afterwards it brings the items back that have moved, for which the operation becomes an
	// OperationReturn. Once the members are made it is too late: ErrConflict, as for operations of
	// other kinds, which only go forward.
	Undo bool
}

// SettleOperationResult is the result of OperationsAdmin.SettleOperation.
type SettleOperationResult struct{ Operation Operation }
