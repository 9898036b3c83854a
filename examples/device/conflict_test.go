package device_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go/service"
)

func TestBothEdit(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "notes.txt")
	a.write("notes.txt", "from a")
	b.write("notes.txt", "from b")
	a.sync()
	r := b.sync()
	require.Len(t, r.Conflicts, 1)
	require.Regexp(t, `^notes \(conflicted copy of b \d{4}-\d\d-\d\d\)\.txt$`, r.Conflicts[0])
	tree := w.converge()
	require.Equal(t, map[string]string{"notes.txt": "from a", r.Conflicts[0]: "from b"}, tree)
	// Once more on the same day.
	a.write("notes.txt", "from a again")
	b.write("notes.txt", "from b again")
	a.sync()
	b.sync()
	require.Len(t, copies(w.converge()), 2)
}

func TestBothEditAlike(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x")
	a.write("x", "the same")
	b.write("x", "the same")
	w.converge()
	require.Equal(t, map[string]string{"x": "the same"}, a.tree())
	require.EqualValues(t, 2, w.item("x").Version)
}

func TestBothMake(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t)
	a.write("same/x", "alike")
	b.write("same/x", "alike")
	a.write("same/y", "from a")
	b.write("same/y", "from b")
	a.write("thing", "a file")
	b.mkdir("thing/with")
	w.converge()
	tree := a.tree()
	require.Equal(t, "alike", tree["same/x"])
	require.Equal(t, "from a", tree["same/y"])
	require.Equal(t, "a file", tree["thing"])
	require.Len(t, copies(tree), 3, "of same/y, and the folder with what is in it: %v", paths(tree))
	require.Len(t, tree, 7)
}

// The other device commits between this one's look and its commit.
func TestLosesTheRace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second func(c *client)
		want          map[string]string
		copies        int
	}{
		"edit":        {func(c *client) { c.write("x", "a") }, func(c *client) { c.write("x", "b") }, map[string]string{"x": "a", "dir": "/"}, 1},
		"make":        {func(c *client) { c.write("new", "a") }, func(c *client) { c.write("new", "b") }, map[string]string{"new": "a"}, 1},
		"make folder": {func(c *client) { c.write("new/a", "a") }, func(c *client) { c.write("new/b", "b") }, map[string]string{"new/a": "a", "new/b": "b"}, 0},
		"delete folder": {func(c *client) { c.remove("dir") }, func(c *client) { c.write("dir/new", "b") },
			map[string]string{"x": "content of x", "dir": "/", "dir/new": "b"}, 0},
		"move crosswise": {func(c *client) { c.rename("dir", "other/dir") }, func(c *client) { c.rename("other", "dir/other") },
			map[string]string{"other/dir": "/", "other/dir/y": "content of dir/y"}, 0},
		"edit and move":   {func(c *client) { c.rename("x", "dir/x") }, func(c *client) { c.write("x", "b") }, map[string]string{"dir/x": "b"}, 0},
		"move and edit":   {func(c *client) { c.write("x", "a") }, func(c *client) { c.rename("x", "dir/x") }, map[string]string{"dir/x": "a"}, 0},
		"delete and edit": {func(c *client) { c.remove("x") }, func(c *client) { c.write("x", "b") }, map[string]string{"x": "b"}, 0},
		"edit and delete": {func(c *client) { c.write("x", "a") }, func(c *client) { c.remove("x") }, map[string]string{"x": "a"}, 0},
		"delete and move": {func(c *client) { c.remove("x") }, func(c *client) { c.rename("x", "z") }, map[string]string{"z": "content of x"}, 0},
		"move and delete": {func(c *client) { c.rename("x", "z") }, func(c *client) { c.remove("x") }, map[string]string{"z": "content of x"}, 0},
		"delete and move into a new folder": {func(c *client) { c.remove("x") }, func(c *client) { c.mkdir("new"); c.rename("x", "new/x") },
			map[string]string{"new/x": "content of x"}, 0},
		"move elsewhere": {func(c *client) { c.rename("x", "z") }, func(c *client) { c.rename("x", "dir/z") }, map[string]string{"z": "content of x"}, 0},
		"same name":      {func(c *client) { c.rename("x", "z") }, func(c *client) { c.rename("dir/y", "z") }, map[string]string{"z": "content of x"}, 1},
		"both delete":    {func(c *client) { c.remove("dir") }, func(c *client) { c.remove("dir/y"); c.remove("x") }, map[string]string{"other": "/"}, 0},
	} {
		for when, at := range map[string]int{"before the look": 1, "before the commit": 0} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				a := w.device("a")
				f := &race{}
				b := w.device("b", f.wrap)
				for _, name := range []string{"x", "dir/y", "other/o"} {
					a.write(name, "content of "+name)
				}
				w.converge()
				c.first(a)
				c.second(b)
				if at == 1 {
					a.sync()
				} else {
					f.before = func() { a.sync() }
				}
				b.sync()
				tree := w.converge()
				for name, content := range c.want {
					require.Equal(t, content, tree[name], "%s of %v", name, paths(tree))
				}
				require.Len(t, copies(tree), c.copies)
				require.Equal(t, sums(tree), w.serverSums())
			})
		}
	}
}

// A folder that was moved on the server, and here copied to the same place and deleted: its things are found again in the copy.
func TestCopiedWhereItMoved(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "dir/x")
	a.write("dir/empty", "")
	w.converge()
	a.rename("dir", "moved")
	a.sync()
	b.write("moved/x", b.tree()["dir/x"])
	b.write("moved/empty", "")
	b.remove("dir")
	require.Zero(t, b.sync().Committed)
	w.converge()
	require.EqualValues(t, 1, w.item("moved/empty").Version)
}

// What one device deletes with its folder, in the moment in which another puts something there, is gone from the trees. The server
// remembers it.
func TestSweptAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &race{}
	a, b := w.device("a", f.wrap), w.device("b")
	a.write("dir/x", "x")
	w.converge()
	b.write("dir/new", "put there")
	a.remove("dir")
	f.before = func() { b.sync() }
	a.sync()
	require.Empty(t, w.converge())
	require.True(t, w.remembers("put there"))
}

// To a server that folds case, two names on this disk may be one.
func TestServerFoldsCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *service.Config) { c.FoldCase = true })
	a, b := w.device("a"), w.device("b")
	a.write("readme", "lower")
	a.write("README", "upper")
	w.converge()
	tree := b.tree()
	require.Len(t, tree, 2)
	require.Len(t, copies(tree), 1)
	// A rename that only changes case works.
	a.write("x", "x")
	w.converge()
	a.rename("x", "X")
	w.converge()
	require.Contains(t, b.tree(), "X")
	require.Len(t, b.tree(), 3)
}

// To a disk that folds case, two names of the server may be one. The second gets a name of its own here, and keeps its name there.
func TestDiskFoldsCase(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "readme", "x")
	b.Fold()
	a.write("README", "upper")
	a.write("dir/A", "A")
	a.write("dir/a", "a")
	a.sync()
	require.Len(t, b.sync().Aliases, 2)
	tree := b.tree()
	require.Len(t, tree, 6)
	require.Equal(t, "content of readme", tree["readme"])
	aliases := 0
	for name, content := range tree {
		if strings.Contains(name, "~") {
			aliases++
			b.write(name, content+", edited by b")
		}
	}
	require.Equal(t, 2, aliases)
	b.sync()
	a.sync()
	require.Equal(t, "upper, edited by b", a.tree()["README"])
	require.Len(t, a.tree(), 6)
	b.rename("x", "X")
	b.sync()
	require.Len(t, b.tree(), 6)
	require.Contains(t, w.server(), "X")
	a.remove("readme")
	a.remove("dir")
	a.sync()
	b.sync()
	require.Len(t, b.tree(), 2)
}

// No name of the server's gets out of the synced folder, or into the state folder.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x")
	evil := &hostile{}
	b.restart(evil.wrap)
	a.write("one", "1")
	a.write("dir/two", "2")
	a.sync()
	evil.names = map[string]string{"one": "../../evil", "dir": ".stacksync", "two": "journal"}
	b.sync()
	tree := b.tree()
	require.Len(t, tree, 4)
	require.Equal(t, "content of x", tree["x"])
	entries, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "only the two devices' folders")
	require.Zero(t, b.sync().Committed)
}

// The user edits a file in the moment in which the device is about to replace it.
func TestUserIsFaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &faults{}
	a, b := w.device("a"), w.device("b", f.wrap)
	a.write("x", "one")
	a.write("gone", "soon")
	w.converge()
	a.write("x", "from a")
	a.write("new", "from a")
	a.remove("gone")
	a.sync()
	// Call 1 is Changes, call 2 DownloadChunk.
	f.set(2, disturb, func() {
		b.write("x", "from b")
		b.write("new", "made by b")
		b.write("gone", "not yet")
	})
	b.sync()
	tree := w.converge()
	require.Equal(t, "from a", tree["x"])
	require.Equal(t, "from a", tree["new"])
	require.Equal(t, "not yet", tree["gone"])
	require.Len(t, copies(tree), 2)
	require.Equal(t, "made by b", tree[copies(tree)[0]])
	require.Equal(t, "from b", tree[copies(tree)[1]])
}
