package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// checkLimit refuses what SQL would read as no limit.
func checkLimit(limit int) error {
	if limit < 1 {
		return &stacksync.FieldError{Field: "Limit", Reason: fmt.Sprintf("is %d, and must be at least 1", limit)}
	}
	return nil
}

// Users is that of stacksync.AccountReader.
func (r *reader) Users(ctx context.Context, p stacksync.UsersParams) (stacksync.UsersResult, error) {
	var res stacksync.UsersResult
	err := lookUp(ctx, r.transaction, &r.tables.userByID, unique(p.IDs), userArgs, r.tables.users, &res.Users)
	return res, err
}

// Devices is that of stacksync.AccountReader.
func (r *reader) Devices(ctx context.Context, p stacksync.DevicesParams) (stacksync.DevicesResult, error) {
	var res stacksync.DevicesResult
	if err := r.tables.devices.query(ctx, r.transaction, r.tables.devicesOf, userArgs(nil, &p.User), &res.Devices); err != nil {
		return stacksync.DevicesResult{}, err
	}
	slices.SortFunc(res.Devices, func(a, b stacksync.Device) int { // few, so that an index would cost more
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]))
	})
	return res, nil
}

// Memberships is that of stacksync.AccountReader.
func (r *reader) Memberships(ctx context.Context, p stacksync.MembershipsParams) (stacksync.MembershipsResult, error) {
	var res stacksync.MembershipsResult
	var member, noMember memberModel
	var workspace, noWorkspace workspaceModel
	dest := r.tables.workspaces.pointers(r.tables.members.pointers(nil, &member), &workspace)
	err := r.query(ctx, r.tables.membershipsOf, userArgs(nil, &p.User), dest, func() bool {
		res.Members, res.Workspaces = append(res.Members, member.row()), append(res.Workspaces, workspace.row())
		member, workspace = noMember, noWorkspace
		return true
	})
	if err != nil {
		return stacksync.MembershipsResult{}, fmt.Errorf("read memberships: %w", err)
	}
	return res, nil
}

// Members is that of stacksync.AccountReader.
func (r *reader) Members(ctx context.Context, p stacksync.MembersParams) (stacksync.MembersResult, error) {
	t := r.tables
	var res stacksync.MembersResult
	ids := unique(p.Workspaces)
	if len(ids) == 0 {
		return res, nil
	}
	var err error
	if t.membersOfArray == "" {
		err = lookUp(ctx, r.transaction, &t.membersOf, ids, workspaceArgs, t.members, &res.Members)
	} else {
		var array []string
		if array, err = literals(ids, workspaceArgs, "uuid"); err == nil {
			err = t.members.query(ctx, r.transaction, t.membersOfArray, []any{array[0]}, &res.Members)
		}
	}
	if err != nil {
		return stacksync.MembersResult{}, err
	}
	slices.SortFunc(res.Members, func(a, b stacksync.Member) int {
		return cmp.Or(compareWorkspaces(a.Workspace, b.Workspace), cmp.Compare(a.User, b.User))
	})
	return res, nil
}

// Children is that of stacksync.TreeReader.
func (r *reader) Children(ctx context.Context, p stacksync.ChildrenParams) (stacksync.ChildrenResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.ChildrenResult{}, err
	}
	text, args := r.tables.firstChildren, []any{&p.Workspace.UUID, &p.Parent.UUID}
	if p.After != "" {
		text, args = r.tables.nextChildren, append(args, p.After)
	}
	var res stacksync.ChildrenResult
	err := r.tables.items.page(ctx, r.transaction, text, append(args, p.Limit), &res.Items, p.Ends())
	return res, err
}

// Versions is that of stacksync.TreeReader.
func (r *reader) Versions(ctx context.Context, p stacksync.VersionsParams) (stacksync.VersionsResult, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.VersionsResult{}, err
	}
	var res stacksync.VersionsResult
	latest := int64(math.MaxInt64)
	if p.Before != 0 {
		latest = p.Before - 1
	}
	args := []any{&p.Workspace.UUID, &p.Item.UUID, latest}
	if err := r.tables.items.query(ctx, r.transaction, r.tables.currentVersion, args, &res.Items); err != nil {
		return stacksync.VersionsResult{}, err
	}
	ends := p.Ends()
	if len(res.Items) > 0 && ends(&res.Items[0]) {
		return res, nil
	}
	err := r.tables.superseded.page(ctx, r.transaction, r.tables.versions, append(args, p.Limit-len(res.Items)), &res.Items, ends)
	return res, err
}

// Changes is that of stacksync.LogReader.
func (r *reader) Changes(ctx context.Context, p stacksync.ChangesParams) (stacksync.ChangesRows, error) {
	if err := checkLimit(p.Limit); err != nil {
		return stacksync.ChangesRows{}, err
	}
	if r.tables.wide != nil {
		return r.changesCombined(ctx, p)
	}
	t := r.tables
	var rows stacksync.ChangesRows
	if p.Access != (stacksync.AccessKey{}) {
		err := r.access(ctx, []stacksync.AccessKey{p.Access}, &rows.AccessRows)
		if err != nil || len(rows.Members) == 0 {
			return rows, err
		}
	}
	args := []any{&p.Workspace.UUID, p.After, p.LiveThrough, p.Limit}
	if err := t.items.page(ctx, r.transaction, t.changes, args, &rows.Items, p.Ends()); err != nil {
		return stacksync.ChangesRows{}, err
	}
	if err := inOrder(p.After, rows.Items); err != nil {
		return stacksync.ChangesRows{}, err
	}
	page := make(map[stacksync.ItemID]*stacksync.ItemRow, len(rows.Items))
	for i := range rows.Items {
		page[rows.Items[i].ID] = &rows.Items[i]
	}
	above := parentsOutside(p.Workspace, rows.Items, page)
	err := lookUp(ctx, r.transaction, &t.unseenAncestors, above, itemArgs, t.items, &rows.Ancestors, p.After, p.After)
	if err != nil {
		return stacksync.ChangesRows{}, err
	}
	rows.Ancestors = slices.DeleteFunc(rows.Ancestors, func(row stacksync.ItemRow) bool { return page[row.ID] != nil })
	return rows, nil
}

// ErrCorrupt says that a database is damaged.
var ErrCorrupt = errors.New("the database is damaged")

// inOrder returns ErrCorrupt unless each revision of a page is greater than the one before: an index that is damaged can give rows in another
// order, or twice. It can leave some out, too, which no page shows by itself, as revisions of superseded versions are missing rightly.
func inOrder(after int64, items []stacksync.ItemRow) error {
	for i := range items {
		if items[i].Revision <= after {
			return fmt.Errorf("read changes: %w: revision %d follows %d in the change log of workspace %s", ErrCorrupt, items[i].Revision, after, items[i].Workspace)
		}
		after = items[i].Revision
	}
	return nil
}

// parentsOutside returns the first item outside the page above each live one of items, each once. The lines of ancestors
// that are all in the page need not be read again: in a first synchronisation, that is nearly all.
func parentsOutside(w stacksync.WorkspaceID, items []stacksync.ItemRow, page map[stacksync.ItemID]*stacksync.ItemRow) []stacksync.ItemKey {
	var above []stacksync.ItemKey
	seen := map[stacksync.ItemID]bool{{}: true} // there is nothing above the root
	for i := range items {
		if items[i].Deleted {
			continue
		}
		for id := items[i].Parent; !seen[id]; id = page[id].Parent {
			seen[id] = true
			if page[id] == nil {
				above = append(above, stacksync.ItemKey{Workspace: w, Item: id})
				break
			}
		}
	}
	return above
}
