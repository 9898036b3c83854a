package memory

import (
	"context"

	"github.com/stacksync/stacksync-go"
)

// Load is documented at stacksync.Loader.
func (r *reader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	if err := r.check(ctx); err != nil {
		return stacksync.LoadResult{}, err
	}
	t := &r.tables
	result := stacksync.LoadResult{AccessRows: t.access(p.Access)}
	result.Items = values(lookup(&t.items, p.Items))
	result.Items = t.appendNames(result.Items, p.Names)
	result.Items = t.appendAncestors(result.Items, p.Ancestors)
	result.Items = t.appendSubtrees(result.Items, p.Subtrees)
	result.Versions = values(lookup(&t.superseded, p.Versions))
	result.Chunks = lookup(&t.chunks, p.Chunks)
	return result, nil
}

// access answers Access.
func (t *tables) access(keys []stacksync.AccessKey) stacksync.AccessRows {
	var result stacksync.AccessRows
	workspaces := make([]stacksync.WorkspaceID, 0, len(keys))
	members := make([]memberKey, 0, len(keys))
	devices := make([]deviceKey, 0, len(keys))
	for _, k := range keys {
		workspaces = append(workspaces, k.Workspace)
		members = append(members, memberKey{user: k.User, workspace: k.Workspace})
		if !k.Device.IsZero() {
			devices = append(devices, deviceKey{user: k.User, device: k.Device})
		}
	}
	result.Workspaces = lookup(&t.workspaces, workspaces)
	result.Members = lookup(&t.members, members)
	result.Devices = lookup(&t.devices, devices)
	owners := make([]stacksync.UserID, 0, len(result.Workspaces))
	for _, w := range result.Workspaces {
		owners = append(owners, w.Owner)
	}
	result.Owners = lookup(&t.users, owners)
	return result
}

func (t *tables) appendNames(rows []stacksync.ItemRow, keys []stacksync.NameKey) []stacksync.ItemRow {
	for _, asked := range keys {
		for key, row := range t.names.from(nameKey{NameKey: asked}) {
			if key.NameKey != asked {
				break
			}
			rows = append(rows, *row)
		}
	}
	return rows
}

// appendAncestors walks up from each key, until it comes to the root, an unknown item or one that was passed before: also
// a cycle, which only damaged data has, ends it.
func (t *tables) appendAncestors(rows []stacksync.ItemRow, keys []stacksync.ItemKey) []stacksync.ItemRow {
	passed := map[stacksync.ItemKey]bool{}
	for _, key := range keys {
		below, ok := t.items.get(key)
		for ok {
			above := parentKey(below)
			if passed[above] {
				break
			}
			passed[above] = true
			if below, ok = t.items.get(above); ok {
				rows = append(rows, *below)
			}
		}
	}
	return rows
}

// appendSubtrees walks down from all keys at once. Like appendAncestors it ends on a cycle.
func (t *tables) appendSubtrees(rows []stacksync.ItemRow, keys []stacksync.ItemKey) []stacksync.ItemRow {
	entered := map[stacksync.ItemKey]bool{}
	for queue := append([]stacksync.ItemKey(nil), keys...); len(queue) > 0; {
		parent := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if entered[parent] {
			continue
		}
		entered[parent] = true
		for row := range t.children(parent, "") {
			rows = append(rows, *row)
			queue = append(queue, itemKey(row))
		}
	}
	return rows
}

func parentKey(row *stacksync.ItemRow) stacksync.ItemKey {
	return stacksync.ItemKey{Workspace: row.Workspace, Item: row.Parent}
}

func versionKey(row *stacksync.ItemRow) stacksync.VersionKey {
	return stacksync.VersionKey{Workspace: row.Workspace, Item: row.ID, Version: row.Version}
}

func values(rows []*stacksync.ItemRow) []stacksync.ItemRow {
	vs := make([]stacksync.ItemRow, len(rows))
	for i, row := range rows {
		vs[i] = *row
	}
	return vs
}
