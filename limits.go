package stacksync

import (
	"fmt"
)

// Limits bounds what clients may ask for. A request that exceeds a limit is an ErrLimit (for
// FileSize an ErrSize), in a *FieldError that names the limit. A field that is 0 has its default.
type Limits struct {
	Proposals int // proposals in a commit; defaults to 10,000
	Chunks    int // chunks of an item, and in a Prepare call; defaults to 65,536
	// CommitChunks bounds the chunks of all proposals of one commit together; defaults to 262,144.
	CommitChunks int
	FileSize     int64 // bytes of an item; defaults to 2^50, which is also the most
	Attrs        int   // attributes of an item; defaults to 64
	AttrBytes    int   // bytes of all attributes of an item together, keys and values; defaults to 8,192
	Page         int   // items on a page; defaults to 10,000
	// PageChunks ends a page early: with the item that brings the chunks on the page to this
	// number. So a page fits into memory whatever clients have committed. Defaults to 131,072.
	PageChunks int
	// Depth bounds how deep a folder that is made or moved may lie: the number of folders from the
	// root down to that folder, itself included. It also bounds the names in a path. Defaults to
	// 1,024. Folders inside a moved folder may come to lie deeper.
	Depth   int
	Devices int // devices of a user, without revoked ones; defaults to 1,000
	Members int // members of a workspace, pending members too; defaults to 1,000
}

const maxFileSize = 1 << 50

// WithDefaults returns the limits with the default in each field that is 0. A field that is
// negative, or too large, is a *FieldError.
func (l Limits) WithDefaults() (Limits, error) {
	for _, d := range []struct {
		name  string
		field *int
		value int
	}{
		{"Proposals", &l.Proposals, 10_000},
		{"Chunks", &l.Chunks, 1 << 16},
		{"CommitChunks", &l.CommitChunks, 1 << 18},
		{"Attrs", &l.Attrs, 64},
		{"AttrBytes", &l.AttrBytes, 8 << 10},
		{"Page", &l.Page, 10_000},
		{"PageChunks", &l.PageChunks, 1 << 17},
		{"Depth", &l.Depth, 1024},
		{"Devices", &l.Devices, 1000},
		{"Members", &l.Members, 1000},
	} {
		if *d.field < 0 {
			return Limits{}, &FieldError{Field: "Config.Limits." + d.name, Reason: "is negative"}
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	switch {
	case l.FileSize < 0 || l.FileSize > maxFileSize:
		return Limits{}, &FieldError{Field: "Config.Limits.FileSize", Reason: fmt.Sprintf("is not within 0 to %d", int64(maxFileSize))}
	case l.FileSize == 0:
		l.FileSize = maxFileSize
	}
	return l, nil
}
