package sqlstore

import (
	"database/sql"
	"time"

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
	CreatedAt        micros    `bun:"created_at,type:bigint"`
}

func (m *userModel) set(u *stacksync.User) {
	m.ID, m.DefaultWorkspace = string(u.ID), u.DefaultWorkspace.UUID
	m.QuotaLimit, m.QuotaUsed, m.CreatedAt = u.QuotaLimit, u.QuotaUsed, micros(u.CreatedAt)
}

func (m *userModel) row() stacksync.User {
	return stacksync.User{
		ID: stacksync.UserID(m.ID), DefaultWorkspace: stacksync.WorkspaceID{UUID: m.DefaultWorkspace},
		QuotaLimit: m.QuotaLimit, QuotaUsed: m.QuotaUsed, CreatedAt: m.CreatedAt.time(),
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

	ID          uuid.UUID `bun:"id,type:uuid"`
	Owner       string    `bun:"owner_id"`
	Container   string    `bun:"container"`
	Revision    int64     `bun:"revision"`
	Floor       int64     `bun:"floor"`
	Epoch       int64     `bun:"epoch"`
	Provisioned bool      `bun:"provisioned"`
	FoldCase    bool      `bun:"fold_case"`
	CreatedAt   micros    `bun:"created_at,type:bigint"`
	Notified    int64     `bun:"notified"`
	// HintDue is in microseconds. It is NULL where nothing is owed, so that an index has the others only, and changes only
	// when a debt begins and ends.
	HintDue sql.NullInt64 `bun:"hint_due,type:bigint"`
}

func (m *workspaceModel) set(w *stacksync.Workspace) {
	m.ID, m.Owner, m.Container, m.Revision, m.Floor = w.ID.UUID, string(w.Owner), w.Container, w.Revision, w.Floor
	m.Epoch, m.Provisioned, m.FoldCase, m.CreatedAt = w.Epoch, w.Provisioned, w.FoldCase, micros(w.CreatedAt)
	m.Notified, m.HintDue = w.Notified, sql.NullInt64{}
	if w.Revision > w.Notified {
		m.HintDue = sql.NullInt64{Int64: w.HintDue.UnixMicro(), Valid: true}
	}
}

func (m *workspaceModel) row() stacksync.Workspace {
	var due time.Time
	if m.HintDue.Valid {
		due = time.UnixMicro(m.HintDue.Int64).UTC()
	}
	return stacksync.Workspace{
		ID: stacksync.WorkspaceID{UUID: m.ID}, Owner: stacksync.UserID(m.Owner), Container: m.Container, Revision: m.Revision,
		Floor: m.Floor, Epoch: m.Epoch, Provisioned: m.Provisioned, FoldCase: m.FoldCase, CreatedAt: m.CreatedAt.time(),
		Notified: m.Notified, HintDue: due,
	}
}

type memberModel struct {
	bun.BaseModel `bun:"alias:m"`

	Workspace   uuid.UUID `bun:"workspace_id,type:uuid"`
	User        string    `bun:"user_id"`
	Role        int64     `bun:"role"`
	MountName   string    `bun:"mount_name"`
	MountParent uuid.UUID `bun:"mount_parent_id,type:uuid"`
	JoinedAt    micros    `bun:"joined_at,type:bigint"`
}

func (m *memberModel) set(r *stacksync.Member) {
	m.Workspace, m.User, m.Role = r.Workspace.UUID, string(r.User), int64(r.Role)
	m.MountName, m.MountParent, m.JoinedAt = r.MountName, r.MountParent.UUID, micros(r.JoinedAt)
}

func (m *memberModel) row() stacksync.Member {
	return stacksync.Member{
		Workspace: stacksync.WorkspaceID{UUID: m.Workspace}, User: stacksync.UserID(m.User), Role: stacksync.Role(m.Role),
		MountName: m.MountName, MountParent: stacksync.ItemID{UUID: m.MountParent}, JoinedAt: m.JoinedAt.time(),
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
}

func (m *itemModel) set(r *stacksync.ItemRow) {
	m.Workspace, m.ID, m.Parent, m.Name, m.NameKey = r.Workspace.UUID, r.ID.UUID, r.Parent.UUID, r.Name, r.NameKey
	m.Version, m.Revision, m.Status, m.Deleted, m.Kind = r.Version, r.Revision, int64(r.Status), r.Deleted, int64(r.Kind)
	m.Size, m.Checksum, m.Chunks, m.MediaType = r.Size, r.Checksum, r.Chunks, r.MediaType
	m.ModifiedAt, m.Attrs = micros(r.ModifiedAt), r.Attrs
	m.User, m.Device, m.CommittedAt = string(r.User), r.Device.UUID, micros(r.CommittedAt)
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
