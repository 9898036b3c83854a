package stacksync

import (
	"context"
	"time"
)

// MetadataStore keeps users, devices, workspaces, items, their history, the names of stored chunks,
// and operations, in short transactions. It holds no rule: the service decides what may be saved,
// in one place for all stores.
//
// The contract, which metastoretest checks:
//   - Update is atomic, isolated and durable. When it returns nil, all rows that its closure Put
//     survive a crash. When it returns an error other than ErrUncertain, nothing was saved. An
//     error of the closure is returned as it is (errors.Is).
//   - The store may run a closure again, from a clean state, after a serialization failure or a
//     lost connection. It bounds how often, with jitter between. A closure that panics, or ends its
//     goroutine, saves nothing, and the panic reaches the caller.
//   - A ctx that has ended runs no closure, and ends the wait for a lock. If ctx ends during a
//     closure, the answer tells whether the transaction was saved.
//   - No other transaction sees a row before the transaction that Put it has committed. A Tx sees
//     its own rows.
//   - Readers never wait for writers, nor writers for readers. All reads of one View see one
//     snapshot, which has all that was committed before the View began.
//   - Load and Changes of the store itself are each a View of their own. Most traffic is made of
//     these two reads, and a database need not begin a transaction for them.
//   - Methods are set-based: a call with 10,000 keys is one or a few statements. Keys may be given
//     twice, unknown keys are left out of the answer, and rows come in no promised order unless the
//     method says so.
//   - Strings are compared and ordered by their bytes. Times are kept to the microsecond, in UTC,
//     over the years 1 to 9999. Slices and maps of length 0 may come back nil.
//   - Rows that a store returns may be shared, so nobody writes to them. Rows that a caller hands
//     in stay the caller's: the store keeps none of their memory.
//   - A Limit below 1 is a *FieldError for "Limit".
//   - ErrUncertain says that nobody can tell whether an Update was saved: the connection broke
//     during the commit, and the database, asked afterwards, does not know. Every other error of an
//     Update says that nothing was saved, also the error of ctx.
//   - After Close, all methods return ErrClosed.
//
// All methods may be called from many goroutines. A Tx or Reader belongs to its closure and must
// not be used after it.
type MetadataStore interface {
	Loader
	LogReader
	// Update runs fn in a read-write transaction, and commits when fn returns nil. It returns the
	// error of fn, the error of ctx, ErrBusy where a lock was waited for too long, ErrUncertain, or
	// an error of the database. fn may run several times, so it begins each time with fresh
	// variables. fn must not call Update, since stores with one writer would wait for themselves,
	// nor Close, which waits for fn.
	//
	// Example:
	//
	//	var user User
	//	err := store.Update(ctx, func(ctx context.Context, tx Tx) error {
	//		if _, err := tx.Lock(ctx, LockParams{Users: []UserID{id}}); err != nil {
	//			return err
	//		}
	//		found, err := tx.Users(ctx, UsersParams{IDs: []UserID{id}})
	//		if err != nil {
	//			return err
	//		}
	//		if len(found.Users) == 0 {
	//			return ErrUserNotFound
	//		}
	//		user = found.Users[0]
	//		user.QuotaLimit = limit
	//		_, err = tx.Put(ctx, PutParams{Users: []User{user}})
	//		return err
	//	})
	Update(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// View runs fn on one snapshot of all that was committed before the call. It returns the error
	// of fn, the error of ctx, or an error of the database. fn may run several times, and must not
	// call Close, which waits for fn. A View may be called inside the closure of an Update, and
	// does not see the rows of that Update.
	View(ctx context.Context, fn func(ctx context.Context, r Reader) error) error
	// Close waits for running closures. A second Close does nothing.
	Close() error
}

// ManyWriters is an optional interface of a MetadataStore that gains from several Updates at once.
// On other stores the service saves one batch of commits at a time.
type ManyWriters interface {
	// Writers returns how many batches of gathered commits should be saved at once: 1 or more.
	Writers() int
}

// Tx is a read-write transaction. One goroutine uses it at a time.
type Tx interface {
	Reader
	Locker
	Writer
	Remover
	Outbox
	Journal
}

// Reader reads committed rows; in a Tx also the rows that the Tx has Put.
type Reader interface {
	AccountReader
	Loader
	TreeReader
	LogReader
	JournalReader
}

// AccountReader reads the rows of users.
type AccountReader interface {
	// Users returns users by id. Unknown ids are left out.
	Users(ctx context.Context, p UsersParams) (UsersResult, error)
	// Devices returns all devices of a user, revoked devices too, by creation time, then id.
	Devices(ctx context.Context, p DevicesParams) (DevicesResult, error)
	// Memberships returns the memberships of a user, pending ones too, by workspace id, each with
	// its workspace.
	Memberships(ctx context.Context, p MembershipsParams) (MembershipsResult, error)
	// Members returns the members of some workspaces, pending members too, by workspace id, then
	// user id.
	Members(ctx context.Context, p MembersParams) (MembersResult, error)
}

// Loader reads rows by key.
type Loader interface {
	// Load returns the rows that p asks for, in no promised order; unknown keys are left out. It is
	// the read of the commit path: one call brings all rows that a batch of commits needs.
	Load(ctx context.Context, p LoadParams) (LoadResult, error)
}

// TreeReader pages through folders and histories.
type TreeReader interface {
	// Children returns the live items of a folder, by NameKey.
	Children(ctx context.Context, p ChildrenParams) (ChildrenResult, error)
	// Versions returns the versions of an item, the current one included, newest first.
	Versions(ctx context.Context, p VersionsParams) (VersionsResult, error)
}

// LogReader reads the change log.
type LogReader interface {
	// Changes returns the current versions of items with Revision > After, by Revision, and those
	// of their ancestors that a reader at After has not seen.
	Changes(ctx context.Context, p ChangesParams) (ChangesRows, error)
}

// Locker makes transactions wait for each other.
type Locker interface {
	// Lock makes every other transaction that locks one of the same ids wait until this transaction
	// ends. It locks the Workspaces by id, then the Users and the owners of the Workspaces by id,
	// then the Operations by id. So transactions that call Lock once, before all else, never
	// deadlock.
	//
	// An unknown user is locked too, since two transactions may be about to make that user. An
	// unknown workspace or operation is ignored. An id that is locked already, or is given twice,
	// does no harm. Reads of this transaction after Lock see all that was committed before Lock
	// returned. If LockParams.Wait, or the store's own bound, is over first, Lock returns ErrBusy,
	// and the transaction has failed.
	Lock(ctx context.Context, p LockParams) (LockResult, error)
}

// Writer saves rows.
type Writer interface {
	// Put inserts each row, or replaces the row with the same key: User.ID; Device.User and ID;
	// Workspace.ID; Member.Workspace and User; Operation.ID; Items by Workspace and ID; Superseded
	// by Workspace, ID and Version; Chunks by Workspace and Name. No list holds a key twice.
	//
	// A user is Put before or with the devices, workspaces and memberships that name the user, a
	// workspace before or with its members: a store may have foreign keys there. Two items may swap
	// their names in one Put, so a store must not have a unique index on names. The caller has
	// locked the workspaces and users concerned.
	Put(ctx context.Context, p PutParams) (PutResult, error)
}

// Remover removes rows for good.
type Remover interface {
	// Remove deletes rows by key; unknown keys are ignored. The devices of a user go with the user.
	// Rows that refer to a row are removed before it or with it: members before their workspace and
	// user, workspaces before their owner, and the rows that Purge deletes before their workspace.
	// The caller has locked the workspaces and users concerned.
	Remove(ctx context.Context, p RemoveParams) (RemoveResult, error)
	// Purge deletes items, versions and chunks of a workspace, at most Limit rows in all, in an
	// order of the store's choice. Calls are repeated until one deletes nothing. The caller has
	// locked the workspace.
	Purge(ctx context.Context, p PurgeParams) (PurgeResult, error)
}

// Outbox keeps which workspaces and users owe a hint to their followers. A workspace or user owes a
// hint while its Revision is ahead of its Notified, the revision up to which hints are known to be
// sent. HintDue is the deadline of the process that is to send the hint; after it any process may.
// Where no hint is owed, HintDue is zero. The change log itself is the outbox, so that no hint
// needs a row.
type Outbox interface {
	// ClaimHints picks workspaces and users that owe a hint and whose HintDue is not after Now,
	// those with the earliest HintDue first, sets their HintDue to Until, and returns them. It
	// needs no lock, and passes over rows that other transactions have locked.
	ClaimHints(ctx context.Context, p ClaimHintsParams) (ClaimHintsResult, error)
	// MarkNotified raises Notified to the given revisions where it is lower, but not above
	// Revision. Where a hint is still owed afterwards it sets HintDue to Due. It locks the
	// workspaces, then the users, by id. Unknown ids are ignored.
	MarkNotified(ctx context.Context, p MarkNotifiedParams) (MarkNotifiedResult, error)
}

// ItemRow is an item as a store keeps it.
type ItemRow struct {
	Workspace WorkspaceID
	// NameKey must be unique among the live items of a folder. The service makes it from Name: see
	// FoldName.
	NameKey string
	Item
}

// ChunkRow says that a chunk is stored in the container of a workspace.
type ChunkRow struct {
	Workspace WorkspaceID
	Chunk
}

// AccessKey asks for the rights of a user in a workspace, and for one of the user's devices (zero:
// none).
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

// NameKey names a place in a folder: the live item there has this NameKey.
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

// UsersParams are the parameters of AccountReader.Users.
type UsersParams struct{ IDs []UserID }

// UsersResult is the result of AccountReader.Users.
type UsersResult struct{ Users []User }

// DevicesParams are the parameters of AccountReader.Devices.
type DevicesParams struct{ User UserID }

// DevicesResult is the result of AccountReader.Devices.
type DevicesResult struct{ Devices []Device }

// MembershipsParams are the parameters of AccountReader.Memberships.
type MembershipsParams struct{ User UserID }

// MembershipsResult is the result of AccountReader.Memberships.
type MembershipsResult struct {
	Members    []Member
	Workspaces []Workspace // Workspaces[i] is that of Members[i]
}

// MembersParams are the parameters of AccountReader.Members.
type MembersParams struct{ Workspaces []WorkspaceID }

// MembersResult is the result of AccountReader.Members.
type MembersResult struct{ Members []Member }

// LoadParams are the parameters of Loader.Load. Any list may be empty.
type LoadParams struct {
	// Access asks for workspaces, their owners, the memberships of the users in them, and the
	// devices of these users.
	Access []AccessKey
	// Items asks for items in their current versions, tombstones included.
	Items []ItemKey
	// Names asks for the live items that have these names.
	Names []NameKey
	// Ancestors asks for all items above these items, up to the root, but not for the items
	// themselves. Parents are those of the current versions, also where these are tombstones. The
	// walk ends even if rows form a cycle.
	Ancestors []ItemKey
	// Subtrees asks for all live items below these items, at any depth, but not for the items
	// themselves. Below the zero ItemID lies the whole tree. The walk ends even if rows form a
	// cycle.
	Subtrees []ItemKey
	// Versions asks for superseded versions.
	Versions []VersionKey
	// Chunks asks which of these chunks are known to be stored.
	Chunks []ChunkKey
}

// AccessRows are the rows that AccessKeys ask for.
type AccessRows struct {
	Workspaces []Workspace // each once
	Owners     []User      // the owners of Workspaces; each once
	Members    []Member    // each once
	Devices    []Device    // each once
}

// LoadResult is the result of Loader.Load.
type LoadResult struct {
	AccessRows // the rows that LoadParams.Access asks for
	// Items has the rows that Items, Names, Ancestors and Subtrees ask for. A row that several of
	// them ask for may come several times.
	Items    []ItemRow
	Versions []ItemRow
	Chunks   []ChunkRow
}

// PageBound says when a page ends. A store stops reading at the row that reaches a bound, so that
// no page is larger than its reader can hold.
type PageBound struct {
	Limit int // rows; at least 1
	// Chunks bounds the number of chunks that the rows have together: the page ends with the row
	// that brings them to this number. 0: no bound.
	Chunks int
}

// Ends returns a function that the store calls with each row, in order; it reports whether the page
// ends with that row.
func (b PageBound) Ends() func(row *ItemRow) bool {
	rows, chunks := 0, 0
	return func(row *ItemRow) bool {
		rows++
		chunks += len(row.Chunks)
		return rows == b.Limit || b.Chunks > 0 && chunks >= b.Chunks
	}
}

// Reached reports whether a page ended because it reached its bound. Then there may be more rows.
func (b PageBound) Reached(rows []ItemRow) bool {
	ends, reached := b.Ends(), false
	for i := range rows {
		reached = ends(&rows[i])
	}
	return reached
}

// ChildrenParams are the parameters of TreeReader.Children.
type ChildrenParams struct {
	Workspace WorkspaceID
	Parent    ItemID
	After     string // a NameKey: rows after it; empty: from the first
	PageBound
}

// ChildrenResult is the result of TreeReader.Children.
type ChildrenResult struct{ Items []ItemRow }

// VersionsParams are the parameters of TreeReader.Versions.
type VersionsParams struct {
	Workspace WorkspaceID
	Item      ItemID
	Before    int64 // only versions older than this; 0: from the current one
	PageBound
}

// VersionsResult is the result of TreeReader.Versions.
type VersionsResult struct{ Items []ItemRow }

// ChangesParams are the parameters of LogReader.Changes.
type ChangesParams struct {
	Workspace WorkspaceID
	// After is the revision that the reader has seen.
	After int64
	// LiveThrough leaves out tombstones with a Revision up to this one.
	LiveThrough int64
	// Access asks for the rows of LoadParams.Access, from the same snapshot. Its Workspace is that
	// of the params. For a user who is no member no items are read. Zero: items are read without
	// regard to rights.
	Access AccessKey
	PageBound
}

// ChangesRows is the result of LogReader.Changes.
type ChangesRows struct {
	AccessRows           // the rows that ChangesParams.Access asks for
	Items      []ItemRow // by Revision
	// Ancestors has items above the live items of Items that have a Revision > After and are not in
	// Items. It goes up as far as all items on the way have a Revision > After; an item of Items on
	// the way does not end it. No promised order.
	Ancestors []ItemRow
}

// LockParams are the parameters of Locker.Lock.
type LockParams struct {
	Workspaces []WorkspaceID
	Users      []UserID
	Operations []OperationID
	// Wait is how long to wait for each lock that another transaction holds. 0 leaves it to the
	// store, which has a bound of its own. A store whose transactions wait before they begin
	// ignores Wait.
	Wait time.Duration
}

// LockResult is the result of Locker.Lock.
type LockResult struct{}

// PutParams are the parameters of Writer.Put. Any list may be empty.
type PutParams struct {
	Users      []User
	Devices    []Device
	Workspaces []Workspace
	Members    []Member
	Items      []ItemRow // new current versions
	Superseded []ItemRow // versions that were current before
	Chunks     []ChunkRow
	Operations []Operation
}

// PutResult is the result of Writer.Put.
type PutResult struct{}

// MemberKey names a membership.
type MemberKey struct {
	Workspace WorkspaceID
	User      UserID
}

// RemoveParams are the parameters of Remover.Remove. Any list may be empty.
type RemoveParams struct {
	Members    []MemberKey
	Workspaces []WorkspaceID
	Users      []UserID
	Operations []OperationID
}

// RemoveResult is the result of Remover.Remove.
type RemoveResult struct{}

// PurgeParams are the parameters of Remover.Purge.
type PurgeParams struct {
	Workspace WorkspaceID
	Limit     int // rows; at least 1
}

// PurgeResult is the result of Remover.Purge.
type PurgeResult struct {
	// Rows is how many rows were deleted: 0 once none is left.
	Rows int
}

// ClaimHintsParams are the parameters of Outbox.ClaimHints.
type ClaimHintsParams struct {
	Now, Until time.Time
	Limit      int // workspaces, and as many users; at least 1
}

// ClaimHintsResult is the result of Outbox.ClaimHints.
type ClaimHintsResult struct {
	Workspaces []Workspace
	Users      []User
}

// MarkNotifiedParams are the parameters of Outbox.MarkNotified.
type MarkNotifiedParams struct {
	Notified map[WorkspaceID]int64 // the revisions up to which hints of workspaces were sent
	Users    map[UserID]int64      // the revisions up to which hints of users were sent
	Due      time.Time
}

// MarkNotifiedResult is the result of Outbox.MarkNotified.
type MarkNotifiedResult struct{}
