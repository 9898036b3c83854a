package device

import (
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/stacksync/stacksync-go"
)

// maxName is what file systems and the service allow for a name, in bytes.
const maxName = 255

// diskKey is what must be unique in a folder on disk.
func diskKey(name string, fold bool) string {
	if fold {
		return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
	}
	return name
}

// sameName reports whether a file that was called a is still called that when the file system says b: one that folds names may
// also normalise them.
func sameName(a, b string, fold bool) bool {
	return a == b || fold && norm.NFC.String(a) == norm.NFC.String(b)
}

// diskName returns the name that an item has on this disk: its own, unless that is impossible here or, in the synced folder
// itself, the one of the state folder. Whatever the server sends, the result is one plain path element.
func diskName(it *stacksync.Item) string {
	if possible(it.Name) && (!it.Parent.IsZero() || diskKey(it.Name, true) != stateDir) {
		return it.Name
	}
	return alias(it)
}

// possible reports whether a name can be that of a file here.
func possible(name string) bool {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "/\x00") || !filepath.IsLocal(name) {
		return false
	}
	if runtime.GOOS != "windows" {
		return name != "."
	}
	last := name[len(name)-1]
	return last != '.' && last != ' ' && strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`<>:"\|?*`, r) }) < 0
}

// alias makes a name that is possible everywhere, and the item's alone.
func alias(it *stacksync.Item) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, it.Name)
	id := it.ID.UUID
	mark := "~" + hex.EncodeToString(id[len(id)-6:])
	return shorten("_"+strings.TrimLeft(plain, ". "), maxName-len(mark)) + mark
}

// conflictName makes the name of a conflicted copy, one that is not taken.
func conflictName(name string, kind stacksync.Kind, device string, day time.Time, taken func(string) bool) string {
	ext := path.Ext(name)
	if kind != stacksync.File || ext == name || len(ext) > 32 {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for i := 1; ; i++ {
		mark := fmt.Sprintf(" (conflicted copy of %s %s)", device, day.Format(time.DateOnly))
		if i > 1 {
			mark = fmt.Sprintf(" (conflicted copy of %s %s %d)", device, day.Format(time.DateOnly), i)
		}
		if made := shorten(stem, maxName-len(mark)-len(ext)) + mark + ext; !taken(made) {
			return made
		}
	}
}

// shorten cuts s down to n bytes, between two characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// plainName makes the name of a device fit to be a part of file names.
func plainName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, name)
	return shorten(plain, 64)
}
