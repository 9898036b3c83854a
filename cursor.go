package stacksync

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/google/uuid"
)

// position is what a cursor says. It is bound to a workspace and an epoch, and to nothing of how the service runs.
type position struct {
	workspace WorkspaceID
	epoch     int64
	// revision is the last one seen.
	revision int64
	// snapshot is the revision at which paging from the empty cursor began: tombstones up to it are left out, since the client
	// never saw what they deleted. At most revision once the client has caught up.
	snapshot int64
}

// The form of a cursor, before base64: a format byte, workspace (16 bytes), epoch (8 bytes), revision and snapshot as varints, and a
// CRC-32 of all that. The sum finds damage; a client that forges one fools only itself, as every call checks its rights.
const (
	cursorFormat = 1
	cursorFixed  = 1 + 16 + 8
)

var errNotCursor = errors.New("not a cursor")

func (p position) encode() Cursor {
	b := make([]byte, 0, cursorFixed+2*binary.MaxVarintLen64+crc32.Size)
	b = append(b, cursorFormat)
	b = append(b, p.workspace.UUID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.epoch))
	b = binary.AppendUvarint(b, uint64(p.revision))
	b = binary.AppendUvarint(b, uint64(p.snapshot))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func decodeCursor(c Cursor) (position, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < cursorFixed+crc32.Size || b[0] != cursorFormat {
		return position{}, errNotCursor
	}
	body, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return position{}, errNotCursor
	}
	p := position{epoch: int64(binary.BigEndian.Uint64(body[17:]))}
	p.workspace = WorkspaceID{uuid.UUID(body[1:17])}
	revision, n := binary.Uvarint(body[cursorFixed:])
	if n <= 0 || revision > math.MaxInt64 {
		return position{}, errNotCursor
	}
	snapshot, m := binary.Uvarint(body[cursorFixed+n:])
	if m <= 0 || snapshot > math.MaxInt64 || cursorFixed+n+m != len(body) {
		return position{}, errNotCursor
	}
	p.revision, p.snapshot = int64(revision), int64(snapshot)
	return p, nil
}

// reads returns what a reader with the cursor has seen, and through which revision tombstones are left out. From the empty
// cursor that is all there are; a damaged cursor has seen everything.
func (c Cursor) reads() (after, liveThrough int64) {
	if c == "" {
		return 0, math.MaxInt64
	}
	p, err := decodeCursor(c)
	if err != nil {
		return math.MaxInt64, 0
	}
	return p.revision, p.snapshot
}

// resume finds the position from which a client with a cursor reads on in a workspace.
func (w *Workspace) resume(c Cursor) (position, error) {
	if c == "" {
		return position{workspace: w.ID, epoch: w.Epoch, snapshot: w.Revision}, nil
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
