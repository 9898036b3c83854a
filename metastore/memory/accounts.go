package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/stacksync/stacksync-go"
)

// Users is documented at stacksync.AccountReader.
func (r *reader) Users(ctx context.Context, p stacksync.UsersParams) (stacksync.UsersResult, error) {
	if err := r.check(ctx); err != nil {
		return stacksync.UsersResult{}, err
	}
	return stacksync.UsersResult{Users: lookup(&r.tables.users, p.IDs)}, nil
}

// Devices is documented at stacksync.AccountReader.
func (r *reader) Devices(ctx context.Context, p stacksync.DevicesParams) (stacksync.DevicesResult, error) {
	if err := r.check(ctx); err != nil {
		return stacksync.DevicesResult{}, err
	}
	var result stacksync.DevicesResult
	for key, d := range r.tables.devices.from(deviceKey{user: p.User}) {
		if key.user != p.User {
			break
		}
		result.Devices = append(result.Devices, d)
	}
	slices.SortFunc(result.Devices, func(a, b stacksync.Device) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]))
	})
	return result, nil
}

// Memberships is documented at stacksync.AccountReader.
func (r *reader) Memberships(ctx context.Context, p stacksync.MembershipsParams) (stacksync.MembershipsResult, error) {
	if err := r.check(ctx); err != nil {
		return stacksync.MembershipsResult{}, err
	}
	var result stacksync.MembershipsResult
	for key, m := range r.tables.members.from(memberKey{user: p.User}) {
		if key.user != p.User {
			break
		}
		w, ok := r.tables.workspaces.get(m.Workspace)
		if !ok {
			continue
		}
		result.Members = append(result.Members, m)
		result.Workspaces = append(result.Workspaces, w)
	}
	return result, nil
}

// Members is documented at stacksync.AccountReader.
func (r *reader) Members(ctx context.Context, p stacksync.MembersParams) (stacksync.MembersResult, error) {
	if err := r.check(ctx); err != nil {
		return stacksync.MembersResult{}, err
	}
	asked := slices.Clone(p.Workspaces)
	slices.SortFunc(asked, compareWorkspaces)
	var result stacksync.MembersResult
	for _, w := range slices.Compact(asked) {
		for key := range r.tables.membersOf.from(stacksync.MemberKey{Workspace: w}) {
			if key.Workspace != w {
				break
			}
			m, _ := r.tables.members.get(memberKey{user: key.User, workspace: w})
			result.Members = append(result.Members, m)
		}
	}
	return result, nil
}

// lookup returns the values of those keys that are known, each once, in the order asked.
func lookup[K comparable, V any](t *table[K, V], keys []K) []V {
	if len(keys) == 0 {
		return nil
	}
	asked := make(map[K]bool, len(keys))
	found := make([]V, 0, len(keys))
	for _, k := range keys {
		if asked[k] {
			continue
		}
		asked[k] = true
		if v, ok := t.get(k); ok {
			found = append(found, v)
		}
	}
	return found
}
