package stacksync

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxShort bounds ids, names, checksums and media types, in bytes.
	maxShort = 255
	// maxKey bounds what nameKey makes of a name. Folding and composing lengthen a text by at most a factor of 3
	// (Unicode Standard Annex #15; CaseFolding.txt).
	maxKey = 4 * maxShort
)

func isControl(r rune) bool { return unicode.Is(unicode.Cc, r) }

// checkName applies the rules for the name of an item.
func checkName(field, name string) error {
	reason := ""
	switch {
	case name == "" || len(name) > maxShort:
		reason = fmt.Sprintf("is not 1 to %d bytes long", maxShort)
	case !utf8.ValidString(name):
		reason = "is not valid UTF-8"
	case name == "." || name == "..":
		reason = fmt.Sprintf("is %q", name)
	case strings.ContainsAny(name, "/\x00"):
		reason = `holds "/" or NUL`
	default:
		return nil
	}
	return &FieldError{Field: field, Reason: reason, Err: ErrName}
}

// nameKey is what must be unique among the live items of a folder. Unicode's canonical caseless matching (The Unicode Standard,
// D145) is what fold asks for.
func nameKey(name string, fold bool) string {
	if fold {
		return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
	}
	return norm.NFC.String(name)
}

// checkFolding refuses to compare names in another way than the workspace was made with.
func (s *Service) checkFolding(w *Workspace) error {
	if w.FoldCase != s.cfg.FoldCase {
		return fmt.Errorf("%w: %t", ErrFoldCase, w.FoldCase)
	}
	return nil
}

// checkText bounds a text that the service only keeps. NUL is refused since not every database can hold it.
func checkText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is longer than %d bytes", limit), Err: ErrLimit}
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return &FieldError{Field: field, Reason: "is not valid UTF-8 without NUL"}
	}
	return nil
}

// checkChunkName applies the rules for the name of a chunk.
func checkChunkName(field, name string) error {
	if name == "" || len(name) > maxShort {
		return &FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d bytes long", maxShort)}
	}
	for i := range len(name) {
		if name[i] < 0x20 || name[i] > 0x7e {
			return &FieldError{Field: field, Reason: "is not printable ASCII"}
		}
	}
	return nil
}

// isSHA256 reports whether a name is the hash that Config.ChunkHash can stand for in signed requests.
func isSHA256(name string) bool {
	return len(name) == hex.EncodedLen(sha256.Size) && strings.Trim(name, "0123456789abcdef") == ""
}

func (c *Chunk) check(field string, l *Limits) error {
	if err := checkChunkName(field+".Name", c.Name); err != nil {
		return err
	}
	if c.Size < 0 || c.Size > l.FileSize {
		return &FieldError{Field: field + ".Size", Reason: fmt.Sprintf("is not within 0 to %d", l.FileSize), Err: ErrSize}
	}
	return nil
}

// check applies every rule that needs no look at what is saved.
func (p *Proposal) check(field string, l *Limits) error {
	switch {
	case p.Item.IsZero():
		return &FieldError{Field: field + ".Item", Reason: "is zero, which is the root"}
	case p.Version < 1 || p.Version == math.MaxInt64:
		return &FieldError{Field: field + ".Version", Reason: "is not 1 or more"}
	case p.Delete:
		return nil
	case p.Kind != File && p.Kind != Folder:
		return &FieldError{Field: field + ".Kind", Reason: "is neither file nor folder"}
	case p.Parent == p.Item:
		return &FieldError{Field: field + ".Parent", Reason: "is the item itself", Err: ErrCycle}
	}
	if err := checkName(field+".Name", p.Name); err != nil {
		return err
	}
	if err := p.checkContent(field, l); err != nil {
		return err
	}
	if y := p.ModifiedAt.UTC().Year(); y < 1 || y > 9999 {
		return &FieldError{Field: field + ".ModifiedAt", Reason: "is not within the years 1 to 9999"}
	}
	return p.checkAttrs(field, l)
}

func (p *Proposal) checkContent(field string, l *Limits) error {
	if p.Kind == Folder {
		if p.Size != 0 || p.Checksum != "" || len(p.Chunks) != 0 || p.MediaType != "" {
			return &FieldError{Field: field, Reason: "is a folder with a size, checksum, chunks or media type", Err: ErrFolderContent}
		}
		return nil
	}
	if p.Size < 0 || p.Size > l.FileSize {
		return &FieldError{Field: field + ".Size", Reason: fmt.Sprintf("is not within 0 to %d", l.FileSize), Err: ErrSize}
	}
	if len(p.Chunks) > l.Chunks {
		return &FieldError{Field: field + ".Chunks", Reason: fmt.Sprintf("are more than %d", l.Chunks), Err: ErrLimit}
	}
	var sum int64
	for i := range p.Chunks {
		// The field's name is only made for a bad one: this loop is the commit's longest.
		c := &p.Chunks[i]
		if err := c.check("", l); err != nil {
			return c.check(fmt.Sprintf("%s.Chunks[%d]", field, i), l)
		}
		if c.Size == 0 { // they would cost the owner nothing, however many
			return &FieldError{Field: fmt.Sprintf("%s.Chunks[%d].Size", field, i), Reason: "is 0: empty content has no chunks", Err: ErrSize}
		}
		if sum += c.Size; sum > l.FileSize {
			break
		}
	}
	if sum != p.Size {
		return &FieldError{Field: field + ".Size", Reason: fmt.Sprintf("is %d, but the chunks have %d bytes or more", p.Size, sum), Err: ErrSize}
	}
	if err := checkText(field+".Checksum", p.Checksum, maxShort); err != nil {
		return err
	}
	return checkText(field+".MediaType", p.MediaType, maxShort)
}

func (p *Proposal) checkAttrs(field string, l *Limits) error {
	if len(p.Attrs) > l.Attrs {
		return &FieldError{Field: field + ".Attrs", Reason: fmt.Sprintf("are more than %d", l.Attrs), Err: ErrLimit}
	}
	total := 0
	for _, k := range slices.Sorted(maps.Keys(p.Attrs)) {
		if err := checkText(field+".Attrs", k, l.AttrBytes); err != nil {
			return err
		}
		if err := checkText(field+".Attrs", p.Attrs[k], l.AttrBytes); err != nil {
			return err
		}
		if total += len(k) + len(p.Attrs[k]); total > l.AttrBytes {
			return &FieldError{Field: field + ".Attrs", Reason: fmt.Sprintf("have more than %d bytes", l.AttrBytes), Err: ErrLimit}
		}
	}
	return nil
}

// normalise makes p what every store can give back unchanged, and free of what the caller may still write to.
func (p *Proposal) normalise() {
	p.ModifiedAt = p.ModifiedAt.UTC().Truncate(time.Microsecond)
	p.Chunks = slices.Clone(p.Chunks)
	p.Attrs = maps.Clone(p.Attrs)
}

// page applies the default and the bounds of a page.
func (l *Limits) page(limit int) (PageBound, error) {
	n, err := l.rows(limit, 1000)
	return PageBound{Limit: n, Chunks: l.PageChunks}, err
}

// rows is page for lists whose rows have no chunks, and that have a default of their own.
func (l *Limits) rows(limit, usual int) (int, error) {
	switch {
	case limit < 0 || limit > l.Page:
		return 0, &FieldError{Field: "Limit", Reason: fmt.Sprintf("is not within 0 to %d", l.Page), Err: ErrLimit}
	case limit == 0:
		return min(usual, l.Page), nil
	}
	return limit, nil
}
