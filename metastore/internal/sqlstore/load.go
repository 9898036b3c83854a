package sqlstore

import (
	"cmp"
	"context"

	"github.com/stacksync/stacksync-go"
)

// Load is that of stacksync.Loader. What is asked for twice is looked up once, so that each list but Items has each row once.
func (r *reader) Load(ctx context.Context, p stacksync.LoadParams) (stacksync.LoadResult, error) {
	if r.tables.wide != nil {
		return r.loadCombined(ctx, p)
	}
	t, tx := r.tables, r.transaction
	var res stacksync.LoadResult
	// After a failure the transaction refuses the rest.
	err := cmp.Or(
		r.access(ctx, p.Access, &res.AccessRows),
		lookUp(ctx, tx, &t.itemByID, unique(p.Items), itemArgs, t.items, &res.Items),
		lookUp(ctx, tx, &t.itemByName, unique(p.Names), nameArgs, t.items, &res.Items),
		lookUp(ctx, tx, &t.ancestors, unique(p.Ancestors), itemArgs, t.items, &res.Items),
		lookUp(ctx, tx, &t.subtrees, unique(p.Subtrees), itemArgs, t.items, &res.Items),
		lookUp(ctx, tx, &t.versionByID, unique(p.Versions), versionArgs, t.superseded, &res.Versions),
		lookUp(ctx, tx, &t.chunkByName, unique(p.Chunks), chunkArgs, t.chunks, &res.Chunks),
	)
	if err != nil {
		return stacksync.LoadResult{}, err
	}
	return res, nil
}

func (r *reader) access(ctx context.Context, keys []stacksync.AccessKey, res *stacksync.AccessRows) error {
	if len(keys) == 0 {
		return nil
	}
	workspaces, members, devices := splitAccess(keys)
	t, tx := r.tables, r.transaction
	if err := lookUp(ctx, tx, &t.workspaceByID, workspaces, workspaceArgs, t.workspaces, &res.Workspaces); err != nil {
		return err
	}
	owners := make([]stacksync.UserID, len(res.Workspaces))
	for i := range res.Workspaces {
		owners[i] = res.Workspaces[i].Owner
	}
	return cmp.Or(
		lookUp(ctx, tx, &t.userByID, unique(owners), userArgs, t.users, &res.Owners),
		lookUp(ctx, tx, &t.memberByID, members, memberArgs, t.members, &res.Members),
		lookUp(ctx, tx, &t.deviceByID, devices, deviceArgs, t.devices, &res.Devices),
	)
}

// splitAccess returns the keys of the rows that are asked for, each once.
func splitAccess(keys []stacksync.AccessKey) ([]stacksync.WorkspaceID, []memberKey, []deviceKey) {
	workspaces := make([]stacksync.WorkspaceID, 0, len(keys))
	members := make([]memberKey, 0, len(keys))
	devices := make([]deviceKey, 0, len(keys))
	for _, k := range keys {
		workspaces = append(workspaces, k.Workspace)
		members = append(members, memberKey{k.Workspace, k.User})
		if !k.Device.IsZero() {
			devices = append(devices, deviceKey{k.User, k.Device})
		}
	}
	return unique(workspaces), unique(members), unique(devices)
}

type memberKey struct {
	workspace stacksync.WorkspaceID
	user      stacksync.UserID
}

type deviceKey struct {
	user   stacksync.UserID
	device stacksync.DeviceID
}

// The functions below append the arguments of a key, in the order of its statement.

func userArgs(args []any, id *stacksync.UserID) []any { return append(args, string(*id)) }

func workspaceArgs(args []any, id *stacksync.WorkspaceID) []any { return append(args, &id.UUID) }

func operationArgs(args []any, id *stacksync.OperationID) []any { return append(args, &id.UUID) }

func memberArgs(args []any, k *memberKey) []any {
	return append(args, &k.workspace.UUID, string(k.user))
}

func deviceArgs(args []any, k *deviceKey) []any {
	return append(args, string(k.user), &k.device.UUID)
}

func itemArgs(args []any, k *stacksync.ItemKey) []any {
	return append(args, &k.Workspace.UUID, &k.Item.UUID)
}

func nameArgs(args []any, k *stacksync.NameKey) []any {
	return append(args, &k.Workspace.UUID, &k.Parent.UUID, &k.Key)
}

func versionArgs(args []any, k *stacksync.VersionKey) []any {
	return append(args, &k.Workspace.UUID, &k.Item.UUID, &k.Version)
}

func chunkArgs(args []any, k *stacksync.ChunkKey) []any {
	return append(args, &k.Workspace.UUID, chunkName(k.Name))
}

// unique returns keys without those that come again.
func unique[K comparable](keys []K) []K {
	if len(keys) < 2 {
		return keys
	}
	seen := make(map[K]struct{}, len(keys))
	kept := make([]K, 0, len(keys))
	for _, k := range keys {
		if _, again := seen[k]; !again {
			seen[k] = struct{}{}
			kept = append(kept, k)
		}
	}
	return kept
}
