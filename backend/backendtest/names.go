package backendtest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// oddNames: names that mean something to a file system, a URL, a shell or a pattern mean nothing to a back-end.
func oddNames(t T, s Suite) {
	f := newFixture(t, s)
	n := []string{
		".", "..", "...", "../x", "../../etc/passwd", "/", "//", "/etc/passwd", "a", "a/", "a/b", "a//b", "a/./b", "a/../b", "./a", "a/b/c",
		`\`, `..\x`, `C:\x`, "C:x", `\\server\share`, "CON", "con", "nul.txt", "COM1", "aux", "a:stream", "lost+found", ".DS_Store", ".nfs01",
		"a.", "a..", "a ", "a  ", " a", " ", "  ", "a.tmp", "a~", "~", "-", "--", "-rf", "a*", "a?", "[a]", "*", "?", "#", "a#b", "a?b=c", "a&b",
		"%", "%2e%2e", "%2F", "a%2Fb", "a+b", "a=b", "'", `"`, "`id`", "$HOME", "${x}", "$(id)", "a;b", "a|b", "a>b", "<a>", "{a}", "a,b", "@", "!", "^",
		"tmp", "index.html", "sha256:0123", "blake3-AbCd_-=",
	}
	f.roundTrip(n)
}

func everyCharacter(t T, s Suite) {
	f := newFixture(t, s)
	var n []string
	var all strings.Builder
	for b := byte(0x20); b <= 0x7e; b++ {
		n = append(n, "x"+string(b)+"y")
		all.WriteByte(b)
	}
	f.roundTrip(append(n, all.String()))
}

func longNames(t T, s Suite) {
	f := newFixture(t, s)
	var n []string
	for _, c := range []string{"a", "A", "/", ".", " ", "%", "~", "ab/", "../"} {
		long := strings.Repeat(c, 255)[:254]
		n = append(n, long+"1", long+"2", long)
	}
	f.roundTrip(n)
}

func caseDiffers(t T, s Suite) {
	f := newFixture(t, s)
	hash := names("case", 1)[0]
	f.roundTrip([]string{"abc", "Abc", "ABC", "abC", hash, strings.ToUpper(hash), strings.ToUpper(hash[:32]) + hash[32:]})
}

// roundTrip writes chunks of these names, reads them in all ways, copies them, and deletes every other one.
func (f *fixture) roundTrip(n []string) {
	f.Helper()
	c, other := f.container(), f.container()
	f.put(c, n...)
	f.requireChunks(c, n...)
	f.copy(c, other, n...)
	f.requireChunks(other, n...)
	var deleted, kept []string
	for i, name := range n {
		if i%2 == 0 {
			deleted = append(deleted, name)
		} else {
			kept = append(kept, name)
		}
	}
	f.delete(c, deleted...)
	f.requireChunks(c, kept...)
	f.requireChunks(other, n...)
}

func namesReachNowhere(t T, s Suite) {
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	f.put(other, "chunk")
	n := []string{
		"../" + other + "/chunk", "/" + other + "/chunk", other + "/chunk", "../../" + other + "/chunk", `..\` + other + `\chunk`,
		"%2e%2e%2f" + other + "%2fchunk", "./../" + other + "/chunk", "../" + other,
	}
	require.Empty(f, f.stat(c, n...))
	for _, name := range n {
		_, err := f.read(c, name)
		require.ErrorIs(f, err, stacksync.ErrChunkNotFound)
	}
	f.put(c, n...)
	f.requireChunks(other, "chunk")
	f.requireChunks(c, n...)
	f.delete(c, n...)
	f.requireChunks(other, "chunk")
}

var unprintable = []string{"", "\x00", "a\x00", "\x1f", "\x7f", "a\nb", "\t", "ä", "\xff", "a\u200bb", strings.Repeat("a", 256), strings.Repeat("a", 5_000)}

func badNames(t T, s Suite) {
	f := newFixture(t, s)
	c := f.container()
	for _, bad := range unprintable {
		f.requireField(f.write(c, bad, "x"), "Name")
		_, err := f.read(c, bad)
		f.requireField(err, "Name")
		_, err = f.StatChunks(f.Context(), stacksync.StatChunksParams{Container: c, Names: []string{"good", bad}})
		f.requireField(err, "Names[1]")
	}
	f.requireNothing(c, "good")
}

func badNameHasNoEffect(t T, s Suite) {
	f := newFixture(t, s)
	c, other := f.container(), f.container()
	f.put(c, "good")
	for _, bad := range unprintable {
		_, err := f.CopyChunks(f.Context(), stacksync.CopyChunksParams{From: c, To: other, Names: []string{"good", bad}})
		f.requireField(err, "Names[1]")
		_, err = f.DeleteChunks(f.Context(), stacksync.DeleteChunksParams{Container: c, Names: []string{"good", bad}})
		f.requireField(err, "Names[1]")
	}
	f.requireNothing(other, "good")
	f.requireChunks(c, "good")
}
