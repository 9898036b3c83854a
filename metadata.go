package stacksync

import (
	"context"
	"time"
)

// MetadataStore keeps users, devices, workspaces, items, their history and the names of stored
// chunks, in short transactions. It holds no rule: what may be saved is decided by the service, in
// one place for all stores.
//
// The contract, which metastoretest checks:
//   - Update is atomic, isolated and durable: when it returns nil, all that its closure Put
//     survives a crash; when it returns an error the store has checked did not commit, nothing was
//     saved. A closure's error is returned as it is (errors.Is).
//   - Closures may run again, after a serialization failure or a lost connection, from a clean
//     state. The store bounds how often, with jitter between. A closure that panics, or ends its
//     goroutine, saves nothing, and the panic reaches the caller.
//   - A ctx that has ended runs no closure, and ends the wait for a lock. Where it ends during a
//     closure, the answer tells whether the transaction was saved.
//   - Nobody sees a row before the transaction that Put it has committed. A Tx sees its own rows.
//   - Readers never wait for writers, nor writers for readers. The reads of one View see one
//     snapshot, which has all that was committed before the View began. Load and Changes of the
//     store itself are each a View of their own: the two reads that most traffic is made of, for
//     which a database need not begin a transaction.
//   - Methods are set-based: a call with 10,000 keys is one or a few statements. Keys may be given
//     twice, unknown keys are left out of the answer, and rows come in no promised order unless the
//     method says so.
//   - Strings are compared and ordered by their bytes. Times are kept to the microsecond, in UTC,
//     over years 1 to 9999. Slices and maps of length 0 may come back nil.
//   - Rows handed out may be shared: nobody writes to them. What is handed in stays the caller's:
//     the store keeps none of it.
//   - A Limit below 1 is a *FieldError for "Limit".
//   - An Update of which can't be told whether it was saved (the connection broke during the
//     commit, and who was asked afterwards does not know) returns ErrUncertain. Every other error
//     of an Update says that nothing was saved, ctx's too.
//   - After Close, all methods return ErrClosed.
//
// All methods may be called from many goroutines; a Tx or Reader belongs to its closure and must
// not be used after it.
type MetadataStore interface {
	Loader
	LogReader
	Update(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	View(ctx context.Context, fn func(ctx context.Context, r Reader) error) error
	// Close waits for running closures. A second Close does nothing.
	Close() error
}

// ManyWriters is for a MetadataStore that gains from several Updates at once. The service runs one
// at a time on other stores.
type ManyWriters interface {
	// Writers returns how many Updates of gathered commits should run at once: 1 or more.
	Writers() int
}

// Tx is a read-write transaction.
type Tx interface {
	Reader
	Locker
	Writer
	Remover
	Outbox
	Journal
}

// Reader reads what is committed, and in a Tx also what that has Put.
type Reader interface {
	AccountReader
	Loader
	TreeReader
	LogReader
	JournalReader
}

// AccountReader reads what belongs to a user.
type AccountReader interface {
	Users(ctx context.Context, p UsersParams) (UsersResult, error)
	// Devices returns all devices of a user, revoked ones too, by creation time, then id.
	Devices(ctx context.Context, p DevicesParams) (DevicesResult, error)
	// Memberships returns what a user is a member of, pending ones too, by workspace id.
	Memberships(ctx context.Context, p MembershipsParams) (MembershipsResult, error)
	// Members returns who is a member of some workspaces, pending ones too, by workspace id, then
	// user id.
	Members(ctx context.Context, p MembersParams) (MembersResult, error)
}

// Loader reads rows by key. It is the read of the commit path: one call brings all that a batch of
// commits needs.
type Loader interface {
	Load(ctx context.Context, p LoadParams) (LoadResult, error)
}

// TreeReader pages through folders and histories.
type TreeReader interface {
	// Children returns the live items of a folder, by NameKey.
	Children(ctx context.Context, p ChildrenParams) (ChildrenResult, error)
	// Versions returns the versions of an item, current one included, newest first.
	Versions(ctx context.Context, p VersionsParams) (VersionsResult, error)
}

// LogReader reads the change log.
type LogReader interface {
	// Changes returns the current versions of items with Revision > After, by revision, and their
	// ancestors that a reader at After has not seen.
	Changes(ctx context.Context, p ChangesParams) (ChangesRows, error)
}

// Locker makes transactions wait for each other.
type Locker interface {
	// Lock holds off every other transaction that locks one of the same ids, until this one ends:
	// first the workspaces by id, then Users and the owners of Workspaces by id, then Operations by
	// id, so that transactions which lock once, first of all, never deadlock. An unknown user is
	// locked too (two transactions may be about to make it), an unknown workspace or operation is
	// ignored. Reads of this transaction after Lock see all that was committed before Lock
	// returned. An id that is locked already, or given twice, is no harm. Where LockParams.Wait is
	// over first, it returns ErrBusy, and the transaction has failed.
	Lock(ctx context.Context, p LockParams) (LockResult, error)
}

// Writer saves rows.
type Writer interface {
	// Put inserts each row or replaces the one with its key: User.ID; Device.User and ID;
	// Workspace.ID; Member.Workspace and User; Operation.ID; Items by Workspace and ID; Superseded
	// by Workspace, ID and Version; Chunks by Workspace and Name. No list holds a key twice. A user
	// is Put before or with the devices, workspaces and memberships that name it, a workspace
	// before or with its members, so that a store may have foreign keys there. Two items may swap
	// their names in one Put, so that names can't be unique in an index. The caller has locked the
	// workspaces and users concerned.
	Put(ctx context.Context, p PutParams) (PutResult, error)
}

// Remover removes rows for good.
type Remover interface {
	// Remove deletes rows by key; unknown keys are ignored. The devices of a user go with it. What
	// refers to a row is removed before it or with it: members before their workspace and user,
	// workspaces before their owner, and what Purge deletes before the workspace. The caller has
	// locked the workspaces and users concerned.
	Remove(ctx context.Context, p RemoveParams) (RemoveResult, error)
	// Purge deletes items, versions and chunks of a workspace, at most Limit rows in all, whichever
	// it likes. The caller has locked it.
	Purge(ctx context.Context, p PurgeParams) (PurgeResult, error)
}

// Outbox keeps which workspaces and users owe a hint: those whose Revision is ahead of Notified,
// which is how far hints are known to be sent. HintDue says until when the one who should send it
// has time; then everybody may. Where nothing is owed, a store keeps no HintDue: it is zero. The
// change log itself is the outbox, so that no hint needs a row.
type Outbox interface {
	// ClaimHints picks workspaces and users that owe a hint and whose HintDue is not after Now, the
	// longest due ones, and returns them with HintDue set to Until. It needs no lock, and passes
	// over what other transactions have locked.
	ClaimHints(ctx context.Context, p ClaimHintsParams) (ClaimHintsResult, error)
	// MarkNotified raises Notified to the given revisions where it is lower, but not above
	// Revision, and sets HintDue to Due where a hint is still owed afterwards. It locks the
	// workspaces, then the users, by id; unknown ones are ignored.
	MarkNotified(ctx context.Context, p MarkNotifiedParams) (MarkNotifiedResult, error)
}

// ItemRow is an item as a store keeps it.
type ItemRow struct {
	Workspace WorkspaceID
	// NameKey is what must be unique among the live items of a folder: made of Name by the service.
	NameKey string
	Item
}

// ChunkRow says that a chunk is stored in the container of a workspace.
type ChunkRow struct {
	Workspace WorkspaceID
	Chunk
}

// AccessKey asks what a user may do in a workspace, and for one of the user's devices (zero: none).
type AccessKey struct {
	Workspace WorkspaceID
	User      UserID
	Device    DeviceID
}

// ItemKey names an item.
type ItemKey struct {
	Workspace WorkspaceID
	Item      ItemID
}

// VersionKey names a version of an item.
type VersionKey struct {
	Workspace WorkspaceID
	Item      ItemID
	Version   int64
}

// NameKey names a place in a folder.
type NameKey struct {
	Workspace WorkspaceID
	Parent    ItemID
	Key       string // an ItemRow.NameKey
}

// ChunkKey names a chunk.
type ChunkKey struct {
	Workspace WorkspaceID
	Name      string
}

// UsersParams are those of AccountReader.Users.
type UsersParams struct{ IDs []UserID }

// UsersResult is that of AccountReader.Users.
type UsersResult struct{ Users []User }

// DevicesParams are those of AccountReader.Devices.
type DevicesParams struct{ User UserID }

// DevicesResult is that of AccountReader.Devices.
type DevicesResult struct{ Devices []Device }

// MembershipsParams are those of AccountReader.Memberships.
type MembershipsParams struct{ User UserID }

// MembershipsResult is that of AccountReader.Memberships.
type MembershipsResult struct {
	Members    []Member
	Workspaces []Workspace // of Members[i] is Workspaces[i]
}

// MembersParams are those of AccountReader.Members.
type MembersParams struct{ Workspaces []WorkspaceID }

// MembersResult is that of AccountReader.Members.
type MembersResult struct{ Members []Member }

// LoadParams are those of Loader.Load. Any list may be empty.
type LoadParams struct {
	// Access asks for the workspace, its owner, the user's membership and the user's device.
	Access []AccessKey
	// Items asks for items in their current versions, tombstones included.
	Items []ItemKey
	// Names asks for the live items that hold these names.
	Names []NameKey
	// Ancestors asks for the items that lie above these, each up to the root. It walks the parents
	// in the current versions, of tombstones too; the items themselves are not asked for.
	Ancestors []ItemKey
	// Subtrees asks for all live items below these, at any depth; the items themselves are not
	// asked for. Below the zero ItemID lies the whole tree. Should rows form a cycle, this walk and
	// that of Ancestors end all the same.
	Subtrees []ItemKey
	// Versions asks for superseded versions.
	Versions []VersionKey
	// Chunks asks which of these chunks are known to be stored.
	Chunks []ChunkKey
}

// AccessRows are what AccessKeys ask for.
type AccessRows struct {
	Workspaces []Workspace // each once
	Owners     []User      // of Workspaces; each once
	Members    []Member    // each once
	Devices    []Device    // each once
}

// LoadResult is that of Loader.Load.
type LoadResult struct {
	AccessRows // of Access
	// Items has what Items, Names, Ancestors and Subtrees ask for. A row that several ask for may
	// come several times.
	Items    []ItemRow
	Versions []ItemRow
	Chunks   []ChunkRow
}

// PageBound ends a page. A store stops reading at the row that reaches a bound, so that no page is
// larger than its reader can hold.
type PageBound struct {
	Limit int // rows; at least 1
	// Chunks that the rows have together: the page ends with the row that brings them to this
	// number. 0: no bound.
	Chunks int
}

// Ends returns a function that tells after each row, in order, whether the page ends with it.
func (b PageBound) Ends() func(row *ItemRow) bool {
	rows, chunks := 0, 0
	return func(row *ItemRow) bool {
		rows++
		chunks += len(row.Chunks)
		return rows == b.Limit || b.Chunks > 0 && chunks >= b.Chunks
	}
}

// Reached reports whether a page ended because of its bound: there may be more.
func (b PageBound) Reached(rows []ItemRow) bool {
	ends, reached := b.Ends(), false
	for i := range rows {
		reached = ends(&rows[i])
	}
	return reached
}

// ChildrenParams are those of TreeReader.Children.
type ChildrenParams struct {
	Workspace WorkspaceID
	Parent    ItemID
	After     string // a NameKey; empty: from the first
	PageBound
}

// ChildrenResult is that of TreeReader.Children.
type ChildrenResult struct{ Items []ItemRow }

// VersionsParams are those of TreeReader.Versions.
type VersionsParams struct {
	Workspace WorkspaceID
	Item      ItemID
	Before    int64 // only older versions than this; 0: from the current one
	PageBound
}

// VersionsResult is that of TreeReader.Versions.
type VersionsResult struct{ Items []ItemRow }

// ChangesParams are those of LogReader.Changes.
type ChangesParams struct {
	Workspace WorkspaceID
	// After is the revision that the reader has seen.
	After int64
	// LiveThrough leaves out tombstones with a Revision up to this.
	LiveThrough int64
	// Access asks what LoadParams.Access does, from the same snapshot. Its workspace is Workspace.
	// No items are read for a user who is not a member. Zero: nobody asks.
	Access AccessKey
	PageBound
}

// ChangesRows is the result of LogReader.Changes.
type ChangesRows struct {
	AccessRows           // of Access
	Items      []ItemRow // by Revision
	// Ancestors has those items above the live ones of Items that have a Revision > After and are
	// not in Items, as far up as an unbroken line of such items goes (one in Items does not break
	// it). No order.
	Ancestors []ItemRow
}

// LockParams are those of Locker.Lock.
type LockParams struct {
	Workspaces []WorkspaceID
	Users      []UserID
	Operations []OperationID
	// Wait is how long to wait for other transactions, for each of those locked. 0 leaves it to the
	// store, which has a bound of its own. A store whose transactions wait before they begin
	// ignores it.
	Wait time.Duration
}

// LockResult is that of Locker.Lock.
type LockResult struct{}

// PutParams are those of Writer.Put. Any list may be empty.
type PutParams struct {
	Users      []User
	Devices    []Device
	Workspaces []Workspace
	Members    []Member
	Items      []ItemRow // new current versions
	Superseded []ItemRow // versions that were current
	Chunks     []ChunkRow
	Operations []Operation
}

// PutResult is that of Writer.Put.
type PutResult struct{}

// MemberKey names a membership.
type MemberKey struct {
	Workspace WorkspaceID
	User      UserID
}

// RemoveParams are those of Remover.Remove. Any list may be empty.
type RemoveParams struct {
	Members    []MemberKey
	Workspaces []WorkspaceID
	Users      []UserID
	Operations []OperationID
}

// RemoveResult is that of Remover.Remove.
type RemoveResult struct{}

// PurgeParams are those of Remover.Purge.
type PurgeParams struct {
	Workspace WorkspaceID
	Limit     int // rows; at least 1
}

// PurgeResult is that of Remover.Purge.
type PurgeResult struct {
	// Rows is how many were deleted: 0 once there is none left.
	Rows int
}

// ClaimHintsParams are those of Outbox.ClaimHints.
type ClaimHintsParams struct {
	Now, Until time.Time
	Limit      int // workspaces, and as many users; at least 1
}

// ClaimHintsResult is that of Outbox.ClaimHints.
type ClaimHintsResult struct {
	Workspaces []Workspace
	Users      []User
}

// MarkNotifiedParams are those of Outbox.MarkNotified.
type MarkNotifiedParams struct {
	Notified map[WorkspaceID]int64 // revisions
	Users    map[UserID]int64      // revisions
	Due      time.Time
}

// MarkNotifiedResult is that of Outbox.MarkNotified.
type MarkNotifiedResult struct{}
