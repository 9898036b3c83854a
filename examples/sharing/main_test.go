package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newShow(t *testing.T) (*show, *bytes.Buffer) {
	var out bytes.Buffer
	s := &show{out: story.Writer{W: &out, Width: 14}, temp: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return s, &out
}

func TestSharing(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	require.NoError(t, run(t.Context(), []string{"-keep"}, file))
	require.NoError(t, file.Close())
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	out, kept, ok := strings.Cut(strings.TrimSpace(string(text)), "\nkept ")
	require.True(t, ok)
	kept = strings.TrimSpace(kept)
	defer func() { require.NoError(t, os.RemoveAll(kept)) }()
	for _, want := range []string{
		"service ", "first sync ", "share ", `his is called "garden (2)"`, "viewer ", "role too low", "commits what was waiting: 1", "all write ", "with 1 conflicted copy",
		"her tablet renames the folder, and fetches 0 bytes", `with "workspace not found" and the advice to "forget"`, `"garden (2) (not shared any more)"`,
		"transfer ", "invite ", "leave ", "move their files back, and fetch 0 bytes",
	} {
		require.Contains(t, out, want)
	}
	lines := strings.Split(out, "\n")
	require.Regexp(t, `^equal .*ada \d+, bob 2, eve 1; 1\.2 MB`, lines[len(lines)-1])

	// What is left on the devices.
	at := func(path string) string { return filepath.Join(kept, filepath.FromSlash(path)) }
	for _, path := range []string{
		"ada's desktop/home/garden/notes/from eve's tablet.txt",
		"bob's phone/home/garden/mine.txt",
		"bob's laptop/garden (2) (not shared any more)/bob's diary/too late.txt",
		"bob's laptop/ada's garden (not shared any more)/bob's diary/0001.txt",
		"eve's tablet/ada's garden (not shared any more)/plan.txt",
	} {
		require.FileExists(t, at(path))
	}
	for _, path := range []string{
		"ada's laptop/garden", "ada's laptop/home/garden/.stacksync", "ada's laptop/home/garden/bob's diary/too late.txt", "eve's tablet/garden",
		"bob's phone/ada's garden (not shared any more)/bob's diary/too late.txt",
	} {
		_, err := os.Lstat(at(path))
		require.ErrorIs(t, err, fs.ErrNotExist, path)
	}
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	s, out := newShow(t)
	for _, step := range []func(context.Context) error{s.prepare, s.firstSync, s.share, s.end} {
		require.NoError(t, step(t.Context()))
	}
	require.NoError(t, s.compare())
	require.Contains(t, out.String(), "\nequal ")
	out.Reset()
	require.NoError(t, errors.Join(
		s.adaDesktop.home.edit("diary.txt", "somebody does"),
		os.Remove(s.bobPhone.garden().path("beds/north.txt")),
		s.fresh[2].home.write("more songs.txt", "la"),
	))
	require.ErrorContains(t, s.compare(), "differ in 3 places")
	require.Equal(t, 3, strings.Count(out.String(), "different "))
	for _, want := range []string{
		"home/diary.txt: on ada's laptop a file of 18 bytes, SHA-256 ", "garden (2)/beds/north.txt: only on bob's laptop, ", "home/more songs.txt: only on eve's new device, ",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "equal")
	_, err := s.compareGardens(s.clients...)
	require.ErrorContains(t, err, "beds/north.txt")
}

// TestHomeSyncsFirst: a device that has synced its home folder before it hears of the share ends with the same, though it has to fetch it.
func TestHomeSyncsFirst(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := newShow(t)
	require.NoError(t, s.prepare(ctx))
	require.NoError(t, s.firstSync(ctx))
	require.NoError(t, s.adaDesktop.home.edit("garden/plan.txt", "and pumpkins"))
	home := s.adaLaptop.home.mount.ID
	folder, err := s.server.GetItemByPath(ctx, stacksync.GetItemByPathRequest{Actor: s.adaLaptop.actor, Workspace: home, Path: "garden"})
	require.NoError(t, err)
	res, err := s.server.ShareFolder(ctx, stacksync.ShareFolderRequest{
		Actor: s.adaLaptop.actor, Workspace: home, Folder: folder.Item.ID, Invite: []stacksync.Invitee{{User: bob}},
	})
	require.NoError(t, err)
	s.garden = res.Workspace.ID

	_, err = s.adaDesktop.home.Sync(ctx)
	require.NoError(t, err)
	require.NoError(t, s.appears(ctx, s.of(ada, bob)...))
	require.NoError(t, s.settle(ctx, s.of(ada, bob)...))
	n, err := s.compareGardens(s.of(ada, bob)...)
	require.NoError(t, err)
	require.Equal(t, 8, n)
	for _, c := range s.of(ada) {
		content, err := os.ReadFile(c.home.path("garden/plan.txt"))
		require.NoError(t, err)
		require.Equal(t, "beans, peas\nand pumpkins\n", string(content), "what was not sent yet stays")
		require.False(t, c.home.has("garden/todo.txt"))
	}
	require.Nil(t, s.eveTablet.garden())
}

func TestNamesOfFolders(t *testing.T) {
	t.Parallel()
	m := stacksync.Mount{Workspace: stacksync.Workspace{ID: stacksync.WorkspaceID{}}}
	for name, want := range map[string]string{
		"garden": "garden", "a b.c": "a b.c", "..": m.ID.String(), "a/b": m.ID.String(), "../a": m.ID.String(), "": m.ID.String(), ".": m.ID.String(), "/": m.ID.String(),
	} {
		m.Member.MountName = name
		require.Equal(t, want, plain(m), "%q", name)
	}
	c := &client{dir: t.TempDir()}
	for _, want := range []string{"x", "x (2)", "x (3)"} {
		require.Equal(t, filepath.Join(c.dir, want), c.free("x"))
		require.NoError(t, os.Mkdir(c.free("x"), 0o700))
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-nonsense"}, {"stray"}} {
		require.Error(t, run(t.Context(), args, os.Stderr))
	}
}
