package device_test

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

// TestRandom lets some devices do random things to their folders, and sync now and then, over a service that loses calls and
// answers, with users who go on working meanwhile, and with crashes that lose what was not saved yet. In the end all trees must be
// equal, and nothing that somebody wrote may be lost but what somebody overwrote or deleted on purpose.
func TestRandom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		w := openWorld(t.Context(), t, filepath.Join(dir, fmt.Sprint(runs)))
		require.NoError(t, os.Mkdir(w.dir, 0o755))
		defer func() {
			w.close()
			require.NoError(t, os.RemoveAll(w.dir))
		}()
		w.workers = 1 // so that a failure can be repeated
		m := &mess{T: t, w: w, alive: map[string]bool{}}
		for i := range rapid.IntRange(2, 3).Draw(t, "devices") {
			f := &faults{pageLimit: rapid.IntRange(1, 5).Draw(t, "page limit")}
			m.faults = append(m.faults, f)
			w.device(fmt.Sprintf("dev%d", i), f.wrap)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			m.step(rapid.IntRange(0, len(w.devices)-1).Draw(t, "device"))
		}
		tree := w.converge()
		require.Equal(t, sums(tree), w.serverSums(), "the server has another tree")
		m.requireNothingLost(tree)
	})
}

// mess is what the users of a world have done.
type mess struct {
	*rapid.T
	w       *world
	faults  []*faults // of the devices
	written int
	alive   map[string]bool // content that nobody has overwritten or deleted
	swept   bool            // a folder was deleted: on the server, what others had put into it went with it
}

func (m *mess) step(i int) {
	c, f := m.w.devices[i], m.faults[i]
	switch rapid.SampledFrom([]string{"change", "change", "change", "sync", "sync", "disturbed", "fault", "crash"}).Draw(m.T, "do") {
	case "change":
		m.change(c)()
	case "sync":
		c.sync()
	case "disturbed":
		// The user goes on while the device syncs, or another device is faster.
		action := m.change(c)
		if other := m.w.devices[rapid.IntRange(0, len(m.w.devices)-1).Draw(m.T, "other")]; other != c {
			action = func() { other.sync() }
		}
		f.set(rapid.IntRange(1, 12).Draw(m.T, "at call"), disturb, action)
		c.sync()
		f.clear()
	case "fault":
		f.set(rapid.IntRange(1, 12).Draw(m.T, "at call"), rapid.SampledFrom([]fault{refuse, loseAnswer}).Draw(m.T, "fault"), nil)
		if _, err := c.Sync(m.w.ctx); err != nil {
			require.ErrorIs(m.T, err, errFault)
		}
		f.clear()
	case "crash":
		f.set(rapid.IntRange(1, 12).Draw(m.T, "at call"), rapid.SampledFrom([]fault{die, dieAfter}).Draw(m.T, "fault"), nil)
		before := c.journal()
		_, err := c.Sync(m.w.ctx)
		f.clear()
		require.NoError(m.T, c.Close())
		if err != nil {
			c.cutJournal(before, rapid.IntRange(0, 100).Draw(m.T, "percent saved"))
		}
		c.open(f.wrap)
	}
}

// change draws something that a user does, and returns it, to be done now or later.
func (m *mess) change(c *client) func() {
	// Few names, so that devices get in each other's way.
	draw := func(label string) string {
		return path.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c.txt"}), 1, 3).Draw(m.T, label)...)
	}
	what := rapid.SampledFrom([]string{"write", "write", "copy", "mkdir", "rename", "rename", "swap", "turn over", "delete", "chmod"}).Draw(m.T, "change")
	at, to := draw("path"), draw("to")
	same := rapid.IntRange(0, 2).Draw(m.T, "content")
	return func() {
		if dir, err := os.Lstat(filepath.Dir(c.at(at))); err != nil || !dir.IsDir() {
			at = path.Base(at)
		}
		info, err := os.Lstat(c.at(at))
		exists, isDir := err == nil, err == nil && info.IsDir()
		switch {
		case what == "write" && !isDir:
			m.written++
			content := fmt.Sprintf("content %d", m.written)
			m.kill(c, at)
			m.alive[content] = true
			if c.write(at, content); same == 0 {
				require.NoError(m.T, os.Chtimes(c.at(at), time.Time{}, time.Now()))
			}
		case what == "copy" && !isDir:
			// Who writes what was there before has changed nothing, so others may do away with it: it does not count as alive.
			m.kill(c, at)
			c.write(at, fmt.Sprintf("common %d", same))
		case what == "mkdir" && !exists:
			c.mkdir(at)
		case what == "chmod" && exists && !isDir:
			c.chmod(at, info.Mode().Perm()^0o111)
		case what == "rename":
			c.tryRename(at, to)
		case what == "swap":
			c.tryRename(at, "swap")
			c.tryRename(to, at)
			c.tryRename("swap", to)
		case what == "turn over":
			// What lay in a folder becomes the folder's folder.
			c.tryRename(at, "swap")
			c.tryRename(path.Dir(at), "swap/below")
			c.tryRename("swap", path.Dir(at))
		case what == "delete" && exists:
			m.swept = m.swept || isDir
			m.kill(c, at)
			c.remove(at)
		}
	}
}

// tryRename does nothing where from is missing, to is taken, or one lies in the other.
func (c *client) tryRename(from, to string) {
	if _, err := os.Lstat(c.at(to)); err != nil {
		_ = os.Rename(c.at(from), c.at(to))
	}
}

// kill notes that a user does away with what is at a path.
func (m *mess) kill(c *client, at string) {
	for name, content := range c.tree() {
		if name == at || strings.HasPrefix(name, at+"/") {
			delete(m.alive, content)
		}
	}
}

func (m *mess) requireNothingLost(tree map[string]string) {
	left := maps.Clone(m.alive)
	for _, content := range tree {
		delete(left, content)
	}
	require.True(m.T, len(left) == 0 || m.swept, "lost: %v", slices.Sorted(maps.Keys(left)))
	for content := range left {
		require.True(m.T, m.w.remembers(content), "lost for good: %s", content)
	}
}

// serverSums is the live tree of the service, as sums gives it.
func (w *world) serverSums() map[string]string {
	tree := map[string]string{}
	for name, it := range w.server() {
		if tree[name] = "/"; it.Kind == stacksync.File {
			tree[name] = it.Checksum
		}
	}
	return tree
}

// sums replaces the content of files by its checksum.
func sums(tree map[string]string) map[string]string {
	tree = maps.Clone(tree)
	for name, content := range tree {
		if content != "/" {
			tree[name] = sum(content)
		}
	}
	return tree
}
