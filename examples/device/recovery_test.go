package device_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/device"
	"github.com/stacksync/stacksync-go/metastore/sqlite"
)

// The answer to a commit is lost. The same commit is sent again, also after the user has gone on, and after a restart.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := &faults{}
			a, b := w.device("a", f.wrap), w.device("b")
			a.write("x", "one")
			a.write("old", "gone soon")
			w.converge()
			a.write("x", "two")
			a.write("new", "two") // one chunk, as two might be prepared by one call or two
			a.remove("old")
			// Changes, PrepareUpload, UploadChunk, Commit.
			f.set(4, loseAnswer, nil)
			_, err := a.Sync(t.Context())
			require.ErrorIs(t, err, errFault)
			require.EqualValues(t, 2, w.item("x").Version, "it was saved")
			a.write("x", "three")
			a.rename("new", "renamed")
			if restart {
				a.restart()
			}
			w.converge()
			require.Equal(t, map[string]string{"x": "three", "renamed": "two"}, b.tree())
			require.EqualValues(t, 3, w.item("x").Version)
			require.EqualValues(t, 2, w.item("renamed").Version)
		})
	}
}

// A device is killed after each of its calls in turn, and forgets what it had not saved.
func TestCrashAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{0, 100} {
		t.Run(fmt.Sprint(percent, " percent saved"), func(t *testing.T) {
			t.Parallel()
			for call := 1; crashAt(t, call, percent); call++ {
			}
		})
	}
}

// crashAt kills a device after one of its calls. It returns false when there are fewer calls.
func crashAt(t *testing.T, call, percent int) (crashed bool) {
	w := newWorld(t)
	f := &faults{pageLimit: 2}
	a, b := w.device("a"), w.device("b", f.wrap)
	for _, name := range []string{"x", "y", "dir/one", "dir/two", "old/three", "old/four"} {
		a.write(name, "content of "+name)
	}
	w.converge()
	a.write("x", "from a")
	a.rename("dir", "renamed")
	a.rename("y", "tmp")
	a.rename("renamed/one", "y")
	a.rename("tmp", "renamed/one")
	a.remove("old")
	a.sync()
	b.write("new/from b", "new")
	b.write("dir/two", "from b")
	b.rename("y", "z")

	before := b.journal()
	f.set(call, dieAfter, nil)
	_, err := b.Sync(t.Context())
	f.clear()
	require.NoError(t, b.Close())
	if err != nil {
		require.ErrorIs(t, err, errFault)
		b.cutJournal(before, percent)
	}
	b.open()
	tree := w.converge()
	require.Equal(t, sums(tree), w.serverSums())
	for _, content := range []string{"from a", "new", "from b", "content of y", "content of dir/one"} {
		require.Contains(t, values(tree), content, "crash at call %d", call)
	}
	require.NotContains(t, values(tree), "content of old/three")
	return err != nil
}

func values(tree map[string]string) (values []string) {
	for _, v := range tree {
		values = append(values, v)
	}
	return values
}

// eager changes a file while it is uploaded.
type eager struct {
	device.Service
	write func()
	times int
}

func (s *eager) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *eager) PrepareUpload(ctx context.Context, r stacksync.PrepareUploadRequest) (stacksync.PrepareUploadResult, error) {
	if s.times > 0 {
		s.times--
		s.write()
	}
	return s.Service.PrepareUpload(ctx, r)
}

func TestFileChangesDuringUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &eager{times: 3}
	a, b := w.device("a", s.wrap), w.device("b")
	n := 0
	s.write = func() {
		n++
		a.write("log", fmt.Sprint("line ", n))
	}
	a.write("log", "line 0")
	a.write("other", "calm")
	a.sync()
	b.sync()
	require.Equal(t, map[string]string{"log": "line 3", "other": "calm"}, b.tree())

	// One that never keeps still holds up no other.
	s.times = 1000
	s.write()
	a.write("third", "calm too")
	r, err := a.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Problems, 1)
	require.Equal(t, "log", r.Problems[0].Path)
	b.sync()
	require.Equal(t, "calm too", b.tree()["third"])
	require.Equal(t, "line 3", b.tree()["log"])
}

// damaged is a storage that has lost or mixed up a chunk.
type damaged struct {
	device.Service
	chunk   string
	content string // empty: the chunk is lost
}

func (s *damaged) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *damaged) DownloadChunk(ctx context.Context, r stacksync.DownloadChunkRequest) (stacksync.DownloadChunkResult, error) {
	switch {
	case r.Name != s.chunk:
		return s.Service.DownloadChunk(ctx, r)
	case s.content == "":
		return stacksync.DownloadChunkResult{}, stacksync.ErrChunkNotFound
	}
	return stacksync.DownloadChunkResult{Size: int64(len(s.content)), Content: io.NopCloser(strings.NewReader(s.content))}, nil
}

func TestDamagedContent(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"lost": "", "changed": "what it never was", "short": "n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := &damaged{chunk: sum("new content"), content: content}
			a, b := w.device("a"), w.device("b", s.wrap)
			a.write("x", "old content")
			w.converge()
			a.rename("x", "moved")
			a.sync()
			a.write("moved", "new content")
			a.write("y", "new content")
			a.write("z", "other")
			a.sync()
			for range 2 {
				r, err := b.Sync(t.Context())
				require.NoError(t, err)
				require.Len(t, r.Problems, 2)
				require.Equal(t, map[string]string{"moved": "old content", "z": "other"}, b.tree(), "the rest is synced, and nothing damaged")
				b.restart(s.wrap)
			}
			require.Equal(t, sums(a.tree()), w.serverSums(), "what waits is not taken for deleted")
			// What is edited meanwhile waits too: it would replace what nobody here has seen.
			b.write("moved", "edited by b")
			_, err := b.Sync(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 3, w.item("moved").Version)
			s.chunk = ""
			tree := w.converge()
			require.Equal(t, "new content", tree["moved"])
			require.Equal(t, "edited by b", tree[copies(tree)[0]])
			require.Len(t, tree, 4)
		})
	}
}

// cursors makes calls of Changes fail, those for which there is a remedy.
type cursors struct {
	device.Service
	remedies []stacksync.Remedy
}

func (s *cursors) wrap(service device.Service) device.Service {
	s.Service = service
	return s
}

func (s *cursors) Changes(ctx context.Context, r stacksync.ChangesRequest) (stacksync.ChangesPage, error) {
	if len(s.remedies) > 0 {
		remedy := s.remedies[0]
		if s.remedies = s.remedies[1:]; remedy != "" {
			return stacksync.ChangesPage{}, &stacksync.CursorError{Workspace: r.Workspace, Remedy: remedy, Err: stacksync.ErrCursorExpired}
		}
	}
	r.Limit = 1
	return s.Service.Changes(ctx, r)
}

// After a resync, what the server does not show was deleted there; what is new here stays new.
func TestResync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &cursors{}
	a, b := w.device("a"), w.device("b", s.wrap)
	for _, name := range []string{"stays", "edited", "gone", "dir/gone", "dir/kept", "moved"} {
		a.write(name, "content of "+name)
	}
	w.converge()
	a.remove("gone")
	a.remove("dir")
	a.write("edited", "by a")
	a.rename("moved", "here")
	a.sync()
	b.write("new", "by b")
	b.write("dir/kept", "edited by b")
	s.remedies = []stacksync.Remedy{stacksync.RemedyResync}
	r := b.sync()
	require.Zero(t, r.ChunksDownloaded-1, "only what changed is fetched")
	want := map[string]string{"stays": "content of stays", "edited": "by a", "here": "content of moved", "new": "by b", "dir": "/", "dir/kept": "edited by b"}
	require.Equal(t, want, w.converge())
	require.Equal(t, want, b.tree())
}

// A remedy that was not through is still owed: what the server lost must not be deleted because its cursor expired too.
func TestReuploadOutlivesResync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &cursors{}
	a, b := w.device("a"), w.device("b", s.wrap)
	for _, name := range []string{"lost", "x", "y"} {
		a.write(name, "content of "+name)
	}
	w.converge()
	a.remove("lost")
	a.sync()
	s.remedies = []stacksync.Remedy{stacksync.RemedyReupload, "", stacksync.RemedyResync}
	b.sync()
	require.Equal(t, "content of lost", w.converge()["lost"])
}

func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &cursors{}
	a, b := w.device("a"), w.device("b", s.wrap)
	a.write("x", "x")
	w.converge()
	s.remedies = []stacksync.Remedy{stacksync.RemedyForget}
	_, err := b.Sync(t.Context())
	var ce *stacksync.CursorError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, map[string]string{"x": "x"}, b.tree(), "the files stay")
	cursor, revision := b.Position()
	require.Empty(t, cursor)
	require.Zero(t, revision)
	w.converge()
}

// The server is restored from a backup: what it lost comes back from the devices, and what others have done since stays.
func TestReupload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(name string) stacksync.MetadataStore {
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, name), sqlite.Config{Synchronous: sqlite.Normal})
		require.NoError(t, err)
		return s
	}
	w := newWorld(t)
	w.stop()
	w.start(open("meta.db"))
	a, b := w.device("a"), w.device("b")
	for _, name := range []string{"stays", "edited by a", "edited by both", "moved", "dir/deleted", "dir/x"} {
		a.write(name, "content of "+name)
	}
	w.converge()
	w.stop()
	backup, err := os.ReadFile(filepath.Join(dir, "meta.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "backup.db"), backup, 0o600))

	// What comes now, the server is going to lose.
	w.start(open("meta.db"))
	a.restart()
	b.restart()
	for i := range 3 {
		a.write("edited by a", fmt.Sprint("edit ", i))
		a.sync()
	}
	a.write("edited by both", "after the backup, by a")
	a.rename("moved", "dir/moved")
	a.remove("dir/deleted")
	a.write("new/file", "new")
	w.converge()
	want := a.tree()

	w.stop()
	restored := open("backup.db")
	err = restored.Update(t.Context(), func(ctx context.Context, tx stacksync.Tx) error {
		m, err := tx.Memberships(ctx, stacksync.MembershipsParams{User: w.actor.User})
		if err != nil {
			return err
		}
		for i := range m.Workspaces {
			m.Workspaces[i].Epoch++
		}
		_, err = tx.Put(ctx, stacksync.PutParams{Workspaces: m.Workspaces})
		return err
	})
	require.NoError(t, err)
	w.start(restored)
	a.restart()
	b.restart()
	// A third device starts from what the server has left, and edits twice what a had edited once.
	c := w.device("c")
	for i := range 2 {
		c.sync()
		c.write("edited by both", fmt.Sprint("after the restore, by c ", i))
		c.sync()
	}
	tree := w.converge()
	want["edited by both"] = "after the restore, by c 1"
	want["dir/deleted"] = "content of dir/deleted" // the server has forgotten that it was deleted
	for _, name := range copies(tree) {            // one from each device that had it
		require.Equal(t, "after the backup, by a", tree[name])
		delete(tree, name)
	}
	require.Equal(t, want, tree)
}
