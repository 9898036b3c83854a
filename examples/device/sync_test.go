package device_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/service"
)

func TestFirstSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.device("a"), w.device("b")
	a.write("readme", "hello")
	a.write("dir/sub/deep.txt", "deep")
	a.write("dir/empty", "")
	a.mkdir("dir/none")
	a.write("big", strings.Repeat("0123456789abcdef", 300_000))
	at := time.Date(2020, 2, 3, 4, 5, 6, 7000, time.UTC)
	require.NoError(t, os.Chtimes(a.at("readme"), at, at))

	r := a.sync()
	require.Equal(t, 7, r.Committed)
	require.EqualValues(t, len("hello")+len("deep")+16*300_000, r.BytesUploaded+dedup(w, "big"))
	r = b.sync()
	require.Equal(t, 7, r.ItemsApplied)
	require.Zero(t, r.Committed)
	require.Equal(t, a.tree(), b.tree())
	require.Len(t, w.converge(), 7)
	info, err := os.Stat(b.at("readme"))
	require.NoError(t, err)
	require.True(t, at.Equal(info.ModTime()), "the time of change travels along")
}

// dedup is how many bytes of a file are in chunks that it has more than once.
func dedup(w *world, name string) (n int64) {
	seen := map[string]bool{}
	for _, c := range w.item(name).Chunks {
		if seen[c.Name] {
			n += c.Size
		}
		seen[c.Name] = true
	}
	return n
}

// twins returns two devices that both have the given files.
func twins(t *testing.T, files ...string) (w *world, a, b *client) {
	w = newWorld(t)
	a, b = w.device("a"), w.device("b")
	for _, name := range files {
		a.write(name, "content of "+name)
	}
	w.converge()
	return w, a, b
}

func TestNothingToDoCostsNothing(t *testing.T) {
	t.Parallel()
	_, a, _ := twins(t, "x", "dir/y")
	a.sync()
	r := a.sync()
	require.Equal(t, 1, r.Rounds)
	require.Zero(t, r.Committed+r.ItemsRead+r.ChunksUploaded)
}

func TestLargeChangeMovesLittle(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t)
	big := []byte(random(8 << 20))
	a.write("big", string(big))
	w.converge()
	copy(big[3<<20:], "a change in the middle")
	a.write("big", string(big))
	r := a.sync()
	require.Less(t, r.BytesUploaded, int64(3<<20))
	r = b.sync()
	require.Less(t, r.BytesDownloaded, int64(3<<20))
	require.Greater(t, r.BytesReused, int64(5<<20))
	require.Equal(t, a.tree(), b.tree())
}

// A device that was away reads what changed, not the workspace.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t)
	for i := range 300 {
		a.write(fmt.Sprintf("dir%d/file%d", i%10, i), fmt.Sprint(i))
	}
	w.converge()
	b.restart()
	a.write("dir3/file3", "changed")
	a.remove("dir4/file4")
	a.rename("dir5/file5", "moved")
	a.sync()
	r := b.sync()
	require.Equal(t, 3, r.ItemsRead)
	require.Equal(t, a.tree(), b.tree())
}

func TestTouchedFileIsNotCommitted(t *testing.T) {
	t.Parallel()
	w, a, _ := twins(t, "x")
	at := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(a.at("x"), at, at))
	r := a.sync()
	require.Equal(t, 1, r.FilesHashed)
	require.Zero(t, r.Committed)
	require.Zero(t, a.sync().FilesHashed, "the new stamp was noted")
	require.EqualValues(t, 1, w.item("x").Version)
}

// A change that leaves size and time alone is seen all the same, as long as the file was old when it was hashed.
func TestHiddenChangeIsSeen(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t)
	at := time.Now().Add(-time.Hour)
	backdate := func() int64 {
		require.NoError(t, os.Chtimes(a.at("x"), at, at))
		info, err := os.Stat(a.at("x"))
		require.NoError(t, err)
		return device.Ctime(info)
	}
	a.write("x", "one")
	before := backdate()
	w.converge()
	a.write("x", "two")
	for end := time.Now().Add(10 * time.Second); backdate() == before && time.Now().Before(end); { // all may be within one tick of the clock
		time.Sleep(time.Millisecond)
	}
	w.converge()
	require.Equal(t, "two", b.tree()["x"])
}

func TestExecutableBit(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "tool", "old")
	executable := func(c *client, name string) bool {
		info, err := os.Stat(c.at(name))
		require.NoError(t, err)
		return info.Mode()&0o111 != 0
	}
	a.chmod("tool", 0o755)
	a.write("new", "#!/bin/sh")
	a.chmod("new", 0o755)
	w.converge()
	require.True(t, executable(b, "tool"))
	require.True(t, executable(b, "new"))
	require.False(t, executable(b, "old"))
	b.chmod("tool", 0o644)
	w.converge()
	require.False(t, executable(a, "tool"))
	require.EqualValues(t, 3, w.item("tool").Version)
}

// Two changes of one file, on two devices, that have nothing to do with each other.
func TestChangesAreMerged(t *testing.T) {
	t.Parallel()
	changes := map[string]func(c *client){
		"edit":   func(c *client) { c.write("x", "edited") },
		"rename": func(c *client) { c.rename("x", "z") },
		"chmod":  func(c *client) { c.chmod("x", 0o755) },
	}
	for first := range changes {
		for second := range changes {
			if first == second {
				continue
			}
			t.Run(first+" and "+second, func(t *testing.T) {
				t.Parallel()
				w, a, b := twins(t, "x")
				changes[first](a)
				changes[second](b)
				a.sync()
				b.sync()
				tree := w.converge()
				name := "x"
				if first == "rename" || second == "rename" {
					name = "z"
				}
				require.Equal(t, []string{name}, paths(tree))
				require.Equal(t, first == "edit" || second == "edit", tree[name] == "edited")
				require.Equal(t, first == "chmod" || second == "chmod", len(a.programs()) == 1)
				require.EqualValues(t, 3, w.item(name).Version)
			})
		}
	}
}

func TestWhatIsNoFileIsSkipped(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x")
	require.NoError(t, os.Symlink("x", a.at("link")))
	require.NoError(t, os.Symlink("/", a.at("root")))
	r := a.sync()
	require.Equal(t, 2, r.Skipped)
	require.Zero(t, r.Committed)
	// A file of that name gets the name; the link is moved out of its way.
	b.write("link", "a file")
	b.sync()
	r = a.sync()
	require.Equal(t, 2, r.Skipped)
	require.Len(t, r.Conflicts, 1)
	require.Equal(t, "a file", a.tree()["link"])
	_, err := os.Readlink(a.at(r.Conflicts[0]))
	require.NoError(t, err)
	w.converge()

	require.NoError(t, os.WriteFile(a.at("not\xffutf8"), nil, 0o644))
	r = a.sync()
	require.Equal(t, 3, r.Skipped)
	require.Zero(t, r.Committed)
}

// What one entry suffers from holds up no other.
func TestProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *service.Config) {
		c.Policy = func(_ context.Context, r stacksync.PolicyRequest) error {
			if strings.HasSuffix(r.Proposed.Name, ".exe") {
				return errors.New("no programs here")
			}
			return nil
		}
	})
	a, b := w.device("a"), w.device("b")
	a.write("bad.exe", "x")
	a.write("folder.exe/in/it", "x")
	a.write("good", "y")
	r, err := a.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Problems, 2)
	require.Equal(t, "bad.exe", r.Problems[0].Path)
	require.ErrorIs(t, r.Problems[0].Err, stacksync.ErrVetoed)
	require.Equal(t, "folder.exe", r.Problems[1].Path)
	b.sync()
	require.Equal(t, []string{"good"}, paths(b.tree()))
	// Once the reason is gone, it is synced.
	a.rename("bad.exe", "fine.txt")
	a.rename("folder.exe", "folder")
	w.converge()
	require.Len(t, b.tree(), 5)
}

func TestQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *service.Config) { c.QuotaLimit = 2500 })
	a, b := w.device("a"), w.device("b")
	for i := range 5 {
		a.write(fmt.Sprint("file", i), strings.Repeat(fmt.Sprint(i), 1000))
	}
	a.write("huge", random(5000))
	r, err := a.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Problems, 4)
	for _, p := range r.Problems {
		require.ErrorIs(t, p.Err, stacksync.ErrQuotaExceeded)
	}
	b.sync()
	require.Len(t, b.tree(), 2)
	a.remove("huge")
	a.remove("file0")
	a.remove("file1")
	_, err = a.Sync(t.Context()) // the deletions come last
	require.NoError(t, err)
	_, err = a.Sync(t.Context())
	require.NoError(t, err)
	b.sync()
	require.Equal(t, []string{"file2", "file3"}, paths(b.tree()))
}

// A host's limits may be lower than what a device asks for at a time.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *service.Config) { c.Limits = stacksync.Limits{Proposals: 7, FileSize: 1000, Chunks: 500} })
	a, b := w.device("a"), w.device("b")
	for i := range 40 {
		a.write(fmt.Sprintf("dir%d/file%d", i%3, i), fmt.Sprint(i))
	}
	a.write("dir1/large", random(1001))
	r, err := a.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, 43, r.Committed)
	require.Len(t, r.Problems, 1)
	require.Equal(t, "dir1/large", r.Problems[0].Path)
	require.ErrorIs(t, r.Problems[0].Err, stacksync.ErrSize)
	b.sync()
	require.Len(t, b.tree(), 43)
}

func TestStateBelongsToOneDevice(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x")
	require.NoError(t, a.Close())
	a.cfg.Actor.Device = b.cfg.Actor.Device
	_, err := device.Open(w.service, a.cfg)
	require.ErrorContains(t, err, "is not of workspace")
	w.devices = w.devices[1:]
}

// A folder that is not there (a disk that was not mounted) is no empty folder.
func TestMissingFolderDeletesNothing(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x", "y")
	a.rename(".", "../away")
	_, err := a.Sync(t.Context())
	require.NoError(t, err, "the open folder moved along")
	require.NoError(t, a.Close())
	a.mkdir(".")
	a.open()
	require.Zero(t, a.sync().Committed)
	require.Len(t, b.tree(), 2)
	w.converge()
	require.Len(t, a.tree(), 2)
}

// A device that lost its memory finds its files again, and fetches and sends nothing.
func TestLostState(t *testing.T) {
	t.Parallel()
	w, a, b := twins(t, "x", "dir/y", "dir/sub/z")
	require.NoError(t, b.Close())
	b.remove(".stacksync")
	b.open()
	r := b.sync()
	require.Zero(t, r.ChunksDownloaded+r.Committed+len(r.Conflicts))
	a.rename("dir", "renamed")
	w.converge()
	require.Len(t, b.tree(), 5)
}

func TestEmptiedFolderWithoutStateIsAnError(t *testing.T) {
	t.Parallel()
	_, a, b := twins(t, "x")
	a.remove(".stacksync")
	a.remove("x")
	_, err := a.Sync(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	b.sync()
	require.Len(t, b.tree(), 1)
}
