package stacksync

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// UserID is the host's own id of a user, opaque to the library: 1 to 255 bytes of valid UTF-8
// without control characters.
type UserID string

// DeviceID names a device of one user. The same id under two users names two devices: no device id
// reaches into the account of another user.
type DeviceID struct{ uuid.UUID }

// WorkspaceID names a workspace. The service makes it.
type WorkspaceID struct{ uuid.UUID }

// OperationID names a journaled operation. The service makes it.
type OperationID struct{ uuid.UUID }

// ItemID names an item inside one workspace. The client makes it (UUIDv7 recommended), so that a
// client without a connection can build whole trees, and a repeated commit is recognised. The zero
// ItemID is the root of the workspace.
type ItemID struct{ uuid.UUID }

// NewItemID makes an id for a new item, a UUIDv7: ids that are made one after the other lie side by
// side in a database. It panics if the system's random source fails.
func NewItemID() ItemID { return ItemID{uuid.Must(uuid.NewV7())} }

// IsZero reports whether d names no device.
func (d DeviceID) IsZero() bool { return d.UUID == uuid.Nil }

// IsZero reports whether w names no workspace.
func (w WorkspaceID) IsZero() bool { return w.UUID == uuid.Nil }

// IsZero reports whether o names no operation.
func (o OperationID) IsZero() bool { return o.UUID == uuid.Nil }

// IsZero reports whether i is the root of a workspace.
func (i ItemID) IsZero() bool { return i.UUID == uuid.Nil }

// Actor says who makes a call. The host has authenticated the user and the device; the service
// checks what they may do.
type Actor struct {
	User UserID `json:"user"`
	// Device is required where a call commits items or gives access to content. On any other call
	// it may be zero; otherwise it must be a device of User that is not revoked.
	Device DeviceID `json:"device,omitzero"`
}

// Kind tells files from folders. The kind of an item never changes.
type Kind uint8

// The kinds of item. Their numbers are stored: never renumber.
const (
	File   Kind = 1
	Folder Kind = 2
)

// Status tells how a version differs from the version before it. The service derives it. It is
// information for people and logs: a device that was away may see only the last of several
// versions, so it must apply the item, not the status.
type Status uint8

// The statuses, strongest last: a version that moves an item and also changes its content is
// StatusMoved. Their numbers are stored: never renumber.
const (
	StatusNew     Status = 1 // the first version, or a deleted item that has come back
	StatusChanged Status = 2 // content or attributes differ, or nothing differs
	StatusRenamed Status = 3 // another name in the same folder
	StatusMoved   Status = 4 // another parent, perhaps another name too
	StatusDeleted Status = 5 // a tombstone
)

// Chunk is a named piece of content, stored in the container of the workspace.
type Chunk struct {
	// Name is usually the hash of the content: 1 to 255 printable ASCII characters (0x20 to 0x7e).
	Name string `json:"name"`
	// Size is in bytes: 1 or more in a file, 0 or more elsewhere.
	Size int64 `json:"size"`
}

// Item is one version of a file or folder, as the service saved it. The library shares the values
// of this type that it hands out: treat their slices and maps as read-only.
type Item struct {
	ID ItemID `json:"id"`
	// Version counts 1, 2, 3 … for each item, without gaps, and is never reused.
	Version int64 `json:"version"`
	// Revision is the place of this version in the change log of the workspace.
	Revision int64  `json:"revision"`
	Status   Status `json:"status"`
	// Deleted marks a tombstone. A tombstone keeps the last name, parent and content of the item,
	// so that the item can be restored.
	Deleted bool   `json:"deleted,omitempty"`
	Parent  ItemID `json:"parent"` // zero: the root of the workspace
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	// Size is in bytes: the sum of the chunk sizes; 0 for a folder.
	Size     int64   `json:"size"`
	Checksum string  `json:"checksum,omitempty"` // the client's own, over the whole content; at most 255 bytes
	Chunks   []Chunk `json:"chunks,omitempty"`   // the content, in order
	// MediaType is the client's claim (RFC 6838), for display; at most 255 bytes.
	MediaType string `json:"media_type,omitempty"`
	// ModifiedAt is the client's clock, kept to the microsecond, for display only: clocks never
	// order anything. Years 1 to 9999.
	ModifiedAt time.Time `json:"modified_at,omitzero"`
	// Attrs are the client's own, within Limits.Attrs and Limits.AttrBytes.
	Attrs map[string]string `json:"attrs,omitempty"`

	// User and Device made this version, at CommittedAt by the clock of the service (for display
	// only). Device is zero where the service itself made the version, as when items move.
	User        UserID    `json:"user"`
	Device      DeviceID  `json:"device"`
	CommittedAt time.Time `json:"committed_at"`

	// MovedTo is set in the tombstone of an item that lives on in another workspace, with its
	// history. The id there is the same, unless another item had that id already.
	MovedTo WorkspaceID `json:"moved_to,omitzero"`
}

// Proposal is one proposed version of one item.
type Proposal struct {
	Item ItemID `json:"item"`
	// Version is the version that the device has, plus one; 1 makes the item.
	Version int64 `json:"version"`
	// Delete makes a tombstone. Deleting a folder deletes its whole subtree. The service ignores
	// the fields below.
	Delete bool `json:"delete,omitempty"`

	Parent     ItemID            `json:"parent"` // zero: the root of the workspace
	Name       string            `json:"name"`
	Kind       Kind              `json:"kind,omitzero"`
	Size       int64             `json:"size"`
	Checksum   string            `json:"checksum,omitempty"`
	Chunks     []Chunk           `json:"chunks,omitempty"`
	MediaType  string            `json:"media_type,omitempty"`
	ModifiedAt time.Time         `json:"modified_at,omitzero"`
	Attrs      map[string]string `json:"attrs,omitempty"`
}

// proposedBy reports whether p proposes exactly the version that it is: then p was sent and saved
// before.
func (it *Item) proposedBy(p *Proposal) bool {
	if p.Delete || it.Deleted {
		// An item that has moved away was not deleted.
		return p.Delete == it.Deleted && it.MovedTo.IsZero()
	}
	return it.Parent == p.Parent && it.Name == p.Name && it.Kind == p.Kind && sameContent(it, p) &&
		it.MediaType == p.MediaType && it.ModifiedAt.Equal(p.ModifiedAt) && maps.Equal(it.Attrs, p.Attrs)
}

func sameContent(it *Item, p *Proposal) bool {
	return it.Size == p.Size && it.Checksum == p.Checksum && slices.Equal(it.Chunks, p.Chunks)
}

// Role is what a member may do in a workspace. A higher role may do all that a lower role may do.
type Role uint8

// The roles. Their numbers are stored: never renumber.
const (
	Viewer Role = 1 // reads items and content
	Editor Role = 2 // also commits
	Owner  Role = 3 // also decides who is a member; its quota pays
)

// User is an account.
type User struct {
	ID UserID `json:"id"`
	// DefaultWorkspace is made together with the user. It is zero while the user is being deleted.
	DefaultWorkspace WorkspaceID `json:"default_workspace"`
	// QuotaLimit is in bytes; 0 means no limit.
	QuotaLimit int64 `json:"quota_limit"`
	// QuotaUsed is in bytes: the sum of the sizes of the live items, in their current versions, of
	// all workspaces that the user owns.
	QuotaUsed int64 `json:"quota_used"`
	// Revision counts the changes of the user's rights: memberships and invitations, roles, places
	// of mounts, devices.
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	// Notified is the revision up to which the user's devices were told. HintDue is the deadline
	// for the next hint: see Workspace.Notified.
	Notified int64     `json:"-"`
	HintDue  time.Time `json:"-"`
}

// Device is a client of one user.
type Device struct {
	ID   DeviceID `json:"id"`
	User UserID   `json:"user"`
	// Name is for people: at most 255 bytes of valid UTF-8 without NUL.
	Name      string    `json:"name"`
	Revoked   bool      `json:"revoked,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Workspace is a tree of items with one owner, one storage container and one change log.
type Workspace struct {
	ID        WorkspaceID `json:"id"`
	Owner     UserID      `json:"owner"`
	Container string      `json:"container"` // the name of its container at the StorageProvisioner
	// Revision is the revision of the last saved version; 0 while the change log is empty.
	Revision int64 `json:"revision"`
	// Size is in bytes: the sum of the sizes of the live items, in their current versions. It is
	// what the workspace adds to the owner's QuotaUsed.
	Size int64 `json:"size"`
	// Floor is the revision up to which tombstones may be gone from the change log. A cursor that
	// has seen less has expired, unless it began to page at Floor or later.
	Floor int64 `json:"floor"`
	// Epoch is a random number, which tells a cursor of another history. Whoever restores the
	// database from a backup gives each workspace another one: docs/sqlite.md and docs/scaling.md
	// say how.
	Epoch int64 `json:"epoch"`
	// Provisioned says that the container was made.
	Provisioned bool `json:"provisioned"`
	// FoldCase is the value of service.Config.FoldCase when the workspace was made.
	FoldCase bool `json:"fold_case,omitempty"`
	// Folder is the item of the owner's default workspace that was shared as this workspace; zero
	// for a default workspace. After a transfer of the ownership it is still the item of the first
	// owner.
	Folder ItemID `json:"folder,omitzero"`
	// Encrypted says that clients encrypt the content, with a key that the service never sees.
	Encrypted bool `json:"encrypted,omitempty"`
	// KeyGeneration counts the keys of an encrypted workspace; 0 in other workspaces. It grows when
	// a member goes, since that member knows the former key.
	KeyGeneration int64 `json:"key_generation,omitempty"`
	// FrozenUntil is the time until which commits are refused with ErrBusy, while the last items of
	// a folder move to another workspace.
	FrozenUntil time.Time `json:"-"`
	CreatedAt   time.Time `json:"created_at"`
	// Notified is the revision up to which followers were told. While Revision is higher, the
	// workspace owes a hint: the committing process sends it before HintDue, and after HintDue any
	// process does (see Outbox). HintDue is zero where no hint is owed.
	Notified int64     `json:"-"`
	HintDue  time.Time `json:"-"`
}

// Member is a user in a workspace: the role there, and the place where the user has mounted it.
type Member struct {
	Workspace WorkspaceID `json:"workspace"`
	User      UserID      `json:"user"`
	Role      Role        `json:"role"`
	// MountName and MountParent say where this user's devices show the workspace: MountName is its
	// name, and MountParent a folder of the user's default workspace (zero: the root). Both are
	// empty for the default workspace itself.
	MountName   string    `json:"mount_name,omitempty"`
	MountParent ItemID    `json:"mount_parent,omitzero"`
	JoinedAt    time.Time `json:"joined_at"`
	// Pending says that the user was invited and has not accepted yet. A pending membership gives
	// no right.
	Pending bool `json:"pending,omitempty"`
	// SealedKey is the key of an encrypted workspace, sealed for this member: opaque to the
	// service, at most 4,096 bytes of UTF-8. KeyGeneration is the generation of that key.
	SealedKey     string `json:"sealed_key,omitempty"`
	KeyGeneration int64  `json:"key_generation,omitempty"`
}
