package metastoretest

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// model is the content of a store as plain maps, with the answers of the contract worked out the slow way.
type model struct {
	users      map[stacksync.UserID]stacksync.User
	devices    map[any]stacksync.Device // by keyOf, like members
	workspaces map[stacksync.WorkspaceID]stacksync.Workspace
	members    map[any]stacksync.Member
	items      map[stacksync.ItemKey]stacksync.ItemRow
	superseded map[stacksync.VersionKey]stacksync.ItemRow
	chunks     map[stacksync.ChunkKey]stacksync.ChunkRow
	operations map[stacksync.OperationID]stacksync.Operation
}

func newModel() *model {
	return &model{
		users:      map[stacksync.UserID]stacksync.User{},
		devices:    map[any]stacksync.Device{},
		workspaces: map[stacksync.WorkspaceID]stacksync.Workspace{},
		members:    map[any]stacksync.Member{},
		items:      map[stacksync.ItemKey]stacksync.ItemRow{},
		superseded: map[stacksync.VersionKey]stacksync.ItemRow{},
		chunks:     map[stacksync.ChunkKey]stacksync.ChunkRow{},
		operations: map[stacksync.OperationID]stacksync.Operation{},
	}
}

func (m *model) clone() *model {
	return &model{
		maps.Clone(m.users), maps.Clone(m.devices), maps.Clone(m.workspaces), maps.Clone(m.members),
		maps.Clone(m.items), maps.Clone(m.superseded), maps.Clone(m.chunks), maps.Clone(m.operations),
	}
}

func (m *model) put(p stacksync.PutParams) {
	for _, u := range p.Users {
		m.users[u.ID] = kept(u)
	}
	for _, d := range p.Devices {
		m.devices[keyOf(d)] = d
	}
	for _, w := range p.Workspaces {
		m.workspaces[w.ID] = kept(w)
	}
	for _, member := range p.Members {
		m.members[keyOf(member)] = member
	}
	for _, row := range p.Items {
		m.items[stacksync.ItemKey{Workspace: row.Workspace, Item: row.ID}] = row
	}
	for _, row := range p.Superseded {
		m.superseded[versionKeyOf(row)] = row
	}
	for _, c := range p.Chunks {
		m.chunks[chunkKeyOf(c)] = c
	}
	for _, op := range p.Operations {
		m.operations[op.ID] = op
	}
}

func (m *model) devicesOf(u stacksync.UserID) []stacksync.Device {
	devices := filter(m.devices, func(d stacksync.Device) bool { return d.User == u })
	slices.SortFunc(devices, compareDevices)
	return devices
}

func (m *model) memberships(u stacksync.UserID) (result stacksync.MembershipsResult) {
	result.Members = filter(m.members, func(member stacksync.Member) bool { return member.User == u })
	slices.SortFunc(result.Members, func(a, b stacksync.Member) int { return bytes.Compare(a.Workspace.UUID[:], b.Workspace.UUID[:]) })
	for _, member := range result.Members {
		result.Workspaces = append(result.Workspaces, m.workspaces[member.Workspace])
	}
	return result
}

func (m *model) membersOf(ids ...stacksync.WorkspaceID) []stacksync.Member {
	members := filter(m.members, func(member stacksync.Member) bool { return slices.Contains(ids, member.Workspace) })
	slices.SortFunc(members, compareMembers)
	return members
}

func (m *model) operationsPage(p stacksync.OperationsParams) []stacksync.Operation {
	asked := filter(m.operations, func(op stacksync.Operation) bool {
		return (p.State == 0 || op.State == p.State) && (slices.Contains(p.IDs, op.ID) || slices.Contains(p.Workspaces, op.Workspace) ||
			slices.Contains(p.Workspaces, op.Source) || slices.Contains(p.Users, op.User))
	})
	asked = newestFirst(asked...)
	return asked[:min(p.Limit, len(asked))]
}

func (m *model) stopped(limit int) []stacksync.Operation {
	stopped := oldestFirst(filter(m.operations, func(op stacksync.Operation) bool { return op.State == stacksync.OperationStopped })...)
	return stopped[:min(limit, len(stopped))]
}

func (m *model) access(keys ...stacksync.AccessKey) (result stacksync.AccessRows) {
	for _, k := range keys {
		if w, ok := m.workspaces[k.Workspace]; ok {
			result.Workspaces = append(result.Workspaces, w)
			if u, ok := m.users[w.Owner]; ok {
				result.Owners = append(result.Owners, u)
			}
		}
		if member, ok := m.members[keyOf(stacksync.Member{Workspace: k.Workspace, User: k.User})]; ok {
			result.Members = append(result.Members, member)
		}
		if d, ok := m.devices[keyOf(stacksync.Device{User: k.User, ID: k.Device})]; ok {
			result.Devices = append(result.Devices, d)
		}
	}
	return result
}

func (m *model) load(p stacksync.LoadParams) (result stacksync.LoadResult) {
	result.AccessRows = m.access(p.Access...)
	for _, k := range p.Items {
		if row, ok := m.items[k]; ok {
			result.Items = append(result.Items, row)
		}
	}
	for _, k := range p.Names {
		result.Items = append(result.Items, filter(m.items, func(row stacksync.ItemRow) bool { return !row.Deleted && nameKeyOf(row) == k })...)
	}
	for _, k := range p.Ancestors {
		result.Items = append(result.Items, m.above(k)...)
	}
	for _, k := range p.Subtrees {
		result.Items = append(result.Items, m.below(k)...)
	}
	for _, k := range p.Versions {
		if row, ok := m.superseded[k]; ok {
			result.Versions = append(result.Versions, row)
		}
	}
	for _, k := range p.Chunks {
		if c, ok := m.chunks[k]; ok {
			result.Chunks = append(result.Chunks, c)
		}
	}
	return result
}

func (m *model) above(k stacksync.ItemKey) (rows []stacksync.ItemRow) {
	row, ok := m.items[k]
	for ok {
		if row, ok = m.items[stacksync.ItemKey{Workspace: row.Workspace, Item: row.Parent}]; ok {
			rows = append(rows, row)
		}
	}
	return rows
}

func (m *model) below(k stacksync.ItemKey) (rows []stacksync.ItemRow) {
	for _, row := range m.children(k.Workspace, k.Item) {
		rows = append(append(rows, row), m.below(itemKeys(row)[0])...)
	}
	return rows
}

func (m *model) children(w stacksync.WorkspaceID, parent stacksync.ItemID) []stacksync.ItemRow {
	rows := filter(m.items, func(row stacksync.ItemRow) bool { return row.Workspace == w && row.Parent == parent && !row.Deleted })
	slices.SortFunc(rows, func(a, b stacksync.ItemRow) int { return strings.Compare(a.NameKey, b.NameKey) })
	return rows
}

func (m *model) childrenPage(p stacksync.ChildrenParams) []stacksync.ItemRow {
	rows := m.children(p.Workspace, p.Parent)
	rows = slices.DeleteFunc(rows, func(row stacksync.ItemRow) bool { return p.After != "" && row.NameKey <= p.After })
	return rows[:min(p.Limit, len(rows))]
}

func (m *model) versionsPage(p stacksync.VersionsParams) []stacksync.ItemRow {
	of := func(row stacksync.ItemRow) bool {
		return row.Workspace == p.Workspace && row.ID == p.Item && (p.Before == 0 || row.Version < p.Before)
	}
	rows := append(filter(m.items, of), filter(m.superseded, of)...)
	slices.SortFunc(rows, func(a, b stacksync.ItemRow) int { return int(b.Version - a.Version) })
	return rows[:min(p.Limit, len(rows))]
}

func (m *model) changes(p stacksync.ChangesParams) (result stacksync.ChangesRows) {
	if p.Access != (stacksync.AccessKey{}) {
		if result.AccessRows = m.access(p.Access); len(result.Members) == 0 {
			return result
		}
	}
	result.Items = filter(m.items, func(row stacksync.ItemRow) bool {
		return row.Workspace == p.Workspace && row.Revision > p.After && (!row.Deleted || row.Revision > p.LiveThrough)
	})
	slices.SortFunc(result.Items, func(a, b stacksync.ItemRow) int { return int(a.Revision - b.Revision) })
	result.Items = result.Items[:min(p.Limit, len(result.Items))]
	for _, row := range result.Items {
		if row.Deleted {
			continue
		}
		for _, above := range m.above(itemKeys(row)[0]) {
			if above.Revision <= p.After {
				break
			}
			if !slices.ContainsFunc(result.Items, func(in stacksync.ItemRow) bool { return in.ID == above.ID }) {
				result.Ancestors = append(result.Ancestors, above)
			}
		}
	}
	return result
}

// filter returns the values of m that keep says yes to, in no order.
func filter[K comparable, V any](m map[K]V, keep func(V) bool) []V {
	return slices.DeleteFunc(values(m), func(v V) bool { return !keep(v) })
}
