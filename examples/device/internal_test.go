package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stacksync/stacksync-go"
)

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(data)
	return data
}

func chunksOf(t *testing.T, data []byte) []string {
	t.Helper()
	var chunks []string
	err := eachChunk(iotest.HalfReader(bytes.NewReader(data)), make([]byte, cutBuffer), func(chunk []byte) error {
		chunks = append(chunks, string(chunk))
		return nil
	})
	require.NoError(t, err)
	return chunks
}

func TestChunks(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, minChunk, minChunk + 1, avgChunk, maxChunk, maxChunk + 1, cutBuffer, cutBuffer + 1} {
		for name, data := range map[string][]byte{"noise": noise(n), "zeros": make([]byte, n)} {
			chunks := chunksOf(t, data)
			if strings.Join(chunks, "") != string(data) {
				t.Fatalf("%d bytes of %s: the chunks are not the content", n, name) // which is too long to show
			}
			for i, c := range chunks {
				require.LessOrEqual(t, len(c), maxChunk)
				require.True(t, len(c) > minChunk || i == len(chunks)-1 && len(c) > 0)
			}
		}
	}
	average := (8 << 20) / len(chunksOf(t, noise(8<<20)))
	require.Greater(t, average, avgChunk*3/4)
	require.Less(t, average, avgChunk*2)
}

// The borders are a format: devices of all versions must agree on them.
func TestChunkBordersNeverChange(t *testing.T) {
	t.Parallel()
	var sizes []int
	for _, c := range chunksOf(t, noise(4<<20)) {
		sizes = append(sizes, len(c))
	}
	require.Equal(t, []int{618702, 599652, 552031, 634919, 524547, 148283, 892878, 223292}, sizes)
}

func TestChunksSurviveAnInsertion(t *testing.T) {
	t.Parallel()
	data := noise(8 << 20)
	before := map[string]bool{}
	for _, c := range chunksOf(t, data) {
		before[c] = true
	}
	at := 3 << 20
	changed := append(append(bytes.Clone(data[:at]), "an insertion"...), data[at:]...)
	fresh := 0
	for _, c := range chunksOf(t, changed) {
		if !before[c] {
			fresh++
		}
	}
	require.LessOrEqual(t, fresh, 2)
}

func TestChunkReaderFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	err := eachChunk(iotest.ErrReader(broken), make([]byte, cutBuffer), func([]byte) error { return nil })
	require.ErrorIs(t, err, broken)
}

func TestContentIsHashedOnceAndRight(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 5, minChunk, minChunk + 1, 3 << 20} {
		data := noise(n)
		c, err := readContent(bytes.NewReader(data), make([]byte, cutBuffer))
		require.NoError(t, err)
		require.Equal(t, hashName(data), c.Checksum)
		require.EqualValues(t, n, c.Size)
	}
}

func TestDiskNameIsAlwaysOneElement(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check := func(t require.TestingT, name string) {
		for _, parent := range []stacksync.ItemID{{}, newItemID()} {
			it := &stacksync.Item{ID: newItemID(), Parent: parent, Name: name}
			made := diskName(it)
			require.True(t, filepath.IsLocal(made) && filepath.Base(made) == made, "%q for %q", made, name)
			require.NotEqual(t, ".", made)
			require.LessOrEqual(t, len(made), maxName)
			require.True(t, utf8.ValidString(made))
			if parent.IsZero() {
				require.NotEqual(t, stateDir, strings.ToLower(made))
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, made), nil, 0o600))
		}
	}
	for _, name := range []string{"", ".", "..", "/", "../../etc/passwd", "a/b", "a\x00b", ".stacksync", ".StackSync", "con", "\xff", strings.Repeat("ä", 200), `..\..`} {
		check(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune{'.', '/', '\\', 0, 'a', ':', ' '}))).Draw(t, "name"))
	})
}

func TestConflictName(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	taken := map[string]bool{}
	for range 2 {
		for _, c := range []struct {
			name, want string
			kind       stacksync.Kind
		}{
			{"a.txt", "a (conflicted copy of pc 2026-01-02%s).txt", stacksync.File},
			{"a.txt", "a.txt (conflicted copy of pc 2026-01-02%s)", stacksync.Folder},
			{".bashrc", ".bashrc (conflicted copy of pc 2026-01-02%s)", stacksync.File},
			{"a.b.c", "a.b (conflicted copy of pc 2026-01-02%s).c", stacksync.File},
			{strings.Repeat("ä", 127), strings.Repeat("ä", 108) + " (conflicted copy of pc 2026-01-02%s)", stacksync.File},
		} {
			want := fmt.Sprintf(c.want, "")
			if taken[want] {
				want = fmt.Sprintf(c.want, " 2")
			}
			got := conflictName(c.name, c.kind, "pc", day, func(s string) bool { return taken[s] })
			if len(c.name) < 100 {
				require.Equal(t, want, got)
			}
			require.LessOrEqual(t, len(got), maxName)
			require.True(t, utf8.ValidString(got))
			taken[got] = true
		}
	}
}

func openRoot(t *testing.T) *os.Root {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	require.NoError(t, root.Mkdir(stateDir, 0o700))
	return root
}

// A journal that was cut short anywhere has what was saved up to there, and nothing of a save that was not finished.
func TestJournalCutAnywhere(t *testing.T) {
	t.Parallel()
	root := openRoot(t)
	h := head{Format: 1, Actor: stacksync.Actor{User: "ada"}}
	flush := func(*os.File) error { return nil }
	s, err := loadState(root, flush, h)
	require.NoError(t, err)
	type saved struct {
		size    int64
		records int
		cursor  stacksync.Cursor
		flight  bool
	}
	all := []saved{{s.journal.size, 0, "", false}}
	var ids []stacksync.ItemID
	for i := range 3 {
		ids = append(ids, newItemID(), newItemID())
		for _, id := range ids[2*i:] {
			s.put(&record{Proposal: stacksync.Proposal{Item: id, Version: 1, Kind: stacksync.File}})
		}
		s.drop(ids[0])
		s.setProgress(progress{Cursor: stacksync.Cursor(fmt.Sprint(i)), Revision: int64(i)})
		if i%2 == 0 {
			s.setFlight(&flight{Stamps: []stamp{{Size: 5}}})
		} else {
			s.setFlight(nil)
		}
		require.NoError(t, s.save())
		all = append(all, saved{s.journal.size, len(s.records), s.progress.Cursor, s.flight != nil})
	}
	require.NoError(t, s.journal.close())
	data, err := root.ReadFile(journalPath)
	require.NoError(t, err)
	for size := all[0].size; size <= int64(len(data)); size++ {
		require.NoError(t, root.WriteFile(journalPath, data[:size], 0o600))
		s, err := loadState(root, flush, h)
		require.NoError(t, err)
		want := all[0]
		for _, a := range all {
			if a.size <= size {
				want = a
			}
		}
		require.Equal(t, want, saved{s.journal.size, len(s.records), s.progress.Cursor, s.flight != nil}, "cut at %d", size)
		if size%16 != 0 {
			require.NoError(t, s.journal.close())
			continue
		}
		// It goes on from there.
		s.setProgress(progress{Cursor: "next"})
		require.NoError(t, s.save())
		require.NoError(t, s.journal.close())
		s, err = loadState(root, flush, h)
		require.NoError(t, err)
		require.Equal(t, stacksync.Cursor("next"), s.progress.Cursor)
		require.NoError(t, s.journal.close())
	}
}

func TestJournalStaysSmall(t *testing.T) {
	t.Parallel()
	root := openRoot(t)
	flush := func(*os.File) error { return nil }
	s, err := loadState(root, flush, head{})
	require.NoError(t, err)
	id := newItemID()
	for i := range 5000 {
		s.put(&record{Proposal: stacksync.Proposal{Item: id, Version: int64(i), Kind: stacksync.File}})
		require.NoError(t, s.save())
	}
	require.Less(t, s.journal.size, int64(1<<20))
	require.NoError(t, s.journal.close())
	s, err = loadState(root, flush, head{})
	require.NoError(t, err)
	require.EqualValues(t, 4999, s.records[id].Version)
	require.NoError(t, s.journal.close())
}

// A file that changes while it is read is read again.
func TestHashOfAChangingFile(t *testing.T) {
	t.Parallel()
	j := openJob(t, "x")
	n := j.tree.child(j.tree.root, "x")
	once := sync.OnceFunc(func() { require.NoError(t, j.root.WriteFile("x", []byte("changed"), 0o600)) })
	j.buffers.New = func() any { // the file is open when a buffer is asked for
		once()
		return new([cutBuffer]byte)
	}
	require.NoError(t, j.hash(n))
	require.Equal(t, 2, j.report.FilesHashed)
	require.Equal(t, hashName([]byte("changed")), n.content.Checksum)
	require.EqualValues(t, len("changed"), n.stamp.Size)
}

// openJob returns a job on a folder with the given files, scanned.
func openJob(t *testing.T, files ...string) *job {
	dir := t.TempDir()
	for _, name := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600))
	}
	d, err := Open(nil, Config{
		Actor: stacksync.Actor{User: "ada", Device: stacksync.DeviceID{UUID: uuid.New()}}, Workspace: stacksync.WorkspaceID{UUID: uuid.New()},
		Dir: dir, NoSync: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	j := &job{Device: d}
	require.NoError(t, j.scan(t.Context()))
	return j
}

// A stamp that was taken too soon after a change stays in doubt until the file is read again.
func TestRestampKeepsTheDoubt(t *testing.T) {
	t.Parallel()
	j := openJob(t, "x")
	changed := time.Now().Add(time.Hour) // so that the scan comes soon enough
	require.NoError(t, j.root.Chtimes("x", changed, changed))
	require.NoError(t, j.scan(t.Context()))
	n := j.tree.child(j.tree.root, "x")
	require.True(t, n.stamp.Recent)
	j.cfg.Now = func() time.Time { return changed.Add(time.Hour) }
	require.NoError(t, j.restamp(n))
	require.True(t, n.stamp.Recent)
	require.NoError(t, j.hash(n))
	require.False(t, n.stamp.Recent)
}

func TestForEach(t *testing.T) {
	t.Parallel()
	items := make([]int, 100)
	for i := range items {
		items[i] = i
	}
	var mu sync.Mutex
	sum := 0
	require.NoError(t, forEach(t.Context(), 3, items, func(_ context.Context, i int) error {
		mu.Lock()
		defer mu.Unlock()
		sum += i
		return nil
	}))
	require.Equal(t, 4950, sum)
	broken := errors.New("broken")
	calls := 0
	err := forEach(t.Context(), 1, items, func(_ context.Context, i int) error {
		calls++
		if i == 10 {
			return broken
		}
		return nil
	})
	require.ErrorIs(t, err, broken)
	require.Equal(t, 11, calls)
}

func TestFold(t *testing.T) {
	t.Parallel()
	require.Equal(t, diskKey("É", true), diskKey("e\u0301", true))
	require.NotEqual(t, diskKey("A", false), diskKey("a", false))
	require.True(t, sameName("é", "e\u0301", true))
	require.False(t, sameName("é", "e\u0301", false))
	require.False(t, sameName("A", "a", true), "a change of case is a rename")
}
