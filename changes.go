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
	// Changes returns a page of what changed after the cursor: each item once, in its latest
	// version, by revision. Followed to the end (until More is false) it gives exactly the current
	// tree, also while others commit in between. From the empty cursor, tombstones are left out.
	//
	// In every prefix of the pages a folder comes before what lies in it; to keep that promise a
	// page may bring a folder along before its own turn, so that an (item, version) may be seen
	// twice, and a page may have more items than Limit: at most Limits.Depth more for each. It may
	// also have fewer, as Limits.PageChunks bounds it too. The tombstones of a deleted folder come
	// deepest first.
	//
	// A client applies a page in order and only then saves its cursor. It holds items by id, since
	// in the middle of a catch-up names may clash for a moment (two items that swapped names), and
	// a folder may seem to lie below itself (the folders above it moved too, and one of them
	// changes once more further on). It removes a deleted folder from disk only when it is empty at
	// the end of the catch-up (an item that moved out may have its latest change further on).
	//
	// A cursor that can't be continued, and a workspace that is not the actor's (any more), give a
	// *CursorError.
	Changes(ctx context.Context, r ChangesRequest) (ChangesPage, error)
	// Follow yields pages from the cursor on: first the catch-up, ending with a page (perhaps an
	// empty one) whose More is false, then each change as it comes, with no gap between the two. It
	// ends after yielding an error: ctx's when that ends, what Changes returns, or ErrClosed.
	Follow(ctx context.Context, r FollowRequest) iter.Seq2[ChangesPage, error]
}

// Cursor is what a device has seen of a workspace. It is opaque to clients; the empty one has seen
// nothing.
type Cursor string

// ChangesRequest is that of Feed.Changes.
type ChangesRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // items a page; 0 means 1,000; at most Limits.Page
}

// ChangesPage is a page of a change log.
type ChangesPage struct {
	Items []Item
	// Cursor covers what this page covers, and is never older than the one before: save it after
	// applying the page, also when Items is empty.
	Cursor Cursor
	// More says that the next page can be asked for at once.
	More bool
	// Revision is the last one that the cursor covers, for showing progress and lag.
	Revision int64
}

// FollowRequest is that of Feed.Follow.
type FollowRequest struct {
	Actor     `json:"-"` // never from a body: the host has authenticated it
	Workspace WorkspaceID
	Cursor    Cursor
	Limit     int // as in ChangesRequest
}

// Position is what a cursor says. It is bound to a workspace and an epoch, and to nothing of how
// the service runs.
type Position struct {
	workspace WorkspaceID
	epoch     int64
	// revision is the last one seen.
	revision int64
	// snapshot is the revision at which paging from the empty cursor began: tombstones up to it are
	// left out, since the client never saw what they deleted. At most revision once the client has
	// caught up.
	snapshot int64
}

// The form of a cursor, before base64: a format byte, workspace (16 bytes), epoch (8 bytes),
// revision and snapshot as varints, and a CRC-32 of all that. The sum finds damage; a client that
// forges one fools only itself, as every call checks its rights.
const (
	cursorFormat = 1
	cursorFixed  = 1 + 16 + 8
)

var errNotCursor = errors.New("not a cursor")

// Revision returns the last revision that was seen.
func (p Position) Revision() int64 { return p.revision }

// Encode returns the cursor that says p.
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

// Reads returns the revision that a reader with the cursor has seen, and the one through which
// tombstones are left out, as ChangesParams want them. From the empty cursor all tombstones are
// left out; a damaged cursor has seen everything.
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

// Resume finds the position from which a client with the cursor reads on in a workspace. A cursor
// that can't be continued is a *CursorError: of another workspace or damaged, of another epoch,
// ahead of the server, or expired.
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

// Page arranges the rows that were read after p. more says that there are others; revision is the
// workspace's, of the same snapshot or before.
func (p Position) Page(rows ChangesRows, more bool, revision int64) ChangesPage {
	next := p
	if n := len(rows.Items); n > 0 {
		next.revision = rows.Items[n-1].Revision
	}
	if !more {
		// All was seen that there was when the revision was read: also where nothing of it is left
		// to show.
		next.revision = max(next.revision, revision)
	}
	return ChangesPage{Items: parentsFirst(rows), Cursor: next.Encode(), More: more, Revision: next.revision}
}

// parentsFirst puts items in the order of their revisions, but each folder whose own latest change
// lies further on before the first item in it. What the reader has seen already is in neither list
// of rows.
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
				continue // it came along with what lies in it
			}
			sent[row.ID] = true
		}
		items = append(items, row.Item)
	}
	return items
}
