package metastoretest

import (
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
)

// home is a user with a workspace, saved.
type home struct {
	user      stacksync.User
	workspace stacksync.Workspace
	member    stacksync.Member
}

func (h home) id() stacksync.WorkspaceID { return h.workspace.ID }

func (h home) put() stacksync.PutParams {
	return stacksync.PutParams{
		Users:      []stacksync.User{h.user},
		Workspaces: []stacksync.Workspace{h.workspace},
		Members:    []stacksync.Member{h.member},
	}
}

// home makes and saves a user with a workspace.
func (r *rig) home() home {
	r.t.Helper()
	u := r.user()
	w := r.workspace(u.ID)
	h := home{u, w, r.member(w.ID, u.ID, stacksync.Owner)}
	r.save(h.put())
	return h
}

// The makers below fill every field with a value that no other row has, and save nothing.

func (r *rig) user() stacksync.User {
	n := int64(r.ids)
	return stacksync.User{
		ID:               stacksync.UserID(fmt.Sprintf("user %d", r.ids)),
		DefaultWorkspace: stacksync.WorkspaceID{UUID: r.uuid()},
		QuotaLimit:       1<<40 + n,
		QuotaUsed:        1<<20 + n,
		Revision:         4000 + n,
		CreatedAt:        r.time(),
		Notified:         3500 + n,
		HintDue:          r.time(),
	}
}

func (r *rig) device(user stacksync.UserID) stacksync.Device {
	return stacksync.Device{
		ID: stacksync.DeviceID{UUID: r.uuid()}, User: user, Name: fmt.Sprintf("device %d", r.ids), CreatedAt: r.time(),
	}
}

func (r *rig) workspace(owner stacksync.UserID) stacksync.Workspace {
	n := int64(r.ids)
	return stacksync.Workspace{
		ID:            stacksync.WorkspaceID{UUID: r.uuid()},
		Owner:         owner,
		Container:     fmt.Sprintf("container-%d", r.ids),
		Revision:      2000 + n,
		Size:          3000 + n,
		Floor:         1000 + n,
		Epoch:         7_000_000_000 + n,
		Provisioned:   true,
		FoldCase:      true,
		Folder:        stacksync.ItemID{UUID: r.uuid()},
		Encrypted:     true,
		KeyGeneration: 500 + n,
		FrozenUntil:   r.time(),
		CreatedAt:     r.time(),
		Notified:      1500 + n,
		HintDue:       r.time(),
	}
}

func (r *rig) member(w stacksync.WorkspaceID, u stacksync.UserID, role stacksync.Role) stacksync.Member {
	return stacksync.Member{
		Workspace: w, User: u, Role: role,
		MountName: fmt.Sprintf("mount %d", r.ids), MountParent: stacksync.ItemID{UUID: r.uuid()}, JoinedAt: r.time(),
		SealedKey: fmt.Sprintf("sealed %d", r.ids), KeyGeneration: int64(r.ids),
	}
}

// invited makes a member who has not accepted yet.
func (r *rig) invited(w stacksync.WorkspaceID, u stacksync.UserID, role stacksync.Role) stacksync.Member {
	m := r.member(w, u, role)
	m.Pending = true
	return m
}

// operation makes one that is running, and due at its last time.
func (r *rig) operation(w stacksync.WorkspaceID, u stacksync.UserID) stacksync.Operation {
	n := int64(r.ids)
	return stacksync.Operation{
		ID: stacksync.OperationID{UUID: r.uuid()}, Kind: stacksync.OperationKind(fmt.Sprintf("kind %d", r.ids)), User: u, Workspace: w,
		Source: stacksync.WorkspaceID{UUID: r.uuid()}, State: stacksync.OperationRunning, Step: fmt.Sprintf("step %d", r.ids),
		Done: 100 + n, Total: 1000 + n, Tries: r.ids, Error: fmt.Sprintf("error %d", r.ids), CreatedAt: r.time(), UpdatedAt: r.time(),
		Data: fmt.Sprintf(`{"b": %d, "a": [1.0, "\u0000"]}`, n), Due: r.time(), Fence: 10 + n,
	}
}

// stopped makes an operation that has stopped.
func (r *rig) stopped(w stacksync.WorkspaceID, u stacksync.UserID) stacksync.Operation {
	op := r.operation(w, u)
	op.State = stacksync.OperationStopped
	return op
}

// item makes a first version at the next revision. The name key is not the name, nor made of it by a rule a store could know.
func (r *rig) item(w stacksync.WorkspaceID, parent stacksync.ItemID, kind stacksync.Kind) stacksync.ItemRow {
	id := stacksync.ItemID{UUID: r.uuid()}
	r.rev++
	row := stacksync.ItemRow{
		Workspace: w,
		NameKey:   fmt.Sprintf("key %d", r.ids),
		Item: stacksync.Item{
			ID: id, Version: 1, Revision: r.rev, Status: stacksync.StatusNew, Parent: parent, Kind: kind,
			Name:       fmt.Sprintf("Name %d", r.ids),
			ModifiedAt: r.time(),
			Attrs:      map[string]string{"color": "blue", "n": fmt.Sprint(r.ids)},
			User:       stacksync.UserID(fmt.Sprintf("author %d", r.ids)),
			Device:     stacksync.DeviceID{UUID: r.uuid()},
		},
	}
	row.CommittedAt = r.time()
	row.MovedTo.UUID = r.uuid() // a store holds no rule, so that it may be there in any row
	if kind == stacksync.File {
		row.Chunks = []stacksync.Chunk{{Name: fmt.Sprintf("chunk a%d", r.ids), Size: 5}, {Name: fmt.Sprintf("chunk b%d", r.ids), Size: 7}}
		row.Size, row.Checksum, row.MediaType = 12, fmt.Sprintf("sum %d", r.ids), "text/plain"
	}
	return row
}

func (r *rig) file(w stacksync.WorkspaceID, parent stacksync.ItemID) stacksync.ItemRow {
	return r.item(w, parent, stacksync.File)
}

func (r *rig) folder(w stacksync.WorkspaceID, parent stacksync.ItemID) stacksync.ItemRow {
	return r.item(w, parent, stacksync.Folder)
}

// next returns the next version of row, at the next revision.
func (r *rig) next(row stacksync.ItemRow) stacksync.ItemRow {
	r.rev++
	row.Version, row.Revision, row.Status = row.Version+1, r.rev, stacksync.StatusChanged
	return row
}

// deleted returns the next version of row as a tombstone.
func (r *rig) deleted(row stacksync.ItemRow) stacksync.ItemRow {
	row = r.next(row)
	row.Deleted, row.Status = true, stacksync.StatusDeleted
	return row
}

func (r *rig) chunk(w stacksync.WorkspaceID) stacksync.ChunkRow {
	r.ids++
	return stacksync.ChunkRow{Workspace: w, Chunk: stacksync.Chunk{Name: fmt.Sprintf("chunk %d", r.ids), Size: int64(r.ids)}}
}

// time returns times in ascending order, with microseconds.
func (r *rig) time() time.Time {
	r.ids++
	return time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC).Add(time.Duration(r.ids) * 1_000_001 * time.Microsecond)
}

func putItems(rows ...stacksync.ItemRow) stacksync.PutParams { return stacksync.PutParams{Items: rows} }

func itemKeys(rows ...stacksync.ItemRow) []stacksync.ItemKey {
	keys := make([]stacksync.ItemKey, len(rows))
	for i, row := range rows {
		keys[i] = stacksync.ItemKey{Workspace: row.Workspace, Item: row.ID}
	}
	return keys
}

func nameKeyOf(row stacksync.ItemRow) stacksync.NameKey {
	return stacksync.NameKey{Workspace: row.Workspace, Parent: row.Parent, Key: row.NameKey}
}

func versionKeyOf(row stacksync.ItemRow) stacksync.VersionKey {
	return stacksync.VersionKey{Workspace: row.Workspace, Item: row.ID, Version: row.Version}
}

func chunkKeyOf(row stacksync.ChunkRow) stacksync.ChunkKey {
	return stacksync.ChunkKey{Workspace: row.Workspace, Name: row.Name}
}

func putOperations(ops ...stacksync.Operation) stacksync.PutParams {
	return stacksync.PutParams{Operations: ops}
}

func operationIDs(ops ...stacksync.Operation) []stacksync.OperationID {
	ids := make([]stacksync.OperationID, len(ops))
	for i, op := range ops {
		ids[i] = op.ID
	}
	return ids
}

func memberKeys(members ...stacksync.Member) []stacksync.MemberKey {
	keys := make([]stacksync.MemberKey, len(members))
	for i, m := range members {
		keys[i] = stacksync.MemberKey{Workspace: m.Workspace, User: m.User}
	}
	return keys
}

func accessKey(w stacksync.WorkspaceID, u stacksync.UserID, d stacksync.DeviceID) stacksync.AccessKey {
	return stacksync.AccessKey{Workspace: w, User: u, Device: d}
}
