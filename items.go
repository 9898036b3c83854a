package stacksync

import (
	"context"
)

// Items reads single items, folders and histories, and restores old versions. All methods need role
// Viewer unless they say otherwise.
type Items interface {
	// GetItem reads an item by id: its current version, which may be a tombstone, or the version
	// that the request names. ErrItemNotFound; ErrVersionNotFound.
	GetItem(ctx context.Context, r GetItemRequest) (GetItemResult, error)
	// GetItemByPath reads a live item by the names from the root down. Names are compared as the
	// workspace compares them: see service.Config.FoldCase. ErrItemNotFound; ErrName for a name
	// that no item can have; ErrLimit for more than Limits.Depth names; ErrFoldCase.
	//
	// Example: "docs/a" is the item named a in the folder named docs in the root.
	GetItemByPath(ctx context.Context, r GetItemByPathRequest) (GetItemResult, error)
	// ListChildren pages through the live items of a folder, ordered by ItemRow.NameKey (the
	// normalised name). A folder that is missing or deleted, and a file, is an ErrItemNotFound.
	ListChildren(ctx context.Context, r ListChildrenRequest) (ListChildrenResult, error)
	// ListVersions pages through the versions of an item, the current one included, newest first.
	// ErrItemNotFound.
	ListVersions(ctx context.Context, r ListVersionsRequest) (ListVersionsResult, error)
	// RestoreVersion commits the content of an old version (chunks, checksum, media type,
	// attributes, ModifiedAt) as the next version of the item. Name and place stay as they are in
	// version Base. A deleted item comes back at its last place; a folder comes back without the
	// items that were deleted with it. Needs role Editor and a device.
	//
	// It answers like a commit of that one proposal, also when it is repeated, and fails like
	// Commit. ErrItemNotFound; ErrVersionNotFound; a *FieldError if Version is not within 1 to
	// Base.
	RestoreVersion(ctx context.Context, r RestoreVersionRequest) (RestoreVersionResult, error)
}

// GetItemRequest is the request of Items.GetItem.
type GetItemRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Item      ItemID
	Version   int64 // 0: the current version
}

// GetItemResult is the result of Items.GetItem and Items.GetItemByPath.
type GetItemResult struct{ Item Item }

// GetItemByPathRequest is the request of Items.GetItemByPath.
type GetItemByPathRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	// Path is names joined by "/", at most Limits.Depth of them, without a leading or trailing "/".
	Path string
}

// ListChildrenRequest is the request of Items.ListChildren.
type ListChildrenRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Parent    ItemID // zero: the root
	After     string // Next of the page before; empty for the first page
	Limit     int    // 0 means 1,000; at most Limits.Page
}

// ListChildrenResult is the result of Items.ListChildren.
type ListChildrenResult struct {
	Items []Item
	Next  string // After of the next page; empty after the last page, which may have no items
}

// ListVersionsRequest is the request of Items.ListVersions.
type ListVersionsRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Item      ItemID
	Before    int64 // Next of the page before; 0 for the first page
	Limit     int   // 0 means 1,000; at most Limits.Page
}

// ListVersionsResult is the result of Items.ListVersions.
type ListVersionsResult struct {
	Items []Item
	Next  int64 // Before of the next page; 0 after the last page
}

// RestoreVersionRequest is the request of Items.RestoreVersion.
type RestoreVersionRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Item      ItemID
	// Version is the old version whose content to take: 1 to Base.
	Version int64
	// Base is the current version as the caller knows it. If another version is current, the
	// outcome is a conflict.
	Base int64
	// KeyGeneration is as in CommitRequest. The service can't encrypt the content anew: it stays
	// encrypted with the key it has, and only clients know which key that is.
	KeyGeneration int64
}

// RestoreVersionResult is the result of Items.RestoreVersion.
type RestoreVersionResult struct{ Outcome Outcome }
