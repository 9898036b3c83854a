package stacksync

import (
	"errors"
	"fmt"
	"strings"
)

// The families of errors. Each specific error below wraps one of them. So a host can map errors to
// its protocol by family, say ErrInvalid to 400, ErrNotFound to 404, ErrConflict to 409 and
// ErrCursor to 410, and clients can look closer.
var (
	// ErrInvalid: the request breaks a rule or a limit. Sent again it fails again. See *FieldError.
	ErrInvalid = errors.New("invalid request")
	// ErrNotFound: the thing that the request names does not exist for this actor. A thing that
	// exists, but that the actor may not see, is not found either.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: the actor sees the thing but may not do this with it.
	ErrForbidden = errors.New("forbidden")
	// ErrConflict: the request was made from a state that is no longer current. For a proposal,
	// Outcome.Item is the server's item.
	ErrConflict = errors.New("conflict")
	// ErrCursor: the cursor can't be continued. See *CursorError for what the client should do.
	ErrCursor = errors.New("cursor can't be continued")
	// ErrQuotaExceeded: the owner's quota does not hold the proposal, the upload or the workspace.
	// See *QuotaError.
	ErrQuotaExceeded = errors.New("quota exceeded")
	// ErrAborted: the proposal is good, but its commit is Atomic and another proposal failed.
	ErrAborted = errors.New("not saved: another proposal of the atomic commit failed")
	// ErrFoldCase: service.Config.FoldCase is not what it was when the workspace was made. The host
	// has to mend its configuration.
	ErrFoldCase = errors.New("the workspace was made with another Config.FoldCase")
	// ErrBusy: others hold the workspace for too long, or an operation about it is not done.
	// Nothing was saved; try again later.
	ErrBusy = errors.New("busy")
	// ErrUncertain: the connection to the database broke in such a way that nobody can tell whether
	// the call was saved. Send the call again: if a commit was saved, the answer is the same as if
	// the first answer had come.
	ErrUncertain = errors.New("can't tell whether it was saved")
	// ErrDamaged: the content that the storage has is not the content that the chunk's name stands
	// for (service.Config.ChunkHash). Only the host can mend that.
	ErrDamaged = errors.New("stored content is damaged")
	// ErrClosed: the service, store, notifier or subscription is closed.
	ErrClosed = errors.New("closed")
)

// Errors of the family ErrNotFound: each says which kind of thing was not found.
var (
	ErrUserNotFound      = fmt.Errorf("user %w", ErrNotFound)
	ErrDeviceNotFound    = fmt.Errorf("device %w", ErrNotFound)
	ErrWorkspaceNotFound = fmt.Errorf("workspace %w", ErrNotFound)
	ErrItemNotFound      = fmt.Errorf("item %w", ErrNotFound)
	ErrVersionNotFound   = fmt.Errorf("version %w", ErrNotFound)
	ErrChunkNotFound     = fmt.Errorf("chunk %w", ErrNotFound)
	ErrOperationNotFound = fmt.Errorf("operation %w", ErrNotFound)
	ErrMemberNotFound    = fmt.Errorf("member %w", ErrNotFound)
)

// Errors of the family ErrForbidden.
var (
	// ErrRole: the actor's role in the workspace is too low for the call.
	ErrRole = fmt.Errorf("%w: role too low", ErrForbidden)
	// ErrDeviceRevoked: the device was revoked; it must be registered under a new id.
	ErrDeviceRevoked = fmt.Errorf("%w: device is revoked", ErrForbidden)
	// ErrVetoed: service.Config.Policy refused the proposal. The policy's own error is wrapped
	// beside it.
	ErrVetoed = fmt.Errorf("%w: vetoed by policy", ErrForbidden)
)

// Errors of calls about sharing and about users.
var (
	// ErrNested: a shared folder can't lie in another shared folder.
	ErrNested = fmt.Errorf("%w: shared folders can't be nested", ErrInvalid)
	// ErrNobodyInvited: none of the invited is a user.
	ErrNobodyInvited = fmt.Errorf("%w: nobody is invited", ErrInvalid)
	// ErrNotShared: the workspace is a user's default workspace, not a shared folder.
	ErrNotShared = fmt.Errorf("%w: not a shared workspace", ErrInvalid)
	// ErrIsOwner: the owner can't be taken out, leave, or get another role.
	ErrIsOwner = fmt.Errorf("%w: is the owner", ErrInvalid)
	// ErrKeyGeneration: the key that was used, or handed out, is not of the workspace's present
	// generation. Nothing was saved.
	ErrKeyGeneration = fmt.Errorf("%w: not the present generation of the key", ErrConflict)
	// ErrUndone: the operation was cancelled or undone, and nothing is left of its changes.
	ErrUndone = fmt.Errorf("%w: the operation was undone", ErrConflict)
	// ErrSharedWorkspaces: the user who is to be deleted owns shared workspaces, and the request
	// does not say who gets them. See *SharedWorkspacesError.
	ErrSharedWorkspaces = fmt.Errorf("%w: the user owns shared workspaces", ErrInvalid)
)

// Errors of a proposal that is in conflict.
var (
	// ErrVersionConflict: the proposed version is not the next version of the item. Outcome.Item is
	// the current version.
	ErrVersionConflict = fmt.Errorf("%w: version is not the next one", ErrConflict)
	// ErrNameTaken: another live item has that name in that folder, and Outcome.Item is that item.
	// For a mount: an item or another mount has the name.
	ErrNameTaken = fmt.Errorf("%w: name is taken", ErrConflict)
	// ErrMoved: the item, or the proposed parent, lives in another workspace now. See *MovedError.
	ErrMoved = fmt.Errorf("%w: moved to another workspace", ErrConflict)
)

// Errors of a proposal that is rejected. Some other calls return them, too.
var (
	// ErrUnknownItem: the item does not exist, and the proposal does not make it: its version is
	// not 1, or it is a deletion.
	ErrUnknownItem = fmt.Errorf("%w: item is unknown and the version is not 1", ErrInvalid)
	// ErrParentNotFound: the parent does not exist in this workspace.
	ErrParentNotFound = fmt.Errorf("%w: parent does not exist", ErrInvalid)
	// ErrParentDeleted: the parent is deleted.
	ErrParentDeleted = fmt.Errorf("%w: parent is deleted", ErrInvalid)
	// ErrParentNotFolder: the parent is a file.
	ErrParentNotFolder = fmt.Errorf("%w: parent is not a folder", ErrInvalid)
	// ErrCycle: a folder would come to lie below itself.
	ErrCycle = fmt.Errorf("%w: folder would lie below itself", ErrInvalid)
	// ErrName: the name is empty, too long, not UTF-8, "." or "..", or holds "/" or NUL.
	ErrName = fmt.Errorf("%w: name", ErrInvalid)
	// ErrKindChanged: a file can't become a folder, nor a folder a file.
	ErrKindChanged = fmt.Errorf("%w: kind of an item can't change", ErrInvalid)
	// ErrFolderContent: a folder has no size, checksum, chunks or media type.
	ErrFolderContent = fmt.Errorf("%w: folder has content", ErrInvalid)
	// ErrSize: the size is not the sum of the chunk sizes, or is not within 0 to Limits.FileSize; a
	// chunk of a file has 0 bytes; a chunk is stored with another size than the request says; or
	// content is shorter or longer than it was said to be.
	ErrSize = fmt.Errorf("%w: size", ErrInvalid)
	// ErrAlreadyDeleted: the item is a tombstone, which can't be deleted again.
	ErrAlreadyDeleted = fmt.Errorf("%w: item is deleted already", ErrInvalid)
	// ErrLimit: the request exceeds one of Limits. See *FieldError.
	ErrLimit = fmt.Errorf("%w: over the limit", ErrInvalid)
	// ErrChunksMissing: chunks are not stored. Upload them and commit again. See
	// *ChunksMissingError.
	ErrChunksMissing = fmt.Errorf("%w: chunks are not stored", ErrInvalid)
)

// Errors of the family ErrCursor: why a cursor can't be continued. Each comes in a *CursorError.
var (
	// ErrCursorInvalid: the cursor is damaged, or is no cursor of this library, or belongs to
	// another workspace.
	ErrCursorInvalid = fmt.Errorf("%w: it is not one of this workspace", ErrCursor)
	// ErrCursorExpired: the cursor is older than the tombstones that the change log keeps.
	ErrCursorExpired = fmt.Errorf("%w: it is older than the change log", ErrCursor)
	// ErrCursorEpoch: the server was restored from a backup since the cursor was made. The server
	// may lack changes that the device has.
	ErrCursorEpoch = fmt.Errorf("%w: it is of another epoch", ErrCursor)
	// ErrCursorAhead: the cursor is ahead of the server, though of its epoch: the server has lost
	// changes.
	ErrCursorAhead = fmt.Errorf("%w: it is ahead of the server", ErrCursor)
)

// FieldError says which field of a request is wrong, and why.
type FieldError struct {
	// Field is the name of the Go field, with an index where the field is in a list:
	// "Proposals[3].Chunks[0].Name".
	Field string
	// Reason says what is wrong; it names the limit where there is one.
	Reason string
	Err    error // a sentinel of the family ErrInvalid; nil means ErrInvalid itself
}

func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// Unwrap returns the sentinel.
func (e *FieldError) Unwrap() error {
	if e.Err == nil {
		return ErrInvalid
	}
	return e.Err
}

// ItemError says which item an error is about.
type ItemError struct {
	Item ItemID
	Err  error
}

func (e *ItemError) Error() string { return "item " + e.Item.String() + ": " + e.Err.Error() }

// Unwrap returns the error that the item has.
func (e *ItemError) Unwrap() error { return e.Err }

// QuotaError gives the numbers of an ErrQuotaExceeded, in bytes.
type QuotaError struct {
	Owner UserID
	Limit int64 // the owner's limit
	Used  int64 // used before the request
	Need  int64 // how much the request would add
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%v: %d of %d bytes used, %d more needed", ErrQuotaExceeded, e.Used, e.Limit, e.Need)
}

// Unwrap returns ErrQuotaExceeded.
func (e *QuotaError) Unwrap() error { return ErrQuotaExceeded }

// ChunksMissingError names the chunks of an ErrChunksMissing, each once, in the order of the
// request.
type ChunksMissingError struct{ Names []string }

func (e *ChunksMissingError) Error() string {
	const most = 3
	if len(e.Names) <= most {
		return fmt.Sprintf("%v: %s", ErrChunksMissing, strings.Join(e.Names, ", "))
	}
	return fmt.Sprintf("%v: %s and %d more", ErrChunksMissing, strings.Join(e.Names[:most], ", "), len(e.Names)-most)
}

// Unwrap returns ErrChunksMissing.
func (e *ChunksMissingError) Unwrap() error { return ErrChunksMissing }

// Remedy says what a client should do about a cursor that can't be continued.
type Remedy string

// The remedies for a cursor.
const (
	// RemedyResync: page from the empty cursor and take the server's state. An item that the server
	// lacks was deleted there: delete it on the device.
	RemedyResync Remedy = "resync"
	// RemedyReupload: page from the empty cursor, but commit the items that the server lacks: it
	// may have lost them.
	RemedyReupload Remedy = "reupload"
	// RemedyForget: the actor has no such workspace, or no longer: stop following it.
	RemedyForget Remedy = "forget"
)

// CursorError tells a client what to do when Changes or Follow can't continue. It wraps one of the
// errors of the family ErrCursor, or ErrWorkspaceNotFound.
type CursorError struct {
	Workspace WorkspaceID
	Remedy    Remedy
	Err       error
}

func (e *CursorError) Error() string {
	return fmt.Sprintf("workspace %v: %v (%s)", e.Workspace, e.Err, e.Remedy)
}

// Unwrap returns Err.
func (e *CursorError) Unwrap() error { return e.Err }

// MovedError says to which workspace an item has moved. It wraps ErrMoved.
type MovedError struct {
	Item ItemID      // the item that has moved: the item of the proposal, or its parent
	To   WorkspaceID // the workspace that the item lives in now
}

func (e *MovedError) Error() string { return fmt.Sprintf("%v: %v is in %v", ErrMoved, e.Item, e.To) }

// Unwrap returns ErrMoved.
func (e *MovedError) Unwrap() error { return ErrMoved }

// Moved returns a *MovedError if the item lives in another workspace now, and nil otherwise.
func (row *ItemRow) Moved() error {
	if row.MovedTo.IsZero() {
		return nil
	}
	return &MovedError{Item: row.ID, To: row.MovedTo}
}

// SharedWorkspacesError names the workspaces of an ErrSharedWorkspaces.
type SharedWorkspacesError struct{ Workspaces []WorkspaceID }

func (e *SharedWorkspacesError) Error() string {
	return fmt.Sprintf("%v, %d of which nobody is to get", ErrSharedWorkspaces, len(e.Workspaces))
}

// Unwrap returns ErrSharedWorkspaces.
func (e *SharedWorkspacesError) Unwrap() error { return ErrSharedWorkspaces }

// OperationError says that an operation is not done, and why. It wraps Err.
type OperationError struct {
	Operation Operation // as the service last saw it
	// Err is the error of ctx if the operation goes on without its caller, ErrUndone if it was
	// undone, and ErrBusy if it is the operation of an earlier call, for which this call was refused
	// (ShareFolder, UpdateMount). Otherwise Err is the reason why the operation has stopped.
	Err error
}

func (e *OperationError) Error() string {
	return fmt.Sprintf("operation %v (%s) is not done, at step %q: %v", e.Operation.ID, e.Operation.Kind, e.Operation.Step, e.Err)
}

// Unwrap returns Err.
func (e *OperationError) Unwrap() error { return e.Err }
