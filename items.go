package stacksync

import (
	"context"
)

// Items reads single items and folders.
type Items interface {
	// GetItem reads an item by id, in its current version, tombstones included, or in the given
	// one. ErrItemNotFound; ErrVersionNotFound.
	GetItem(ctx context.Context, r GetItemRequest) (GetItemResult, error)
	// GetItemByPath reads a live item by its names from the root down. ErrItemNotFound.
	GetItemByPath(ctx context.Context, r GetItemByPathRequest) (GetItemResult, error)
	// ListChildren pages through the live items of a folder, ordered by normalised name. A missing
	// or deleted folder, or a file, is an ErrItemNotFound.
	ListChildren(ctx context.Context, r ListChildrenRequest) (ListChildrenResult, error)
	// ListVersions pages through the versions of an item, newest first. ErrItemNotFound.
	ListVersions(ctx context.Context, r ListVersionsRequest) (ListVersionsResult, error)
	// RestoreVersion commits the name-independent part of an old version (content, media type,
	// attributes, time of change) as the next version, in place; a deleted item comes back at its
	// last place, a folder without what was deleted with it. It answers like a commit of that one
	// proposal, also when it is repeated, and needs role Editor and a device.
	RestoreVersion(ctx context.Context, r RestoreVersionRequest) (RestoreVersionResult, error)
}

// GetItemRequest is that of Items.GetItem.
type GetItemRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Item      ItemID
	Version   int64 // 0: the current one
}

// GetItemResult is that of Items.GetItem and Items.GetItemByPath.
type GetItemResult struct{ Item Item }

// GetItemByPathRequest is that of Items.GetItemByPath.
type GetItemByPathRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Path      string // names joined by "/", at most Limits.Depth of them; no leading or trailing "/"
}

// ListChildrenRequest is that of Items.ListChildren.
type ListChildrenRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Parent    ItemID // zero: the root
	After     string // the Next of the page before; empty for the first
	Limit     int    // 0 means 1,000; at most Limits.Page
}

// ListChildrenResult is that of Items.ListChildren.
type ListChildrenResult struct {
	Items []Item
	Next  string // empty after the last page, which may have no items
}

// ListVersionsRequest is that of Items.ListVersions.
type ListVersionsRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
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
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Item      ItemID
	// Version is the old one to take the content from: 1 to Base.
	Version int64
	// Base is the current version as the caller knows it: if it is no longer current, the outcome
	// is a conflict.
	Base int64
	// KeyGeneration is that of an encrypted workspace, as with CommitRequest. The content stays
	// encrypted as it is: which key it was, only clients know.
	KeyGeneration int64
}

// RestoreVersionResult is that of Items.RestoreVersion.
type RestoreVersionResult struct{ Outcome Outcome }
