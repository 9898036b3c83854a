package stacksync

import (
	"context"
	"io"
	"iter"
)

// SyncService is what a host's transport calls, and what a remote client's stub can implement too. *Service implements it.
//
// Every request names who acts. Unless a method says otherwise:
//   - a workspace that does not exist, or that the actor is not a member of, is an ErrWorkspaceNotFound;
//   - a device that is not one of the actor's is an ErrDeviceNotFound, a revoked one an ErrDeviceRevoked;
//   - a role that is too low is an ErrRole; a bad field is a *FieldError, which wraps ErrInvalid, and nothing was saved;
//   - after Close every call returns ErrClosed.
//
// All methods may be called from many goroutines.
type SyncService interface {
	Accounts
	Devices
	Workspaces
	Commits
	Feed
	Items
	Transfers
}

// Accounts are calls of the host itself, not of its users: a transport must not pass them on.
type Accounts interface {
	// PutUser makes a user with a default workspace and its container, or changes an existing one's quota limit. It can be
	// called at every login: for a user who has all this already it saves nothing.
	PutUser(ctx context.Context, r PutUserRequest) (PutUserResult, error)
	// GetUser reads a user; ErrUserNotFound.
	GetUser(ctx context.Context, r GetUserRequest) (GetUserResult, error)
}

// PutUserRequest is that of Accounts.PutUser.
type PutUserRequest struct {
	User UserID
	// QuotaLimit is in bytes, 0 for no limit. nil leaves an existing user's as it is, and gives a new one Config.QuotaLimit.
	// A limit below what is used refuses growth, and takes nothing away.
	QuotaLimit *int64
}

// PutUserResult is that of Accounts.PutUser.
type PutUserResult struct{ User User }

// GetUserRequest is that of Accounts.GetUser.
type GetUserRequest struct{ User UserID }

// GetUserResult is that of Accounts.GetUser.
type GetUserResult struct{ User User }

// Devices manages a user's own devices. The actor is the user; Actor.Device may be left out.
type Devices interface {
	// RegisterDevice makes a device. Sent again with the same id it renames the device and makes no second one.
	// ErrUserNotFound; ErrDeviceRevoked for the id of a revoked one; ErrLimit past Limits.Devices.
	RegisterDevice(ctx context.Context, r RegisterDeviceRequest) (RegisterDeviceResult, error)
	// ListDevices returns all devices of the actor, revoked ones too, oldest first.
	ListDevices(ctx context.Context, r ListDevicesRequest) (ListDevicesResult, error)
	// RevokeDevice shuts a device out for good: once it has returned, every call and every Follow of that device fails with
	// ErrDeviceRevoked. Revoking a revoked one does nothing.
	RevokeDevice(ctx context.Context, r RevokeDeviceRequest) (RevokeDeviceResult, error)
}

// RegisterDeviceRequest is that of Devices.RegisterDevice.
type RegisterDeviceRequest struct {
	Actor
	// ID is the client's choice, so that a repeated call makes no second device; zero: the service makes one.
	ID   DeviceID
	Name string // for people: at most 255 bytes of valid UTF-8
}

// RegisterDeviceResult is that of Devices.RegisterDevice.
type RegisterDeviceResult struct{ Device Device }

// ListDevicesRequest is that of Devices.ListDevices.
type ListDevicesRequest struct{ Actor }

// ListDevicesResult is that of Devices.ListDevices.
type ListDevicesResult struct{ Devices []Device }

// RevokeDeviceRequest is that of Devices.RevokeDevice.
type RevokeDeviceRequest struct {
	Actor
	ID DeviceID
}

// RevokeDeviceResult is that of Devices.RevokeDevice.
type RevokeDeviceResult struct{ Device Device }

// Workspaces tells what a user is a member of.
type Workspaces interface {
	// ListWorkspaces returns the actor's workspaces with the actor's role and mount in each, by workspace id.
	ListWorkspaces(ctx context.Context, r ListWorkspacesRequest) (ListWorkspacesResult, error)
}

// ListWorkspacesRequest is that of Workspaces.ListWorkspaces.
type ListWorkspacesRequest struct{ Actor }

// ListWorkspacesResult is that of Workspaces.ListWorkspaces.
type ListWorkspacesResult struct{ Workspaces []Mount }

// Mount is a workspace as one member sees it.
type Mount struct {
	Workspace
	Member Member
}

// Commits saves metadata.
type Commits interface {
	// Commit checks a batch of proposals and saves the good ones in one transaction. It returns an Outcome for each, in
	// order. An error means that no proposal was decided: bad request, no access, or the store failed. After an error of
	// ctx, or of a store that can't tell, the commit may have been saved: send it again, the answer is the same and
	// nothing is saved twice. Needs role Editor and a device.
	Commit(ctx context.Context, r CommitRequest) (CommitResult, error)
}

// CommitRequest is that of Commits.Commit.
type CommitRequest struct {
	Actor
	Workspace WorkspaceID
	// RequestID goes into logs and to Config.Policy, for tracing; at most 255 bytes. It decides nothing.
	RequestID string
	// Atomic saves all proposals or none: if one is in conflict or rejected, the good ones are rejected with ErrAborted.
	Atomic bool
	// Proposals are decided in order: one may name as parent an item made by an earlier one, or propose the next version of
	// the same item. At least one, at most Limits.Proposals.
	Proposals []Proposal
}

// CommitResult is that of Commits.Commit.
type CommitResult struct {
	Outcomes []Outcome // Outcomes[i] answers Proposals[i]
	// Revision is the workspace's after the commit.
	Revision int64
}

// Feed is the change log of a workspace as its devices read it.
type Feed interface {
	// Changes returns a page of what changed after the cursor: each item once, in its latest version, by revision.
	// Followed to the end (until More is false) it gives exactly the current tree, also while others commit in between.
	// From the empty cursor, tombstones are left out.
	//
	// In every prefix of the pages a folder comes before what lies in it; to keep that promise a page may bring a folder
	// along before its own turn, so that an (item, version) may be seen twice, and a page may have more items than Limit.
	// The tombstones of a deleted folder come deepest first.
	//
	// A client applies a page in order and only then saves its cursor. It holds items by id, since names may clash for a
	// moment in the middle of a catch-up (two items that swapped names), and removes a deleted folder from disk only when
	// it is empty at the end of the catch-up (an item that moved out may have its latest change further on).
	//
	// A cursor that can't be continued, and a workspace that is not the actor's (any more), give a *CursorError.
	Changes(ctx context.Context, r ChangesRequest) (ChangesPage, error)
	// Follow yields pages from the cursor on: first the catch-up, ending with a page (perhaps an empty one) whose More is
	// false, then each change as it comes, with no gap between the two. It ends after yielding an error: ctx's when that
	// ends, what Changes returns, or ErrClosed.
	Follow(ctx context.Context, r FollowRequest) iter.Seq2[ChangesPage, error]
}

// Cursor is what a device has seen of a workspace. It is opaque to clients; the empty one has seen nothing.
type Cursor string

// ChangesRequest is that of Feed.Changes.
type ChangesRequest struct {
	Actor
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // items a page; 0 means 1,000; at most Limits.Page
}

// ChangesPage is a page of a change log.
type ChangesPage struct {
	Items []Item
	// Cursor covers what this page covers, and is never older than the one before: save it after applying the page, also when Items is empty.
	Cursor Cursor
	// More says that the next page can be asked for at once.
	More bool
	// Revision is the last one that the cursor covers, for showing progress and lag.
	Revision int64
}

// FollowRequest is that of Feed.Follow.
type FollowRequest struct {
	Actor
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // as in ChangesRequest
}

// Items reads single items and folders.
type Items interface {
	// GetItem reads an item by id, in its current version, tombstones included, or in the given one. ErrItemNotFound; ErrVersionNotFound.
	GetItem(ctx context.Context, r GetItemRequest) (GetItemResult, error)
	// GetItemByPath reads a live item by its names from the root down. ErrItemNotFound.
	GetItemByPath(ctx context.Context, r GetItemByPathRequest) (GetItemResult, error)
	// ListChildren pages through the live items of a folder, ordered by normalised name. A missing or deleted folder, or a
	// file, is an ErrItemNotFound.
	ListChildren(ctx context.Context, r ListChildrenRequest) (ListChildrenResult, error)
	// ListVersions pages through the versions of an item, newest first. ErrItemNotFound.
	ListVersions(ctx context.Context, r ListVersionsRequest) (ListVersionsResult, error)
	// RestoreVersion commits the name-independent part of an old version (content, media type, attributes, time of change)
	// as the next version, in place; a deleted item comes back at its last place. It answers like a commit of that one
	// proposal, and needs role Editor and a device.
	RestoreVersion(ctx context.Context, r RestoreVersionRequest) (RestoreVersionResult, error)
}

// GetItemRequest is that of Items.GetItem.
type GetItemRequest struct {
	Actor
	Workspace WorkspaceID
	Item      ItemID
	Version   int64 // 0: the current one
}

// GetItemResult is that of Items.GetItem and Items.GetItemByPath.
type GetItemResult struct{ Item Item }

// GetItemByPathRequest is that of Items.GetItemByPath.
type GetItemByPathRequest struct {
	Actor
	Workspace WorkspaceID
	Path      string // names joined by "/", at most Limits.Depth of them; no leading or trailing "/"
}

// ListChildrenRequest is that of Items.ListChildren.
type ListChildrenRequest struct {
	Actor
	Workspace WorkspaceID
	Parent    ItemID // zero: the root
	After     string // the Next of the page before; empty for the first
	Limit     int    // 0 means 1,000; at most Limits.Page
}

// ListChildrenResult is that of Items.ListChildren.
type ListChildrenResult struct {
	Items []Item
	Next  string // empty after the last page
}

// ListVersionsRequest is that of Items.ListVersions.
type ListVersionsRequest struct {
	Actor
	Workspace WorkspaceID
	Item      ItemID
	Before    int64 // the Next of the page before; 0 for the first
	Limit     int   // 0 means 1,000; at most Limits.Page
}

// ListVersionsResult is that of Items.ListVersions.
type ListVersionsResult struct {
	Items []Item
	Next  int64 // 0 after the last page
}

// RestoreVersionRequest is that of Items.RestoreVersion.
type RestoreVersionRequest struct {
	Actor
	Workspace WorkspaceID
	Item      ItemID
	// Version is the old one to take the content from.
	Version int64
	// Base is the current version as the caller knows it: if it is no longer current, the outcome is a conflict.
	Base int64
}

// RestoreVersionResult is that of Items.RestoreVersion.
type RestoreVersionResult struct{ Outcome Outcome }

// Transfers is how clients get content into and out of the container of a workspace.
type Transfers interface {
	// PrepareUpload tells which of some chunks are not stored yet, and how to upload them. Needs role Editor and a device.
	// A chunk stored with another size is an ErrSize; chunks that can't fit the owner's quota are an ErrQuotaExceeded.
	PrepareUpload(ctx context.Context, r PrepareUploadRequest) (PrepareUploadResult, error)
	// PrepareDownload tells how to download chunks. Needs role Viewer and a device. *ChunksMissingError.
	PrepareDownload(ctx context.Context, r PrepareDownloadRequest) (PrepareDownloadResult, error)
	// UploadChunk writes a chunk through the host. Needs role Editor and a device. Content of another length is an ErrSize;
	// content whose hash is not its name an ErrInvalid, where Config.ChunkHash is set. errors.ErrUnsupported where the
	// storage is not a ChunkWriter.
	UploadChunk(ctx context.Context, r UploadChunkRequest) (UploadChunkResult, error)
	// DownloadChunk reads a chunk through the host; the caller closes Content. Needs role Viewer and a device.
	// ErrChunkNotFound. errors.ErrUnsupported where the storage is not a ChunkReader.
	DownloadChunk(ctx context.Context, r DownloadChunkRequest) (DownloadChunkResult, error)
}

// Via says how content travels.
type Via string

// ViaHost: call UploadChunk and DownloadChunk.
const ViaHost Via = "host"

// PrepareUploadRequest is that of Transfers.PrepareUpload.
type PrepareUploadRequest struct {
	Actor
	Workspace WorkspaceID
	Chunks    []Chunk // at most Limits.Chunks
}

// PrepareUploadResult is that of Transfers.PrepareUpload.
type PrepareUploadResult struct {
	Missing []Chunk // those to upload, each once, in the order asked
	Via     Via
}

// PrepareDownloadRequest is that of Transfers.PrepareDownload.
type PrepareDownloadRequest struct {
	Actor
	Workspace WorkspaceID
	Names     []string // at most Limits.Chunks
}

// PrepareDownloadResult is that of Transfers.PrepareDownload.
type PrepareDownloadResult struct {
	Chunks []Chunk // each once, in the order asked
	Via    Via
}

// UploadChunkRequest is that of Transfers.UploadChunk.
type UploadChunkRequest struct {
	Actor
	Workspace WorkspaceID
	Chunk     Chunk
	Content   io.Reader // Chunk.Size bytes
}

// UploadChunkResult is that of Transfers.UploadChunk.
type UploadChunkResult struct{}

// DownloadChunkRequest is that of Transfers.DownloadChunk.
type DownloadChunkRequest struct {
	Actor
	Workspace WorkspaceID
	Name      string
}

// DownloadChunkResult is that of Transfers.DownloadChunk.
type DownloadChunkResult struct {
	Size    int64
	Content io.ReadCloser
}
