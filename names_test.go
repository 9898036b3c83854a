package stacksync

import (
	"testing"
	"unicode/utf8"
)

// A page's Next is a name key, and must be accepted as the After of the next page: no name may have
// a longer one.
func TestNameKeysFitTheirBound(t *testing.T) {
	for r := rune(1); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		name := string(r)
		if key := FoldName(name, true); len(key) > len(name)*MaxNameKey/MaxName {
			t.Errorf("%U: %d bytes become %d", r, len(name), len(key))
		}
	}
}
