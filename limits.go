package stacksync

import (
	"fmt"
)

// Limits bounds what clients may ask for. Passing one is an ErrLimit (FileSize: an ErrSize), in a
// *FieldError that names it.
type Limits struct {
	Proposals int // proposals a commit; defaults to 10,000
	Chunks    int // chunks an item, and a Prepare call; defaults to 65,536
	// CommitChunks is the number of chunks all proposals of one commit may have together; defaults
	// to 262,144.
	CommitChunks int
	FileSize     int64 // bytes an item; defaults to 2^50, and can't be more
	Attrs        int   // attributes an item; defaults to 64
	AttrBytes    int   // bytes of all attributes of an item together, keys and values; defaults to 8,192
	Page         int   // items a page; defaults to 10,000
	// PageChunks is the number of chunks at which a page ends early, with the item that reaches it,
	// so that a page fits into memory whatever clients have committed; defaults to 131,072.
	PageChunks int
	// Depth is how many folders deep a folder may lie that is made or moved, and the number of
	// names in a path; defaults to 1,024. What lies in a moved folder may come to lie deeper.
	Depth   int
	Devices int // devices a user may have, without revoked ones; defaults to 1,000
	Members int // members of a workspace, pending ones too; defaults to 1,000
}

const maxFileSize = 1 << 50

// WithDefaults returns the limits with a value in each field: the one that is set, or the default.
// A field that is negative, or too large, is a *FieldError.
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
