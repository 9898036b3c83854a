package stacksync

import (
	"context"
	"fmt"
	"strings"
)

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
	// as the next version, in place; a deleted item comes back at its last place, a folder without what was deleted with it. It
	// answers like a commit of that one proposal, also when it is repeated, and needs role Editor and a device.
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
	// Base is the current version as the caller knows it: if it is no longer current, the outcome is a conflict.
	Base int64
	// KeyGeneration is that of an encrypted workspace, as with CommitRequest. The content stays encrypted as it is: which key it was, only
	// clients know.
	KeyGeneration int64
}

// RestoreVersionResult is that of Items.RestoreVersion.
type RestoreVersionResult struct{ Outcome Outcome }

// GetItem implements Items.
func (s *Service) GetItem(ctx context.Context, r GetItemRequest) (GetItemResult, error) {
	return call(ctx, s, "GetItem", func(ctx context.Context) (GetItemResult, int, error) {
		if r.Version < 0 {
			return GetItemResult{}, 0, &FieldError{Field: "Version", Reason: "is negative"}
		}
		var row *ItemRow
		err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, _ access) (err error) {
			row, err = readVersion(ctx, rd, VersionKey{r.Workspace, r.Item, r.Version})
			return err
		})
		if err != nil {
			return GetItemResult{}, 0, err
		}
		return GetItemResult{Item: row.Item}, 1, nil
	})
}

// readItem reads the current version of an item.
func readItem(ctx context.Context, r Reader, key ItemKey) (*ItemRow, error) {
	rows, err := r.Load(ctx, LoadParams{Items: []ItemKey{key}})
	if err != nil {
		return nil, err
	}
	if len(rows.Items) == 0 {
		return nil, &ItemError{Item: key.Item, Err: ErrItemNotFound}
	}
	return &rows.Items[0], nil
}

// readVersion reads a version of an item, the current one for 0.
func readVersion(ctx context.Context, r Reader, key VersionKey) (*ItemRow, error) {
	row, err := readItem(ctx, r, ItemKey{key.Workspace, key.Item})
	if err != nil || key.Version == 0 || key.Version == row.Version {
		return row, err
	}
	rows, err := r.Load(ctx, LoadParams{Versions: []VersionKey{key}})
	if err != nil {
		return nil, err
	}
	if len(rows.Versions) == 0 {
		return nil, &ItemError{Item: key.Item, Err: fmt.Errorf("%w: %d", ErrVersionNotFound, key.Version)}
	}
	return &rows.Versions[0], nil
}

// GetItemByPath implements Items.
func (s *Service) GetItemByPath(ctx context.Context, r GetItemByPathRequest) (GetItemResult, error) {
	return call(ctx, s, "GetItemByPath", func(ctx context.Context) (GetItemResult, int, error) {
		names := strings.Split(r.Path, "/")
		if limit := s.cfg.Limits.Depth; len(names) > limit {
			return GetItemResult{}, 0, &FieldError{Field: "Path", Reason: fmt.Sprintf("has more than %d names", limit), Err: ErrLimit}
		}
		for _, name := range names {
			if err := checkName("Path", name); err != nil {
				return GetItemResult{}, 0, err
			}
		}
		var at ItemRow
		err := s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, acc access) error {
			if err := s.checkFolding(acc.workspace); err != nil {
				return err
			}
			at = ItemRow{}
			for _, name := range names {
				rows, err := rd.Load(ctx, LoadParams{Names: []NameKey{{r.Workspace, at.ID, nameKey(name, s.cfg.FoldCase)}}})
				if err != nil {
					return err
				}
				if len(rows.Items) == 0 {
					return ErrItemNotFound
				}
				at = rows.Items[0]
			}
			return nil
		})
		if err != nil {
			return GetItemResult{}, 0, err
		}
		return GetItemResult{Item: at.Item}, 1, nil
	})
}

// ListChildren implements Items.
func (s *Service) ListChildren(ctx context.Context, r ListChildrenRequest) (ListChildrenResult, error) {
	return call(ctx, s, "ListChildren", func(ctx context.Context) (ListChildrenResult, int, error) {
		bound, err := s.cfg.Limits.page(r.Limit)
		if err != nil {
			return ListChildrenResult{}, 0, err
		}
		if err := checkText("After", r.After, maxKey); err != nil {
			return ListChildrenResult{}, 0, err
		}
		var rows ChildrenResult
		err = s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, _ access) error {
			if !r.Parent.IsZero() {
				parent, err := readItem(ctx, rd, ItemKey{r.Workspace, r.Parent})
				if err != nil {
					return err
				}
				if parent.Deleted || parent.Kind != Folder {
					return &ItemError{Item: r.Parent, Err: fmt.Errorf("%w as a live folder", ErrItemNotFound)}
				}
			}
			rows, err = rd.Children(ctx, ChildrenParams{Workspace: r.Workspace, Parent: r.Parent, After: r.After, PageBound: bound})
			return err
		})
		if err != nil {
			return ListChildrenResult{}, 0, err
		}
		var res ListChildrenResult
		if bound.reached(rows.Items) {
			res.Next = rows.Items[len(rows.Items)-1].NameKey
		}
		res.Items = itemsOf(rows.Items)
		return res, len(res.Items), nil
	})
}

// ListVersions implements Items.
func (s *Service) ListVersions(ctx context.Context, r ListVersionsRequest) (ListVersionsResult, error) {
	return call(ctx, s, "ListVersions", func(ctx context.Context) (ListVersionsResult, int, error) {
		bound, err := s.cfg.Limits.page(r.Limit)
		if err != nil {
			return ListVersionsResult{}, 0, err
		}
		if r.Before < 0 {
			return ListVersionsResult{}, 0, &FieldError{Field: "Before", Reason: "is negative"}
		}
		var rows VersionsResult
		err = s.view(ctx, r.Actor, r.Workspace, toRead, func(ctx context.Context, rd Reader, _ access) error {
			if _, err := readItem(ctx, rd, ItemKey{r.Workspace, r.Item}); err != nil {
				return err
			}
			rows, err = rd.Versions(ctx, VersionsParams{Workspace: r.Workspace, Item: r.Item, Before: r.Before, PageBound: bound})
			return err
		})
		if err != nil {
			return ListVersionsResult{}, 0, err
		}
		var res ListVersionsResult
		// Version 1 is always the last.
		if last := len(rows.Items) - 1; bound.reached(rows.Items) && rows.Items[last].Version > 1 {
			res.Next = rows.Items[last].Version
		}
		res.Items = itemsOf(rows.Items)
		return res, len(res.Items), nil
	})
}

func itemsOf(rows []ItemRow) []Item {
	items := make([]Item, len(rows))
	for i := range rows {
		items[i] = rows[i].Item
	}
	return items
}

// RestoreVersion implements Items.
func (s *Service) RestoreVersion(ctx context.Context, r RestoreVersionRequest) (RestoreVersionResult, error) {
	return call(ctx, s, "RestoreVersion", func(ctx context.Context) (RestoreVersionResult, int, error) {
		if r.Version < 1 || r.Base < r.Version {
			return RestoreVersionResult{}, 0, &FieldError{Field: "Version", Reason: "is not within 1 to Base"}
		}
		var base, old *ItemRow
		err := s.view(ctx, r.Actor, r.Workspace, toWrite, func(ctx context.Context, rd Reader, _ access) (err error) {
			// Name and place are those of the base, so that the call proposes the same when it is repeated.
			if base, err = readItem(ctx, rd, ItemKey{r.Workspace, r.Item}); err == nil && r.Base < base.Version {
				base, err = readVersion(ctx, rd, VersionKey{r.Workspace, r.Item, r.Base})
			}
			if err != nil {
				return err
			}
			old, err = readVersion(ctx, rd, VersionKey{r.Workspace, r.Item, r.Version})
			return err
		})
		if err != nil {
			return RestoreVersionResult{}, 0, err
		}
		res, err := s.commit(ctx, CommitRequest{Actor: r.Actor, Workspace: r.Workspace, KeyGeneration: r.KeyGeneration, Proposals: []Proposal{{
			Item: r.Item, Version: r.Base + 1, Parent: base.Parent, Name: base.Name, Kind: base.Kind,
			Size: old.Size, Checksum: old.Checksum, Chunks: old.Chunks, MediaType: old.MediaType, ModifiedAt: old.ModifiedAt, Attrs: old.Attrs,
		}}})
		if err != nil {
			return RestoreVersionResult{}, 0, err
		}
		return RestoreVersionResult{Outcome: res.Outcomes[0]}, 1, nil
	})
}
