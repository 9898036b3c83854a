package memory

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/stacksync/stacksync-go"
)

// tables is the whole content of a store. A copy is a snapshot. Rows never change once they are in.
type tables struct {
	users      table[stacksync.UserID, stacksync.User]
	owingUsers table[dueKey[stacksync.UserID], struct{}]
	devices    table[deviceKey, stacksync.Device]
	workspaces table[stacksync.WorkspaceID, stacksync.Workspace]
	owing      table[dueKey[stacksync.WorkspaceID], struct{}] // the workspaces that owe a hint
	members    table[memberKey, stacksync.Member]
	membersOf  table[stacksync.MemberKey, struct{}] // the keys of members, the workspace first
	items      table[stacksync.ItemKey, *stacksync.ItemRow]
	log        table[logKey, *stacksync.ItemRow]
	names      table[nameKey, *stacksync.ItemRow] // the live ones of items
	superseded table[stacksync.VersionKey, *stacksync.ItemRow]
	chunks     table[stacksync.ChunkKey, stacksync.ChunkRow]
	operations table[stacksync.OperationID, *stacksync.Operation]
	filed      table[filedKey, *stacksync.Operation]          // operations by what they are asked for
	claimable  table[dueKey[stacksync.OperationID], struct{}] // the running ones of operations
}

func newTables() *tables {
	return &tables{
		users:      table[stacksync.UserID, stacksync.User]{compare: cmp.Compare[stacksync.UserID]},
		owingUsers: table[dueKey[stacksync.UserID], struct{}]{compare: byDue(cmp.Compare[stacksync.UserID])},
		devices:    table[deviceKey, stacksync.Device]{compare: deviceKey.compare},
		workspaces: table[stacksync.WorkspaceID, stacksync.Workspace]{compare: compareWorkspaces},
		owing:      table[dueKey[stacksync.WorkspaceID], struct{}]{compare: byDue(compareWorkspaces)},
		members:    table[memberKey, stacksync.Member]{compare: memberKey.compare},
		membersOf:  table[stacksync.MemberKey, struct{}]{compare: compareMembers},
		items:      table[stacksync.ItemKey, *stacksync.ItemRow]{compare: compareItems},
		log:        table[logKey, *stacksync.ItemRow]{compare: logKey.compare},
		names:      table[nameKey, *stacksync.ItemRow]{compare: nameKey.compare},
		superseded: table[stacksync.VersionKey, *stacksync.ItemRow]{compare: compareVersions},
		chunks:     table[stacksync.ChunkKey, stacksync.ChunkRow]{compare: compareChunks},
		operations: table[stacksync.OperationID, *stacksync.Operation]{compare: compareOperations},
		filed:      table[filedKey, *stacksync.Operation]{compare: filedKey.compare},
		claimable:  table[dueKey[stacksync.OperationID], struct{}]{compare: byDue(compareOperations)},
	}
}

type deviceKey struct {
	user   stacksync.UserID
	device stacksync.DeviceID
}

func (a deviceKey) compare(b deviceKey) int {
	return cmp.Or(cmp.Compare(a.user, b.user), bytes.Compare(a.device.UUID[:], b.device.UUID[:]))
}

type memberKey struct {
	user      stacksync.UserID
	workspace stacksync.WorkspaceID
}

func (a memberKey) compare(b memberKey) int {
	return cmp.Or(cmp.Compare(a.user, b.user), compareWorkspaces(a.workspace, b.workspace))
}

const minDue = math.MinInt64

// dueKey begins with the time from which everybody may take on what it names.
type dueKey[ID any] struct {
	due int64 // microseconds since 1970
	id  ID
}

func byDue[ID any](compare func(a, b ID) int) func(a, b dueKey[ID]) int {
	return func(a, b dueKey[ID]) int {
		if c := cmp.Compare(a.due, b.due); c != 0 {
			return c
		}
		return compare(a.id, b.id)
	}
}

// dueNow yields the ids of what is due at now, the longest due first.
func dueNow[ID any](t *table[dueKey[ID], struct{}], now time.Time) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for key := range t.from(dueKey[ID]{due: minDue}) {
			if key.due > now.UnixMicro() || !yield(key.id) {
				return
			}
		}
	}
}

// logKey ends with the item because that revisions are unique is not for a store to assume.
type logKey struct {
	workspace stacksync.WorkspaceID
	revision  int64
	item      stacksync.ItemID
}

func (a logKey) compare(b logKey) int {
	if c := compareWorkspaces(a.workspace, b.workspace); c != 0 {
		return c
	}
	if c := cmp.Compare(a.revision, b.revision); c != 0 {
		return c
	}
	return compareIDs(a.item, b.item)
}

// nameKey ends with the item because two items that swap names may both hold one halfway through a transaction.
type nameKey struct {
	stacksync.NameKey
	item stacksync.ItemID
}

func (a nameKey) compare(b nameKey) int {
	if c := compareWorkspaces(a.Workspace, b.Workspace); c != 0 {
		return c
	}
	if c := compareIDs(a.Parent, b.Parent); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return compareIDs(a.item, b.item)
}

func compareWorkspaces(a, b stacksync.WorkspaceID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }

func compareOperations(a, b stacksync.OperationID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }

func compareMembers(a, b stacksync.MemberKey) int {
	if c := compareWorkspaces(a.Workspace, b.Workspace); c != 0 {
		return c
	}
	return cmp.Compare(a.User, b.User)
}

func compareIDs(a, b stacksync.ItemID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }

func compareItems(a, b stacksync.ItemKey) int {
	if c := compareWorkspaces(a.Workspace, b.Workspace); c != 0 {
		return c
	}
	return compareIDs(a.Item, b.Item)
}

func compareVersions(a, b stacksync.VersionKey) int {
	if c := compareWorkspaces(a.Workspace, b.Workspace); c != 0 {
		return c
	}
	if c := compareIDs(a.Item, b.Item); c != 0 {
		return c
	}
	return cmp.Compare(a.Version, b.Version)
}

func compareChunks(a, b stacksync.ChunkKey) int {
	if c := compareWorkspaces(a.Workspace, b.Workspace); c != 0 {
		return c
	}
	return cmp.Compare(a.Name, b.Name)
}

// putUser inserts or replaces a user.
func (t *tables) putUser(o *owner, u stacksync.User) {
	if old, ok := t.users.get(u.ID); ok && old.Revision > old.Notified {
		t.owingUsers.delete(o, owingUser(&old))
	}
	if u.Revision <= u.Notified {
		u.HintDue = time.Time{}
	}
	t.users.set(o, u.ID, u)
	if u.Revision > u.Notified {
		t.owingUsers.set(o, owingUser(&u), struct{}{})
	}
}

func owingUser(u *stacksync.User) dueKey[stacksync.UserID] {
	return dueKey[stacksync.UserID]{due: u.HintDue.UnixMicro(), id: u.ID}
}

// putWorkspace inserts or replaces a workspace.
func (t *tables) putWorkspace(o *owner, w stacksync.Workspace) {
	if old, ok := t.workspaces.get(w.ID); ok && old.Revision > old.Notified {
		t.owing.delete(o, owing(&old))
	}
	if w.Revision <= w.Notified {
		w.HintDue = time.Time{}
	}
	t.workspaces.set(o, w.ID, w)
	if w.Revision > w.Notified {
		t.owing.set(o, owing(&w), struct{}{})
	}
}

func owing(w *stacksync.Workspace) dueKey[stacksync.WorkspaceID] {
	return dueKey[stacksync.WorkspaceID]{due: w.HintDue.UnixMicro(), id: w.ID}
}

// putMember inserts or replaces a member.
func (t *tables) putMember(o *owner, m stacksync.Member) {
	t.members.set(o, memberKey{user: m.User, workspace: m.Workspace}, m)
	t.membersOf.set(o, stacksync.MemberKey{Workspace: m.Workspace, User: m.User}, struct{}{})
}

// putItem makes row the current version of its item.
func (t *tables) putItem(o *owner, row *stacksync.ItemRow) {
	key := itemKey(row)
	if old, ok := t.items.get(key); ok {
		t.log.delete(o, logged(old))
		t.names.delete(o, named(old))
	}
	t.items.set(o, key, row)
	t.log.set(o, logged(row), row)
	if !row.Deleted {
		t.names.set(o, named(row), row)
	}
}

func itemKey(row *stacksync.ItemRow) stacksync.ItemKey {
	return stacksync.ItemKey{Workspace: row.Workspace, Item: row.ID}
}

func logged(row *stacksync.ItemRow) logKey {
	return logKey{workspace: row.Workspace, revision: row.Revision, item: row.ID}
}

func named(row *stacksync.ItemRow) nameKey {
	return nameKey{
		NameKey: stacksync.NameKey{Workspace: row.Workspace, Parent: row.Parent, Key: row.NameKey},
		item:    row.ID,
	}
}

// ownItem returns a copy that shares nothing with the caller's row.
func ownItem(row stacksync.ItemRow) *stacksync.ItemRow {
	row.Chunks = slices.Clone(row.Chunks)
	row.Attrs = maps.Clone(row.Attrs)
	row.ModifiedAt = keptTime(row.ModifiedAt)
	row.CommittedAt = keptTime(row.CommittedAt)
	return &row
}

// keptTime returns t as every store keeps it.
func keptTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
