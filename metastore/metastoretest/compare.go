package metastoretest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// tester is what a comparison needs of a test: *rapid.T has it too.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// sameSet ends the check unless got has the rows of want, in any order, and no others. A row may come several times.
func sameSet[R any](t tester, promise string, want, got []R) {
	t.Helper()
	compareSets(t, promise, want, got, false)
}

// sameOnce is sameSet where no row may come twice.
func sameOnce[R any](t tester, promise string, want, got []R) {
	t.Helper()
	compareSets(t, promise, want, got, true)
}

func compareSets[R any](t tester, promise string, want, got []R, once bool) {
	t.Helper()
	var d diff
	wanted := make(map[any]R, len(want))
	for _, row := range want {
		wanted[keyOf(row)] = row
	}
	seen := make(map[any]bool, len(got))
	for _, row := range got {
		k := keyOf(row)
		if seen[k] && once {
			d.add("came twice: %v", k)
		}
		seen[k] = true
		if w, ok := wanted[k]; !ok {
			d.add("was not asked for: %v", k)
		} else {
			d.compare(w, row)
		}
	}
	for _, row := range want {
		if k := keyOf(row); !seen[k] {
			d.add("is missing: %v", k)
		}
	}
	d.report(t, promise)
}

// sameList ends the check unless got has the rows of want, in that order.
func sameList[R any](t tester, promise string, want, got []R) {
	t.Helper()
	var d diff
	if len(got) != len(want) {
		d.add("has %d rows instead of %d", len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if w, g := keyOf(want[i]), keyOf(got[i]); w != g {
			d.add("row %d is %v instead of %v", i, g, w)
			break // the rest is likely to be shifted
		}
		d.compare(want[i], got[i])
	}
	d.report(t, promise)
}

// diff collects what differs.
type diff struct{ lines []string }

func (d *diff) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diff) compare(want, got any) {
	if !equal(want, got) {
		d.add("%v differs:\n\twant %+v\n\tgot  %+v", keyOf(want), want, got)
	}
}

func (d *diff) report(t tester, promise string) {
	t.Helper()
	if len(d.lines) == 0 {
		return
	}
	const most = 5
	if n := len(d.lines) - most; n > 0 {
		d.lines = append(d.lines[:most:most], fmt.Sprintf("and %d more", n))
	}
	t.Errorf("promised: %s\nbut the answer differs:\n%s", promise, strings.Join(d.lines, "\n"))
	t.FailNow()
}

// keyOf returns what names a row. An item's version belongs to it: the current one and a superseded one are two rows.
func keyOf(row any) any {
	switch r := row.(type) {
	case stacksync.User:
		return r.ID
	case stacksync.Device:
		return [2]string{string(r.User), r.ID.String()}
	case stacksync.Workspace:
		return r.ID
	case stacksync.Member:
		return [2]string{r.Workspace.String(), string(r.User)}
	case stacksync.ItemRow:
		return versionKeyOf(r)
	case stacksync.ChunkRow:
		return chunkKeyOf(r)
	case stacksync.Operation:
		return r.ID
	default:
		panic(fmt.Sprintf("no key for a %T", row))
	}
}

// equal compares two rows of one type, with the freedom that the contract leaves: what is empty may be nil. Times are
// compared as instants; that they are in UTC is a check of its own. It does without reflect, which would take most of
// the time of the suite.
func equal(want, got any) bool {
	switch a := want.(type) {
	case stacksync.User:
		b, _ := got.(stacksync.User)
		a.CreatedAt, b.CreatedAt = a.CreatedAt.UTC(), b.CreatedAt.UTC()
		a.HintDue, b.HintDue = a.HintDue.UTC(), b.HintDue.UTC()
		return a == b
	case stacksync.Device:
		b, _ := got.(stacksync.Device)
		a.CreatedAt, b.CreatedAt = a.CreatedAt.UTC(), b.CreatedAt.UTC()
		return a == b
	case stacksync.Workspace:
		b, _ := got.(stacksync.Workspace)
		a.CreatedAt, b.CreatedAt = a.CreatedAt.UTC(), b.CreatedAt.UTC()
		a.HintDue, b.HintDue = a.HintDue.UTC(), b.HintDue.UTC()
		a.FrozenUntil, b.FrozenUntil = a.FrozenUntil.UTC(), b.FrozenUntil.UTC()
		return a == b
	case stacksync.Member:
		b, _ := got.(stacksync.Member)
		a.JoinedAt, b.JoinedAt = a.JoinedAt.UTC(), b.JoinedAt.UTC()
		return a == b
	case stacksync.Operation:
		b, _ := got.(stacksync.Operation)
		a.CreatedAt, b.CreatedAt = a.CreatedAt.UTC(), b.CreatedAt.UTC()
		a.UpdatedAt, b.UpdatedAt = a.UpdatedAt.UTC(), b.UpdatedAt.UTC()
		a.Due, b.Due = a.Due.UTC(), b.Due.UTC()
		return a == b
	case stacksync.ItemRow:
		b, _ := got.(stacksync.ItemRow)
		return equalItems(&a, &b)
	default:
		return want == got
	}
}

func equalItems(a, b *stacksync.ItemRow) bool {
	return a.Workspace == b.Workspace && a.ID == b.ID && a.Version == b.Version && a.Revision == b.Revision &&
		a.Status == b.Status && a.Deleted == b.Deleted && a.Parent == b.Parent && a.Name == b.Name && a.NameKey == b.NameKey &&
		a.Kind == b.Kind && a.Size == b.Size && a.Checksum == b.Checksum && slices.Equal(a.Chunks, b.Chunks) &&
		a.MediaType == b.MediaType && a.ModifiedAt.Equal(b.ModifiedAt) && maps.Equal(a.Attrs, b.Attrs) &&
		a.User == b.User && a.Device == b.Device && a.CommittedAt.Equal(b.CommittedAt) &&
		a.MovedTo == b.MovedTo
}
