package device

import (
	"io/fs"
	"time"
)

// stamp is what tells, without reading it, that a file still is what it was when it was hashed.
type stamp struct {
	Size   int64  `json:"size,omitempty"`
	Mtime  int64  `json:"mtime,omitempty"` // nanoseconds since 1970
	Ctime  int64  `json:"ctime,omitempty"` // the same; 0 where the system does not tell
	Inode  uint64 `json:"inode,omitempty"` // 0 where the system does not tell
	Recent bool   `json:"recent,omitempty"`
}

// coarse is the coarsest clock of a file system in use (FAT).
const coarse = 2 * time.Second

// stampOf takes the stamp of a file. One that changed a moment before now is marked as recent: the next change may fall
// into the same tick of the file system's clock, and not show.
func stampOf(info fs.FileInfo, now time.Time) stamp {
	inode, ctime := identity(info)
	if info.IsDir() {
		return stamp{Inode: inode}
	}
	mtime := info.ModTime()
	return stamp{Size: info.Size(), Mtime: mtime.UnixNano(), Ctime: ctime, Inode: inode, Recent: now.Sub(mtime) < coarse}
}

// same reports whether nothing visible happened to the file between the two stamps.
func (s stamp) same(t stamp) bool {
	s.Recent, t.Recent = false, false
	return s == t
}

// proves reports whether a file that had stamp s when it was hashed, and has t now, need not be hashed again.
func (s stamp) proves(t stamp) bool { return !s.Recent && s.same(t) }

// moved reports whether a thing with stamp t, found somewhere else, may be the one that had stamp s. A rename changes the ctime.
func (s stamp) moved(t stamp) bool {
	return s.Inode != 0 && s.Inode == t.Inode && s.Size == t.Size && s.Mtime == t.Mtime
}
