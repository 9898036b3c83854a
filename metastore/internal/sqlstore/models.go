package sqlstore

import (
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/stacksync/stacksync-go"
)

// The models are the rows of the tables that newTables names. Numbers are int64, since database/sql reads other kinds by
// way of text.

type userModel struct {
	bun.BaseModel `bun:"alias:u"`

	ID               string    `bun:"id"`
	DefaultWorkspace uuid.UUID `bun:"default_workspace_id,type:uuid"`
	QuotaLimit       int64     `bun:"quota_limit"`
	QuotaUsed        int64     `bun:"quota_used"`
	Revision         int64     `bun:"revision"`
	CreatedAt        micros    `bun:"created_at,type:bigint"`
	Notified         int64     `bun:"notified"`
	HintDue          hintDue   `bun:"hint_due,type:bigint"`
}

func (m *userModel) set(u *stacksync.User) {
	m.ID, m.DefaultWorkspace = string(u.ID), u.DefaultWorkspace.UUID
	m.QuotaLimit, m.QuotaUsed, m.Revision, m.CreatedAt = u.QuotaLimit, u.QuotaUsed, u.Revision, micros(u.CreatedAt)
	m.Notified, m.HintDue = u.Notified, newHintDue(u.Revision > u.Notified, u.HintDue)
}

func (m *userModel) row() stacksync.User {
	return stacksync.User{
		ID: stacksync.UserID(m.ID), DefaultWorkspace: stacksync.WorkspaceID{UUID: m.DefaultWorkspace},
		QuotaLimit: m.QuotaLimit, QuotaUsed: m.QuotaUsed, Revision: m.Revision, CreatedAt: m.CreatedAt.time(),
		Notified: m.Notified, HintDue: m.HintDue.time(),
	}
}

type deviceModel struct {
	bun.BaseModel `bun:"alias:d"`

	User      string    `bun:"user_id"`
	ID        uuid.UUID `bun:"device_id,type:uuid"`
	Name      string    `bun:"name"`
	Revoked   bool      `bun:"revoked"`
	CreatedAt micros    `bun:"created_at,type:bigint"`
}

func (m *deviceModel) set(d *stacksync.Device) {
	m.User, m.ID, m.Name, m.Revoked, m.CreatedAt = string(d.User), d.ID.UUID, d.Name, d.Revoked, micros(d.CreatedAt)
}

func (m *deviceModel) row() stacksync.Device {
	return stacksync.Device{
		ID: stacksync.DeviceID{UUID: m.ID}, User: stacksync.UserID(m.User), Name: m.Name, Revoked: m.Revoked,
		CreatedAt: m.CreatedAt.time(),
	}
}

type workspaceModel struct {
	bun.BaseModel `bun:"alias:w"`

	ID            uuid.UUID  `bun:"id,type:uuid"`
	Owner         string     `bun:"owner_id"`
	Container     string     `bun:"container"`
	Revision      int64      `bun:"revision"`
	Size          int64      `bun:"size"`
	Floor         int64      `bun:"floor"`
	Epoch         int64      `bun:"epoch"`
	Provisioned   bool       `bun:"provisioned"`
	FoldCase      bool       `bun:"fold_case"`
	Folder        optionalID `bun:"folder_id,type:uuid"`
	Encrypted     bool       `bun:"encrypted"`
	KeyGeneration int64      `bun:"key_generation"`
	FrozenUntil   micros     `bun:"frozen_until,type:bigint"`
	CreatedAt     micros     `bun:"created_at,type:bigint"`
	Notified      int64      `bun:"notified"`
	HintDue       hintDue    `bun:"hint_due,type:bigint"`
}

func (m *workspaceModel) set(w *stacksync.Workspace) {
	m.ID, m.Owner, m.Container, m.Revision, m.Size, m.Floor = w.ID.UUID, string(w.Owner), w.Container, w.Revision, w.Size, w.Floor
	m.Epoch, m.Provisioned, m.FoldCase, m.CreatedAt = w.Epoch, w.Provisioned, w.FoldCase, micros(w.CreatedAt)
	m.Folder, m.Encrypted, m.KeyGeneration, m.FrozenUntil = optionalID(w.Folder), w.Encrypted, w.KeyGeneration, micros(w.FrozenUntil)
	m.Notified, m.HintDue = w.Notified, newHintDue(w.Revision > w.Notified, w.HintDue)
}

func (m *workspaceModel) row() stacksync.Workspace {
	return stacksync.Workspace{
		ID: stacksync.WorkspaceID{UUID: m.ID}, Owner: stacksync.UserID(m.Owner), Container: m.Container, Revision: m.Revision,
		Size: m.Size, Floor: m.Floor, Epoch: m.Epoch, Provisioned: m.Provisioned, FoldCase: m.FoldCase, CreatedAt: m.CreatedAt.time(),
		Folder: stacksync.ItemID(m.Folder), Encrypted: m.Encrypted, KeyGeneration: m.KeyGeneration, FrozenUntil: m.FrozenUntil.time(),
		Notified: m.Notified, HintDue: m.HintDue.time(),
	}
}

type memberModel struct {
	bun.BaseModel `bun:"alias:m"`

	Workspace     uuid.UUID `bun:"workspace_id,type:uuid"`
	User          string    `bun:"user_id"`
	Role          int64     `bun:"role"`
	MountName     string    `bun:"mount_name"`
	MountParent   uuid.UUID `bun:"mount_parent_id,type:uuid"`
	JoinedAt      micros    `bun:"joined_at,type:bigint"`
	Pending       bool      `bun:"pending"`
	SealedKey     string    `bun:"sealed_key"`
	KeyGeneration int64     `bun:"key_generation"`
}

func (m *memberModel) set(r *stacksync.Member) {
	m.Workspace, m.User, m.Role = r.Workspace.UUID, string(r.User), int64(r.Role)
	m.MountName, m.MountParent, m.JoinedAt = r.MountName, r.MountParent.UUID, micros(r.JoinedAt)
	m.Pending, m.SealedKey, m.KeyGeneration = r.Pending, r.SealedKey, r.KeyGeneration
}

func (m *memberModel) row() stacksync.Member {
	return stacksync.Member{
		Workspace: stacksync.WorkspaceID{UUID: m.Workspace}, User: stacksync.UserID(m.User), Role: stacksync.Role(m.Role),
		MountName: m.MountName, MountParent: stacksync.ItemID{UUID: m.MountParent}, JoinedAt: m.JoinedAt.time(),
		Pending: m.Pending, SealedKey: m.SealedKey, KeyGeneration: m.KeyGeneration,
	}
}

// itemModel is a row of items, and of item_versions, which has the same columns.
type itemModel struct {
	bun.BaseModel `bun:"alias:i"`

	Workspace   uuid.UUID `bun:"workspace_id,type:uuid"`
	ID          uuid.UUID `bun:"item_id,type:uuid"`
	Version     int64     `bun:"version"`
	Revision    int64     `bun:"revision"`
	Status      int64     `bun:"status"`
	Deleted     bool      `bun:"deleted"`
	Parent      uuid.UUID `bun:"parent_id,type:uuid"`
	Name        string    `bun:"name"`
	NameKey     string    `bun:"name_key"`
	Kind        int64     `bun:"kind"`
	Size        int64     `bun:"size"`
	Checksum    string    `bun:"checksum"`
	Chunks      chunks    `bun:"chunks,type:bytea"`
	MediaType   string    `bun:"media_type"`
	ModifiedAt  micros    `bun:"modified_at,type:bigint"`
	Attrs       attrs     `bun:"attrs,type:bytea"`
	User        string    `bun:"user_id"`
	Device      uuid.UUID `bun:"device_id,type:uuid"`
	CommittedAt micros    `bun:"committed_at,type:bigint"`
	// MovedTo is NULL but in a few tombstones, so that it takes no room.
	MovedTo optionalID `bun:"moved_to,type:uuid"`
}

func (m *itemModel) set(r *stacksync.ItemRow) {
	m.Workspace, m.ID, m.Parent, m.Name, m.NameKey = r.Workspace.UUID, r.ID.UUID, r.Parent.UUID, r.Name, r.NameKey
	m.Version, m.Revision, m.Status, m.Deleted, m.Kind = r.Version, r.Revision, int64(r.Status), r.Deleted, int64(r.Kind)
	m.Size, m.Checksum, m.Chunks, m.MediaType = r.Size, r.Checksum, r.Chunks, r.MediaType
	m.ModifiedAt, m.Attrs = micros(r.ModifiedAt), r.Attrs
	m.User, m.Device, m.CommittedAt, m.MovedTo = string(r.User), r.Device.UUID, micros(r.CommittedAt), optionalID(r.MovedTo)
}

func (m *itemModel) row() stacksync.ItemRow {
	return stacksync.ItemRow{
		Workspace: stacksync.WorkspaceID{UUID: m.Workspace},
		NameKey:   m.NameKey,
		Item: stacksync.Item{
			ID: stacksync.ItemID{UUID: m.ID}, Version: m.Version, Revision: m.Revision, Status: stacksync.Status(m.Status),
			Deleted: m.Deleted, Parent: stacksync.ItemID{UUID: m.Parent}, Name: m.Name, Kind: stacksync.Kind(m.Kind),
			Size: m.Size, Checksum: m.Checksum, Chunks: m.Chunks, MediaType: m.MediaType,
			ModifiedAt: m.ModifiedAt.time(), Attrs: m.Attrs,
			User: stacksync.UserID(m.User), Device: stacksync.DeviceID{UUID: m.Device}, CommittedAt: m.CommittedAt.time(),
			MovedTo: stacksync.WorkspaceID(m.MovedTo),
		},
	}
}

type chunkModel struct {
	bun.BaseModel `bun:"alias:c"`

	Workspace uuid.UUID `bun:"workspace_id,type:uuid"`
	Name      chunkName `bun:"name,type:bytea"`
	Size      int64     `bun:"size"`
}

func (m *chunkModel) set(r *stacksync.ChunkRow) {
	m.Workspace, m.Name, m.Size = r.Workspace.UUID, chunkName(r.Name), r.Size
}

func (m *chunkModel) row() stacksync.ChunkRow {
	return stacksync.ChunkRow{
		Workspace: stacksync.WorkspaceID{UUID: m.Workspace}, Chunk: stacksync.Chunk{Name: string(m.Name), Size: m.Size},
	}
}

type operationModel struct {
	bun.BaseModel `bun:"alias:o"`

	ID        uuid.UUID  `bun:"id,type:uuid"`
	Kind      string     `bun:"kind"`
	User      string     `bun:"user_id"`
	Workspace uuid.UUID  `bun:"workspace_id,type:uuid"`
	Source    optionalID `bun:"source_id,type:uuid"`
	State     int64      `bun:"state"`
	Step      string     `bun:"step"`
	Done      int64      `bun:"done"`
	Total     int64      `bun:"total"`
	Tries     int64      `bun:"tries"`
	Error     string     `bun:"error"`
	CreatedAt instant    `bun:"created_at,type:bigint"`
	UpdatedAt micros     `bun:"updated_at,type:bigint"`
	Data      string     `bun:"data"`
	Due       instant    `bun:"due,type:bigint"`
	Fence     int64      `bun:"fence"`
}

func (m *operationModel) set(o *stacksync.Operation) {
	m.ID, m.Kind, m.User, m.Workspace, m.Source = o.ID.UUID, string(o.Kind), string(o.User), o.Workspace.UUID, optionalID(o.Source)
	m.State, m.Step, m.Done, m.Total, m.Tries, m.Error = int64(o.State), o.Step, o.Done, o.Total, int64(o.Tries), o.Error
	m.CreatedAt, m.UpdatedAt = instant(o.CreatedAt), micros(o.UpdatedAt)
	m.Data, m.Due, m.Fence = o.Data, instant(o.Due), o.Fence
}

func (m *operationModel) row() stacksync.Operation {
	return stacksync.Operation{
		ID: stacksync.OperationID{UUID: m.ID}, Kind: stacksync.OperationKind(m.Kind), User: stacksync.UserID(m.User),
		Workspace: stacksync.WorkspaceID{UUID: m.Workspace}, Source: stacksync.WorkspaceID(m.Source),
		State: stacksync.OperationState(m.State), Step: m.Step, Done: m.Done, Total: m.Total, Tries: int(m.Tries), Error: m.Error,
		CreatedAt: m.CreatedAt.time(), UpdatedAt: m.UpdatedAt.time(), Data: m.Data, Due: m.Due.time(), Fence: m.Fence,
	}
}
