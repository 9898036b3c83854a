package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// GetItem implements Items.
func (s *Service) GetItem(ctx context.Context, r stacksync.GetItemRequest) (stacksync.GetItemResult, error) {
	return call(ctx, s, "GetItem", func(ctx context.Context) (stacksync.GetItemResult, int, error) {
		if r.Version < 0 {
			return stacksync.GetItemResult{}, 0, &stacksync.FieldError{Field: "Version", Reason: "is negative"}
		}
		var row *stacksync.ItemRow
		err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) (err error) {
			row, err = readVersion(ctx, rd, stacksync.VersionKey{Workspace: r.Workspace, Item: r.Item, Version: r.Version})
			return err
		})
		if err != nil {
			return stacksync.GetItemResult{}, 0, err
		}
		return stacksync.GetItemResult{Item: row.Item}, 1, nil
	})
}

// readItem reads the current version of an item: ErrItemNotFound in an *ItemError.
func readItem(ctx context.Context, r stacksync.Reader, key stacksync.ItemKey) (*stacksync.ItemRow, error) {
	rows, err := r.Load(ctx, stacksync.LoadParams{Items: []stacksync.ItemKey{key}})
	if err != nil {
		return nil, err
	}
	if len(rows.Items) == 0 {
		return nil, &stacksync.ItemError{Item: key.Item, Err: stacksync.ErrItemNotFound}
	}
	return &rows.Items[0], nil
}

// readVersion reads a version of an item; for Version 0 the current one. ErrItemNotFound and
// ErrVersionNotFound, in an *ItemError.
func readVersion(ctx context.Context, r stacksync.Reader, key stacksync.VersionKey) (*stacksync.ItemRow, error) {
	row, err := readItem(ctx, r, stacksync.ItemKey{Workspace: key.Workspace, Item: key.Item})
	if err != nil || key.Version == 0 || key.Version == row.Version {
		return row, err
	}
	rows, err := r.Load(ctx, stacksync.LoadParams{Versions: []stacksync.VersionKey{key}})
	if err != nil {
		return nil, err
	}
	if len(rows.Versions) == 0 {
		return nil, &stacksync.ItemError{Item: key.Item, Err: fmt.Errorf("%w: %d", stacksync.ErrVersionNotFound, key.Version)}
	}
	return &rows.Versions[0], nil
}

// GetItemByPath implements Items.
func (s *Service) GetItemByPath(ctx context.Context, r stacksync.GetItemByPathRequest) (stacksync.GetItemResult, error) {
	return call(ctx, s, "GetItemByPath", func(ctx context.Context) (stacksync.GetItemResult, int, error) {
		names := strings.Split(r.Path, "/")
		if limit := s.cfg.Limits.Depth; len(names) > limit {
			return stacksync.GetItemResult{}, 0, &stacksync.FieldError{Field: "Path", Reason: fmt.Sprintf("has more than %d names", limit), Err: stacksync.ErrLimit}
		}
		for i, name := range names {
			if err, bad := errors.AsType[*stacksync.FieldError](stacksync.CheckName("Path", name)); bad {
				err.Reason = fmt.Sprintf("has %d names, and name %d %s", len(names), i+1, err.Reason)
				return stacksync.GetItemResult{}, 0, err
			}
		}
		var at stacksync.ItemRow
		err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, acc stacksync.Access) error {
			if err := s.rules.CheckFolding(acc.Workspace); err != nil {
				return err
			}
			at = stacksync.ItemRow{}
			for _, name := range names {
				rows, err := rd.Load(ctx, stacksync.LoadParams{Names: []stacksync.NameKey{{Workspace: r.Workspace, Parent: at.ID, Key: stacksync.FoldName(name, s.cfg.FoldCase)}}})
				if err != nil {
					return err
				}
				if len(rows.Items) == 0 {
					return stacksync.ErrItemNotFound
				}
				at = rows.Items[0]
			}
			return nil
		})
		if err != nil {
			return stacksync.GetItemResult{}, 0, err
		}
		return stacksync.GetItemResult{Item: at.Item}, 1, nil
	})
}

// ListChildren implements Items.
func (s *Service) ListChildren(ctx context.Context, r stacksync.ListChildrenRequest) (stacksync.ListChildrenResult, error) {
	return call(ctx, s, "ListChildren", func(ctx context.Context) (stacksync.ListChildrenResult, int, error) {
		bound, err := pageBound(&s.cfg.Limits, r.Limit)
		if err != nil {
			return stacksync.ListChildrenResult{}, 0, err
		}
		if err := stacksync.CheckText("After", r.After, stacksync.MaxNameKey); err != nil {
			return stacksync.ListChildrenResult{}, 0, err
		}
		var rows stacksync.ChildrenResult
		err = s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
			if !r.Parent.IsZero() {
				parent, err := readItem(ctx, rd, stacksync.ItemKey{Workspace: r.Workspace, Item: r.Parent})
				if err != nil {
					return err
				}
				if parent.Deleted || parent.Kind != stacksync.Folder {
					return &stacksync.ItemError{Item: r.Parent, Err: fmt.Errorf("%w as a live folder", stacksync.ErrItemNotFound)}
				}
			}
			rows, err = rd.Children(ctx, stacksync.ChildrenParams{Workspace: r.Workspace, Parent: r.Parent, After: r.After, PageBound: bound})
			return err
		})
		if err != nil {
			return stacksync.ListChildrenResult{}, 0, err
		}
		var res stacksync.ListChildrenResult
		if bound.Reached(rows.Items) {
			res.Next = rows.Items[len(rows.Items)-1].NameKey
		}
		res.Items = itemsOf(rows.Items)
		return res, len(res.Items), nil
	})
}

// ListVersions implements Items.
func (s *Service) ListVersions(ctx context.Context, r stacksync.ListVersionsRequest) (stacksync.ListVersionsResult, error) {
	return call(ctx, s, "ListVersions", func(ctx context.Context) (stacksync.ListVersionsResult, int, error) {
		bound, err := pageBound(&s.cfg.Limits, r.Limit)
		if err != nil {
			return stacksync.ListVersionsResult{}, 0, err
		}
		if r.Before < 0 {
			return stacksync.ListVersionsResult{}, 0, &stacksync.FieldError{Field: "Before", Reason: "is negative"}
		}
		var rows stacksync.VersionsResult
		err = s.kernel.View(ctx, r.Actor, r.Workspace, session.ToRead, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) error {
			if _, err := readItem(ctx, rd, stacksync.ItemKey{Workspace: r.Workspace, Item: r.Item}); err != nil {
				return err
			}
			rows, err = rd.Versions(ctx, stacksync.VersionsParams{Workspace: r.Workspace, Item: r.Item, Before: r.Before, PageBound: bound})
			return err
		})
		if err != nil {
			return stacksync.ListVersionsResult{}, 0, err
		}
		var res stacksync.ListVersionsResult
		// No version comes after version 1.
		if last := len(rows.Items) - 1; bound.Reached(rows.Items) && rows.Items[last].Version > 1 {
			res.Next = rows.Items[last].Version
		}
		res.Items = itemsOf(rows.Items)
		return res, len(res.Items), nil
	})
}

func itemsOf(rows []stacksync.ItemRow) []stacksync.Item {
	items := make([]stacksync.Item, len(rows))
	for i := range rows {
		items[i] = rows[i].Item
	}
	return items
}

// RestoreVersion implements Items.
func (s *Service) RestoreVersion(ctx context.Context, r stacksync.RestoreVersionRequest) (stacksync.RestoreVersionResult, error) {
	return call(ctx, s, "RestoreVersion", func(ctx context.Context) (stacksync.RestoreVersionResult, int, error) {
		if r.Version < 1 || r.Base < r.Version {
			return stacksync.RestoreVersionResult{}, 0, &stacksync.FieldError{Field: "Version", Reason: "is not within 1 to Base"}
		}
		var base, old *stacksync.ItemRow
		err := s.kernel.View(ctx, r.Actor, r.Workspace, session.ToWrite, func(ctx context.Context, rd stacksync.Reader, _ stacksync.Access) (err error) {
			// Take name and place from version Base, so that a repeated call proposes the same.
			if base, err = readItem(ctx, rd, stacksync.ItemKey{Workspace: r.Workspace, Item: r.Item}); err == nil && r.Base < base.Version {
				base, err = readVersion(ctx, rd, stacksync.VersionKey{Workspace: r.Workspace, Item: r.Item, Version: r.Base})
			}
			if err != nil {
				return err
			}
			old, err = readVersion(ctx, rd, stacksync.VersionKey{Workspace: r.Workspace, Item: r.Item, Version: r.Version})
			return err
		})
		if err != nil {
			return stacksync.RestoreVersionResult{}, 0, err
		}
		res, err := s.committer.Commit(ctx, stacksync.CommitRequest{Actor: r.Actor, Workspace: r.Workspace, KeyGeneration: r.KeyGeneration, Proposals: []stacksync.Proposal{{
			Item: r.Item, Version: r.Base + 1, Parent: base.Parent, Name: base.Name, Kind: base.Kind,
			Size: old.Size, Checksum: old.Checksum, Chunks: old.Chunks, MediaType: old.MediaType, ModifiedAt: old.ModifiedAt, Attrs: old.Attrs,
		}}})
		if err != nil {
			return stacksync.RestoreVersionResult{}, 0, err
		}
		return stacksync.RestoreVersionResult{Outcome: res.Outcomes[0]}, 1, nil
	})
}
