package memory

import (
	"context"
	"iter"
	"math"

	"github.com/stacksync/stacksync-go"
)

// Children is documented at stacksync.TreeReader.
func (r *reader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	if err := r.checkPage(ctx, p.Limit); err != nil {
		return stacksync.ChildrenResult{}, err
	}
	var result stacksync.ChildrenResult
	ends := p.Ends()
	for row := range r.tables.children(stacksync.ItemKey{Workspace: p.Workspace, Item: p.Parent}, p.After) {
		if result.Items = append(result.Items, *row); ends(row) {
			break
		}
	}
	return result, nil
}

// children yields the live items of a folder whose name keys come after the given one, or all where that is empty.
func (t *tables) children(parent stacksync.ItemKey, after string) iter.Seq[*stacksync.ItemRow] {
	return func(yield func(*stacksync.ItemRow) bool) {
		first := nameKey{NameKey: stacksync.NameKey{Workspace: parent.Workspace, Parent: parent.Item, Key: after}}
		for key, row := range t.names.from(first) {
			if key.Workspace != parent.Workspace || key.Parent != parent.Item {
				return
			}
			if after != "" && key.Key == after {
				continue
			}
			if !yield(row) {
				return
			}
		}
	}
}

// Versions is documented at stacksync.TreeReader.
func (r *reader) Versions(ctx context.Context, p stacksync.VersionsParams) (stacksync.VersionsResult, error) {
	if err := r.checkPage(ctx, p.Limit); err != nil {
		return stacksync.VersionsResult{}, err
	}
	before := p.Before
	if before == 0 {
		before = math.MaxInt64
	}
	item := stacksync.ItemKey{Workspace: p.Workspace, Item: p.Item}
	var result stacksync.VersionsResult
	ends := p.Ends()
	if row, ok := r.tables.items.get(item); ok && (p.Before == 0 || row.Version < before) {
		if result.Items = append(result.Items, *row); ends(row) {
			return result, nil
		}
	}
	first := stacksync.VersionKey{Workspace: p.Workspace, Item: p.Item, Version: before}
	for _, row := range r.tables.superseded.below(first) {
		if itemKey(row) != item {
			break
		}
		if result.Items = append(result.Items, *row); ends(row) {
			break
		}
	}
	return result, nil
}

// Changes is documented at stacksync.LogReader.
func (r *reader) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	if err := r.checkPage(ctx, p.Limit); err != nil {
		return stacksync.ChangesRows{}, err
	}
	var result stacksync.ChangesRows
	if p.Access != (stacksync.AccessKey{}) {
		result.AccessRows = r.tables.access([]stacksync.AccessKey{p.Access})
		if len(result.Members) == 0 {
			return result, nil
		}
	}
	ends := p.Ends()
	for key, row := range r.tables.log.from(logKey{workspace: p.Workspace, revision: p.After}) {
		if key.workspace != p.Workspace {
			break
		}
		if row.Revision == p.After || row.Deleted && row.Revision <= p.LiveThrough {
			continue
		}
		if result.Items = append(result.Items, *row); ends(row) {
			break
		}
	}
	result.Ancestors = r.tables.unseenAncestors(result.Items, p.After)
	return result, nil
}

// unseenAncestors returns what ChangesRows.Ancestors has for rows.
func (t *tables) unseenAncestors(rows []stacksync.ItemRow, after int64) []stacksync.ItemRow {
	in := make(map[stacksync.ItemID]bool, len(rows))
	for i := range rows {
		in[rows[i].ID] = true
	}
	var unseen []stacksync.ItemRow
	passed := map[stacksync.ItemID]bool{}
	for i := range rows {
		if rows[i].Deleted {
			continue
		}
		for below := &rows[i]; !passed[below.Parent]; {
			passed[below.Parent] = true
			above, ok := t.items.get(parentKey(below))
			if !ok || above.Revision <= after {
				break
			}
			if !in[above.ID] {
				unseen = append(unseen, *above)
			}
			below = above
		}
	}
	return unseen
}

// checkPage is check for a method with a limit.
func (r *reader) checkPage(ctx context.Context, limit int) error {
	if limit < 1 {
		return &stacksync.FieldError{Field: "Limit", Reason: "must be at least 1"}
	}
	return r.check(ctx)
}
