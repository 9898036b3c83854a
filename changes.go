package stacksync

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"math"

	"github.com/google/uuid"
)

// Feed is the change log of a workspace as its devices read it.
type Feed interface {
	// Changes returns a page of the changes after the cursor: each item once, in its latest
	// version, by revision. Following the pages to the end (until More is false) gives exactly the
	// current tree, also while others commit in between. From the empty cursor on, tombstones are
	// left out. Needs role Viewer.
	//
	// In every prefix of the pages a folder comes before the items in it. To keep that promise a
	// page may bring a folder along before the folder's own turn. So a client may see the same
	// version of an item twice, and a page may have more items than Limit: at most Limits.Depth
	// more for each item. A page may also have fewer items, since Limits.PageChunks bounds it too.
	// The tombstones of a deleted folder come deepest first.
	//
	// A client applies a page in order and only then saves its cursor. It keeps items by id, not by
	// name: in the middle of a catch-up two items may seem to have the same name (they swapped
	// their names), and a folder may seem to lie below itself (the folders above it moved too, and
	// one of them has its latest change further on). The client removes a deleted folder from disk
	// only when the folder is empty at the end of the catch-up, since an item that moved out of it
	// may have its latest change further on.
	//
	// Example: docs/ was made at revision 1, docs/a at 2, and docs/ was renamed at 3. A page of
	// Limit 1 from the empty cursor brings docs/ (revision 3) and then docs/a (revision 2).
	//
	// A cursor that can't be continued, and a workspace that the actor is not, or no longer, a
	// member of, give a *CursorError.
	Changes(ctx context.Context, r ChangesRequest) (ChangesPage, error)
	// Follow yields pages from the cursor on: first the catch-up, which ends with a page whose More
	// is false and whose Items may be empty; then each change as it comes. No change falls between
	// the two. Follow ends when the caller leaves the loop, or after it has yielded an error: the
	// error of ctx when ctx ends, an error of Changes, or ErrClosed when the service closes. Needs
	// role Viewer; it ends with the error of Changes when the actor loses the membership or the
	// device.
	Follow(ctx context.Context, r FollowRequest) iter.Seq2[ChangesPage, error]
}

// Cursor says what a device has seen of a workspace. It is opaque to clients. The empty cursor has
// seen nothing.
type Cursor string

// ChangesRequest is the request of Feed.Changes.
type ChangesRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // items a page; 0 means 1,000; at most Limits.Page
}

// ChangesPage is a page of a change log.
type ChangesPage struct {
	Items []Item
	// Cursor covers this page and all pages before it, and never goes back: save it after applying
	// the page, also when Items is empty.
	Cursor Cursor
	// More says that there is a next page, which the client can ask for at once.
	More bool
	// Revision is the last revision that Cursor covers, for showing progress and lag.
	Revision int64
}

// FollowRequest is the request of Feed.Follow.
type FollowRequest struct {
	Actor     `json:"-"` // set by the host, which authenticated the actor; never read from a body
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // as in ChangesRequest
}

// Position is the decoded form of a cursor. It is bound to a workspace and an epoch, and to nothing
// of how the service runs.
type Position struct {
	workspace WorkspaceID
	epoch     int64
	// revision is the last revision that the client has seen.
	revision int64
	// snapshot is the revision of the workspace at which paging from the empty cursor began.
	// Tombstones up to it are left out, since the client never saw the items that they delete. Once
	// the client has caught up, snapshot is at most revision.
	snapshot int64
}

// The form of a cursor, before base64: a format byte, the workspace (16 bytes), the epoch (8
// bytes), revision and snapshot as varints, and a CRC-32 of all these. The sum finds damage. It is
// no protection against forgery, and need not be: a client that forges a cursor fools only itself,
// as every call checks the actor's rights.
const (
	cursorFormat = 1
	cursorFixed  = 1 + 16 + 8
)

var errNotCursor = errors.New("not a cursor")

// Revision returns the last revision that the position covers.
func (p Position) Revision() int64 { return p.revision }

// Encode returns the cursor for the position.
func (p Position) Encode() Cursor {
	b := make([]byte, 0, cursorFixed+2*binary.MaxVarintLen64+crc32.Size)
	b = append(b, cursorFormat)
	b = append(b, p.workspace.UUID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.epoch))
	b = binary.AppendUvarint(b, uint64(p.revision))
	b = binary.AppendUvarint(b, uint64(p.snapshot))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func decodeCursor(c Cursor) (Position, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < cursorFixed+crc32.Size || b[0] != cursorFormat {
		return Position{}, errNotCursor
	}
	body, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return Position{}, errNotCursor
	}
	p := Position{epoch: int64(binary.BigEndian.Uint64(body[17:]))}
	p.workspace = WorkspaceID{uuid.UUID(body[1:17])}
	revision, n := binary.Uvarint(body[cursorFixed:])
	if n <= 0 || revision > math.MaxInt64 {
		return Position{}, errNotCursor
	}
	snapshot, m := binary.Uvarint(body[cursorFixed+n:])
	if m <= 0 || snapshot > math.MaxInt64 || cursorFixed+n+m != len(body) {
		return Position{}, errNotCursor
	}
	p.revision, p.snapshot = int64(revision), int64(snapshot)
	return p, nil
}

// Reads returns the revision that a reader with the cursor has seen, and the revision through which
// tombstones are left out: After and LiveThrough of ChangesParams. For the empty cursor that is 0
// and math.MaxInt64: all tombstones are left out. For a damaged cursor it is math.MaxInt64 and 0:
// no rows are read, and Resume reports the damage.
func (c Cursor) Reads() (after, liveThrough int64) {
	if c == "" {
		return 0, math.MaxInt64
	}
	p, err := decodeCursor(c)
	if err != nil {
		return math.MaxInt64, 0
	}
	return p.revision, p.snapshot
}

// Resume returns the position from which a client with the cursor reads on in workspace w. A cursor
// that can't be continued is a *CursorError: ErrCursorInvalid (damaged, or of another workspace),
// ErrCursorEpoch, ErrCursorAhead or ErrCursorExpired, checked in this order.
func (c Cursor) Resume(w *Workspace) (Position, error) {
	if c == "" {
		return Position{workspace: w.ID, epoch: w.Epoch, snapshot: w.Revision}, nil
	}
	p, err := decodeCursor(c)
	switch {
	case err != nil || p.workspace != w.ID:
		return p, &CursorError{Workspace: w.ID, Remedy: RemedyResync, Err: ErrCursorInvalid}
	case p.epoch != w.Epoch:
		return p, &CursorError{Workspace: w.ID, Remedy: RemedyReupload, Err: ErrCursorEpoch}
	case max(p.revision, p.snapshot) > w.Revision:
		return p, &CursorError{Workspace: w.ID, Remedy: RemedyReupload, Err: ErrCursorAhead}
	case p.revision < w.Floor && p.snapshot < w.Floor:
		return p, &CursorError{Workspace: w.ID, Remedy: RemedyResync, Err: ErrCursorExpired}
	}
	return p, nil
}

// Page arranges the rows that were read after p. more says that there are further rows. revision is
// the revision of the workspace, read in the same snapshot as the rows or before.
func (p Position) Page(rows ChangesRows, more bool, revision int64) ChangesPage {
	next := p
	if n := len(rows.Items); n > 0 {
		next.revision = rows.Items[n-1].Revision
	}
	if !more {
		// The rows are all that there was when revision was read, so the page covers revision, also
		// where the last rows have lower revisions or there are none.
		next.revision = max(next.revision, revision)
	}
	return ChangesPage{Items: parentsFirst(rows), Cursor: next.Encode(), More: more, Revision: next.revision}
}

// parentsFirst puts items in the order of their revisions, but moves each folder whose own latest
// change lies further on before the first item in it. Neither list of rows has a row that the
// reader has seen already.
func parentsFirst(rows ChangesRows) []Item {
	above := make(map[ItemID]*ItemRow, len(rows.Ancestors))
	for i := range rows.Ancestors {
		above[rows.Ancestors[i].ID] = &rows.Ancestors[i]
	}
	for i := range rows.Items {
		if row := &rows.Items[i]; row.Kind == Folder && !row.Deleted {
			above[row.ID] = row
		}
	}
	items := make([]Item, 0, len(rows.Items))
	sent := make(map[ItemID]bool, len(above))
	var line []*ItemRow
	for i := range rows.Items {
		row := &rows.Items[i]
		if !row.Deleted {
			line = line[:0]
			for at := above[row.Parent]; at != nil && !sent[at.ID] && at.ID != row.ID; at = above[at.Parent] {
				sent[at.ID] = true
				line = append(line, at)
			}
			for k := len(line) - 1; k >= 0; k-- {
				items = append(items, line[k].Item)
			}
		}
		if row.Kind == Folder && !row.Deleted {
			if sent[row.ID] {
				continue // the folder came along with an item in it
			}
			sent[row.ID] = true
		}
		items = append(items, row.Item)
	}
	return items
}
