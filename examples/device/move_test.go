package device_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRenameUploadsNothing(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(a *client){
		"rename":    func(a *client) { a.rename("dir/x", "dir/z") },
		"move":      func(a *client) { a.rename("dir/x", "x") },
		"both":      func(a *client) { a.rename("dir/x", "other/z") },
		"folder":    func(a *client) { a.rename("dir", "renamed") },
		"into":      func(a *client) { a.rename("dir", "other/dir") },
		"move copy": func(a *client) { a.write("z", a.tree()["dir/x"]); a.remove("dir/x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a, b := twins(t, "dir/x", "dir/y", "other/o")
			move(a)
			r := a.sync()
			require.Equal(t, 1, r.Committed)
			require.Zero(t, r.ChunksUploaded)
			r = b.sync()
			require.Equal(t, 1, r.ItemsApplied)
			require.Zero(t, r.ChunksDownloaded)
			require.Zero(t, r.FilesHashed)
			require.Equal(t, a.tree(), b.tree())
			require.Len(t, w.converge(), 5)
			require.Zero(t, a.sync().FilesHashed+b.sync().FilesHashed, "the new stamps were noted")
		})
	}
}

func TestRenameAndEdit(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "dir/x", "dir/y")
	before := w.item("dir/x")
	a.rename("dir", "moved")
	a.write("moved/x", "changed")
	require.Equal(t, 2, a.sync().Committed)
	b.sync()
	require.Equal(t, a.tree(), b.tree())
	require.Equal(t, before.ID, w.item("moved/x").ID)
}

func TestNamesChangeHands(t *testing.T) {
	t.Parallel()
	for name, shuffle := range map[string]func(a *client){
		"swap": func(a *client) {
			a.rename("x", "tmp")
			a.rename("y", "x")
			a.rename("tmp", "y")
		},
		"swap folders": func(a *client) {
			a.rename("p", "tmp")
			a.rename("q", "p")
			a.rename("tmp", "q")
		},
		"circle": func(a *client) {
			a.rename("x", "tmp")
			a.rename("y", "x")
			a.rename("z", "y")
			a.rename("tmp", "z")
		},
		"chain": func(a *client) {
			a.rename("z", "w")
			a.rename("y", "z")
			a.rename("x", "y")
		},
		"turn over": func(a *client) {
			a.rename("p/in", "tmp")
			a.rename("p", "tmp/p")
			a.rename("tmp", "in")
		},
		"turn over in place": func(a *client) {
			a.rename("p/in", "tmp")
			a.rename("p", "tmp/in")
			a.rename("tmp", "p")
		},
		"file for folder": func(a *client) {
			a.remove("q")
			a.rename("x", "q")
		},
		"swap file and folder": func(a *client) {
			a.rename("x", "tmp")
			a.rename("p", "x")
			a.rename("tmp", "p")
		},
		"folder for file": func(a *client) {
			a.remove("x")
			a.mkdir("x/y/z")
			a.rename("y", "x/y/y")
		},
		"case": func(a *client) {
			a.rename("x", "X")
			a.rename("p", "P")
		},
		"save by renaming": func(a *client) {
			a.write("tmp", "new content of x")
			a.rename("x", "x~")
			a.rename("tmp", "x")
		},
	} {
		for _, pageLimit := range []int{1, 1000} {
			t.Run(fmt.Sprint(name, " in pages of ", pageLimit), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				a, b := w.device("a"), w.device("b", (&faults{pageLimit: pageLimit}).wrap)
				for _, name := range []string{"x", "y", "z", "p/one", "p/in/two", "q/one"} {
					a.write(name, "content of "+name)
				}
				w.converge()
				shuffle(a)
				want := a.tree()
				require.Equal(t, 2, a.sync().Rounds, "nothing had to be proposed twice")
				require.Empty(t, copies(w.converge()))
				require.Equal(t, want, b.tree())
				require.Equal(t, sums(want), w.serverSums())
			})
		}
	}
}

func TestDeletedFolderIsOneCommit(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "dir/x", "dir/sub/y", "stays")
	a.remove("dir")
	require.Equal(t, 1, a.sync().Committed)
	b.sync()
	require.Equal(t, []string{"stays"}, paths(b.tree()))
	require.Equal(t, []string{"stays"}, paths(w.converge()))
}

func TestMovedOutOfDeletedFolder(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "dir/x", "dir/sub/y")
	a.rename("dir/sub/y", "y")
	a.remove("dir")
	a.sync()
	b.sync()
	require.Equal(t, map[string]string{"y": "content of dir/sub/y"}, b.tree())
	w.converge()
}
