package stacksync

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxName bounds ids of users, names of items, chunks and devices, checksums, media types and
	// request ids, in bytes.
	MaxName = 255
	// MaxNameKey bounds the result of FoldName, in bytes. Folding and composing make a text at most
	// 3 times as long (Unicode Standard Annex #15; CaseFolding.txt).
	MaxNameKey = 4 * MaxName
)

// Rules are the consistency rules with their settings. Limits must be complete: see
// Limits.WithDefaults. The methods only read Rules, and may be called from many goroutines.
type Rules struct {
	Limits Limits
	// FoldCase makes names clash that differ only in case.
	FoldCase bool
	// Unchecked says that the service has no storage, so that nobody knows which chunks are stored:
	// the rules then accept all chunks.
	Unchecked bool
	// Policy may veto a proposal that has passed all other rules. nil: none.
	Policy func(ctx context.Context, r PolicyRequest) error
}

// PolicyRequest is a proposal that a policy may veto. A policy may change the items it gets,
// without effect on what is saved; their slices and maps are shared, and must not be changed.
type PolicyRequest struct {
	Actor     Actor
	Workspace WorkspaceID
	RequestID string
	Current   *Item // nil for a new item
	Proposed  *Item // as it would be saved
}

// Draft is a commit that has passed all checks that need no saved data. Rules.Check makes it.
type Draft struct {
	// CommitRequest is the request. Its proposals are in the form in which they would be saved.
	CommitRequest
	// Known has the sizes in bytes of those chunks of the proposals that the chunk table has;
	// Stored has those of the other chunks that the container has. The caller of Check fills them
	// in before it calls Rules.Decide.
	Known, Stored map[string]int64

	keys []string // keys[i] is the NameKey of Proposals[i]
	// invalid[i] says what is wrong with Proposals[i], whatever is saved. It lacks good proposals,
	// and is nil where all are good.
	invalid map[int]error
	chunks  int // the number of chunks of all proposals together
}

// Check applies all rules that need no saved data. If the whole request is wrong, it returns an
// error: a *FieldError, as ErrLimit. If one proposal is wrong, that proposal's outcome will say so
// (Rules.Decide).
func (r *Rules) Check(req CommitRequest) (*Draft, error) {
	limits := &r.Limits
	if err := CheckActor(req.Actor, Needs{Role: Editor, Device: true}); err != nil {
		return nil, err
	}
	if err := CheckText("RequestID", req.RequestID, MaxName); err != nil {
		return nil, err
	}
	if n := len(req.Proposals); n == 0 || n > limits.Proposals {
		return nil, &FieldError{Field: "Proposals", Reason: fmt.Sprintf("are not 1 to %d", limits.Proposals), Err: ErrLimit}
	}
	d := &Draft{CommitRequest: req, keys: make([]string, len(req.Proposals))}
	d.Proposals = slices.Clone(req.Proposals)
	for i := range d.Proposals {
		p := &d.Proposals[i]
		if d.chunks += len(p.Chunks); d.chunks > limits.CommitChunks {
			return nil, &FieldError{Field: "Proposals", Reason: fmt.Sprintf("have more than %d chunks together", limits.CommitChunks), Err: ErrLimit}
		}
		if err := r.checkProposal(d, i); err != nil {
			if d.invalid == nil {
				d.invalid = make(map[int]error)
			}
			d.invalid[i] = err
		}
	}
	return d, nil
}

// checkProposal checks and normalises one proposal. It makes the field's name only for a bad
// proposal, to save time.
func (r *Rules) checkProposal(d *Draft, i int) error {
	p := &d.Proposals[i]
	if p.check("", &r.Limits) != nil {
		return p.check(fmt.Sprintf("Proposals[%d]", i), &r.Limits)
	}
	if !p.Delete {
		p.normalise()
		d.keys[i] = FoldName(p.Name, r.FoldCase)
	}
	return nil
}

// CheckFolding returns ErrFoldCase if the workspace was made with another FoldCase than the rules
// have: its names would be compared in another way.
func (r *Rules) CheckFolding(w *Workspace) error {
	if w.FoldCase != r.FoldCase {
		return fmt.Errorf("%w: %t", ErrFoldCase, w.FoldCase)
	}
	return nil
}

// Valid returns the proposals without a fault so far, each with its index.
func (d *Draft) Valid() iter.Seq2[int, *Proposal] {
	return func(yield func(int, *Proposal) bool) {
		for i := range d.Proposals {
			if d.invalid[i] == nil && !yield(i, &d.Proposals[i]) {
				return
			}
		}
	}
}

// NameKey returns the ItemRow.NameKey that Proposals[i] would get; empty for a deletion.
func (d *Draft) NameKey(i int) string { return d.keys[i] }

// Weight returns about how many rows the commit reads and writes.
func (d *Draft) Weight() int { return len(d.Proposals) + d.chunks }

// CheckName checks the name of an item: 1 to 255 bytes of valid UTF-8, without "/" and NUL, neither
// "." nor "..". Its error is a *FieldError for field, with ErrName.
func CheckName(field, name string) error {
	reason := ""
	switch {
	case name == "" || len(name) > MaxName:
		reason = fmt.Sprintf("is not 1 to %d bytes long", MaxName)
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

// FoldName returns the ItemRow.NameKey of a name: the text that must be unique among the live items
// of a folder. It is the name in NFC, and where foldCase is set also case-folded, for Unicode's
// canonical caseless matching (The Unicode Standard, D145). It has at most 1,020 bytes for a name
// of 255 bytes.
//
// Example: "CAFE\u0301" becomes "CAF\u00c9" without foldCase, and "caf\u00e9" with foldCase.
func FoldName(name string, foldCase bool) string {
	if foldCase {
		return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
	}
	return norm.NFC.String(name)
}

// CheckText checks a text that the service only keeps: at most limit bytes (ErrLimit) of valid
// UTF-8 without NUL, which not every database can hold. Its error is a *FieldError for field.
func CheckText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return &FieldError{Field: field, Reason: fmt.Sprintf("is longer than %d bytes", limit), Err: ErrLimit}
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return &FieldError{Field: field, Reason: "is not valid UTF-8 without NUL"}
	}
	return nil
}

// CheckChunkName checks the name of a chunk: 1 to 255 printable ASCII characters. Its error is a
// *FieldError for field.
func CheckChunkName(field, name string) error {
	if name == "" || len(name) > MaxName {
		return &FieldError{Field: field, Reason: fmt.Sprintf("is not 1 to %d bytes long", MaxName)}
	}
	for i := range len(name) {
		if name[i] < 0x20 || name[i] > 0x7e {
			return &FieldError{Field: field, Reason: "is not printable ASCII"}
		}
	}
	return nil
}

// Check checks the name of a chunk, and its size: 0 to l.FileSize bytes (ErrSize). Its error is a
// *FieldError for a field below field.
func (c *Chunk) Check(field string, l *Limits) error {
	if err := CheckChunkName(field+".Name", c.Name); err != nil {
		return err
	}
	if c.Size < 0 || c.Size > l.FileSize {
		return &FieldError{Field: field + ".Size", Reason: fmt.Sprintf("is not within 0 to %d", l.FileSize), Err: ErrSize}
	}
	return nil
}

// check applies all rules about a proposal that need no saved data.
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
	if err := CheckName(field+".Name", p.Name); err != nil {
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
		// The field's name is made only for a bad chunk: this loop is the longest of the commit.
		c := &p.Chunks[i]
		if err := c.Check("", l); err != nil {
			return c.Check(fmt.Sprintf("%s.Chunks[%d]", field, i), l)
		}
		// Chunks of 0 bytes would cost the owner nothing, however many there are.
		if c.Size == 0 {
			return &FieldError{Field: fmt.Sprintf("%s.Chunks[%d].Size", field, i), Reason: "is 0: empty content has no chunks", Err: ErrSize}
		}
		if sum += c.Size; sum > l.FileSize {
			break
		}
	}
	if sum != p.Size {
		return &FieldError{Field: field + ".Size", Reason: fmt.Sprintf("is %d, but the chunks have %d bytes or more", p.Size, sum), Err: ErrSize}
	}
	if err := CheckText(field+".Checksum", p.Checksum, MaxName); err != nil {
		return err
	}
	return CheckText(field+".MediaType", p.MediaType, MaxName)
}

func (p *Proposal) checkAttrs(field string, l *Limits) error {
	if len(p.Attrs) > l.Attrs {
		return &FieldError{Field: field + ".Attrs", Reason: fmt.Sprintf("are more than %d", l.Attrs), Err: ErrLimit}
	}
	total := 0
	for _, k := range slices.Sorted(maps.Keys(p.Attrs)) {
		if err := CheckText(field+".Attrs", k, l.AttrBytes); err != nil {
			return err
		}
		if err := CheckText(field+".Attrs", p.Attrs[k], l.AttrBytes); err != nil {
			return err
		}
		if total += len(k) + len(p.Attrs[k]); total > l.AttrBytes {
			return &FieldError{Field: field + ".Attrs", Reason: fmt.Sprintf("have more than %d bytes", l.AttrBytes), Err: ErrLimit}
		}
	}
	return nil
}

// normalise gives p the form that every store can give back unchanged, and copies the slices and
// maps that the caller may still write to.
func (p *Proposal) normalise() {
	p.ModifiedAt = p.ModifiedAt.UTC().Truncate(time.Microsecond)
	p.Chunks = slices.Clone(p.Chunks)
	p.Attrs = maps.Clone(p.Attrs)
}

// NumberedName returns the first of "name.txt", "name (2).txt", "name (3).txt" … for which free
// reports true. It shortens the name where the number would make it longer than 255 bytes.
// ErrNameTaken if free refuses 9,999 names; an error of free is returned as it is.
func NumberedName(name string, free func(name string) (bool, error)) (string, error) {
	const most = 10_000
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" || len(ext) > 16 {
		stem, ext = name, ""
	}
	for n := 1; n < most; n++ {
		try := name
		if n > 1 {
			mark := fmt.Sprintf(" (%d)", n)
			try = strings.ToValidUTF8(stem[:min(len(stem), MaxName-len(mark)-len(ext))], "") + mark + ext
		}
		ok, err := free(try)
		if err != nil || ok {
			return try, err
		}
	}
	return "", fmt.Errorf("%w: %q and %d more", ErrNameTaken, name, most-2)
}
